"""Gene annotation as a matrix, GMT and GAF."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.raw.ontology import read_annotation

MATRIX = "gene,GO.2,GO.1\nSIMB,0,1\nSIMA,1,0\n"
GMT = "GO:2\tsecond\tSIMB\tSIMA\tSIMB\nGO:1\t\tSIMA\t\n"


def gaf_line(symbol="SIMA", qualifier="involved_in", term="GO:1"):
    fields = ["UniProtKB", "P1", symbol, qualifier, term, "PMID:1", "IDA", "", "P", "", "", "protein"]
    return "\t".join([*fields, "taxon:9606", "20240101", "UniProt", "", ""]) + "\n"


GAF = (
    "!gaf-version: 2.2\n"
    + gaf_line()
    + gaf_line()
    + gaf_line("SIMB", "part_of", "GO:2")
    + gaf_line("SIMA", "", "GO:2")
)


def write(path, content):
    path.write_bytes(gzip.compress(content.encode(), mtime=0) if path.suffix == ".gz" else content.encode())
    return path


@pytest.mark.parametrize("name", ["gene_ontology.csv", "gene_ontology.csv.gz"])
def test_a_matrix_keeps_its_order(tmp_path, name):
    genes, terms, annotation = read_annotation(write(tmp_path / name, MATRIX))
    assert genes == ["SIMB", "SIMA"]
    assert terms == ["GO.2", "GO.1"]
    assert annotation.dtype == np.uint8
    assert annotation.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("name", "content"), [("s.gmt", GMT), ("s.gaf", GAF), ("s.gaf.gz", GAF)])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_sets_and_associations_are_sorted(tmp_path, name, content, line_end):
    genes, terms, annotation = read_annotation(write(tmp_path / name, content.replace("\n", line_end)))
    assert genes == ["SIMA", "SIMB"]
    assert terms == ["GO:1", "GO:2"]
    assert annotation.dtype == np.uint8
    assert annotation.tolist() == [[1, 1], [0, 1]]


def test_gaf_leaves_out_what_is_negated(tmp_path):
    content = GAF + gaf_line("SIMC", "NOT|involved_in", "GO:3") + gaf_line("SIMB", "NOT", "GO:1")
    genes, terms, annotation = read_annotation(write(tmp_path / "s.gaf", content))
    assert genes == ["SIMA", "SIMB"]
    assert terms == ["GO:1", "GO:2"]
    assert annotation.tolist() == [[1, 1], [0, 1]]


@given(st.dictionaries(st.sampled_from("pqrst"), st.sets(st.sampled_from("abcd"), min_size=1), min_size=1))
def test_a_gmt_comes_back_as_the_same_sets(tmp_path_factory, sets):
    content = "\n".join("\t".join([term, "", *sorted(members)]) for term, members in sets.items())
    genes, terms, annotation = read_annotation(write(tmp_path_factory.mktemp("gmt") / "s.gmt", content))
    read = {term: {genes[i] for i in np.flatnonzero(annotation[:, j])} for j, term in enumerate(terms)}
    assert read == sets


HOSTILE = {
    "missing.csv": (None, "no such file"),
    "two.csv": (MATRIX.replace("0,1", "0,2"), "gene 'SIMB', term 'GO.1' is 2, expected 0 or 1"),
    "half.csv": (MATRIX.replace("1,0", "0.5,0"), "gene 'SIMA', term 'GO.2' is 0.5, expected 0 or 1"),
    "gap.csv": (MATRIX.replace("1,0", ",0"), "gene 'SIMA', term 'GO.2': '' is not a finite number"),
    "twice.csv": (MATRIX.replace("SIMB", "SIMA"), "gene 'SIMA' occurs twice"),
    "empty.gmt": ("\n", "holds no gene sets"),
    "short.gmt": (GMT + "GO:3\tthird\n", "line 3 starts 'GO:3 third', expected a term"),
    "twice.gmt": (GMT + GMT, "term 'GO:2' occurs again in line 3"),
    "empty.gaf": ("!gaf-version: 2.2\n", "holds no annotations"),
    "cut.gaf": (GAF[:-60], "line 5 is not GAF 2: it has"),
    "other.gaf": ("HGNC\tA", "line 1 is not GAF 2: it has 2 fields, expected 15 or more"),
    "page.gaf": (
        "<html>",
        r"is a web page \(HTML\), as a failed download leaves it; download the file itself",
    ),
    "genes.xlsx": ("", r"not an annotation format; expected \.csv, \.gmt or \.gaf"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_annotation_is_explained_in_one_line(tmp_path, name):
    content, message = HOSTILE[name]
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(RawDataError, match=message) as caught:
        read_annotation(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
