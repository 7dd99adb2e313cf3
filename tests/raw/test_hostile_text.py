"""GMT, GAF and OBO of any bytes: read, or an error in one line that names the file."""

import gzip
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.raw.gene_ontology import annotate
from anchordrug.raw.gene_sets import read_gene_sets
from anchordrug.raw.hgnc import read_other_names
from anchordrug.raw.ontology import associations

GAF = "UniProtKB\tP1\tTP53\t\tGO:1\tPMID:1\tIDA\t\tP\t\t\tprotein\ttaxon:9606\t20240101\tX\n"
GMT = "term\tna\tTP53\tMYC\n"
OBO = "format-version: 1.2\nontology: go\n\n[Term]\nid: GO:1\nname: x\nnamespace: biological_process\n\n"
HGNC = "symbol\tprev_symbol\talias_symbol\nTP53\tP53\t\n"


def read_obo(path):
    gaf = path.with_name("sound.gaf")
    gaf.write_text(GAF)
    kept = {"evidence": ["IDA"], "aspects": "P", "min_genes": 1, "max_genes": 9}
    return annotate(gaf, path, ["TP53"], **kept)


FORMATS = {
    "gmt": (read_gene_sets, GMT),
    "gaf": (associations, GAF),
    "obo": (read_obo, OBO),
    "txt": (read_other_names, HGNC),
}


@pytest.fixture(params=FORMATS)
def kind(request):
    return request.param


def refusal(path, data, read):
    path.write_bytes(data)
    with pytest.raises(RawDataError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    return message


def test_sound_files_are_read_in_the_encodings_of_windows(tmp_path, kind):
    read, text = FORMATS[kind]
    expected = None
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.replace("\n", "\r\n").encode()):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(data)
        found = str(read(path))
        expected = expected or found
        assert found == expected


@pytest.mark.parametrize("kind", ["gmt", "gaf", "obo"])
def test_a_windows_letter_is_read(tmp_path, kind):
    read, text = FORMATS[kind]
    path = tmp_path / f"a.{kind}"
    comment = {"gmt": "t2\t\u00e9\tTP53\n", "gaf": "! \u00e9\n", "obo": "[Term]\nid: GO:3\nname: \u00e9\n"}[
        kind
    ]
    path.write_bytes(text.encode() + comment.encode("cp1252"))
    assert read(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_refused(tmp_path, kind, encoding):
    read, text = FORMATS[kind]
    told = refusal(tmp_path / f"a.{kind}", text.encode(encoding), read)
    assert encoding == "utf-32" or "is UTF-16 text; save it as UTF-8" in told


@pytest.mark.parametrize("kind", ["gmt", "gaf", "obo"])
def test_nul_bytes_and_endless_lines_are_refused(tmp_path, kind):
    read, text = FORMATS[kind]
    path = tmp_path / f"a.{kind}"
    line = text.count("\n") + 1
    assert f"line {line} has a NUL byte" in refusal(path, text.encode() + b"x\0" + text.encode(), read)
    bomb = gzip.compress(text.encode() + b"x" * 2**25, mtime=0)
    assert re.search(rf"line {line} has more than \d+ characters", refusal(path, bomb, read))


@pytest.mark.parametrize(
    "line",
    [
        "typedefs: 1",
        "incoming_graph_data: 1",
        "no tag",
        "\n[Term]\nname: without id",
        "\n[Term]\nid: GO:2\nname: y\nnode_for_adding: z",
        "\n[Term]\nid: GO:2\nname: y\nrelationship: part_of",
        "\n[Term]\nid: GO:2\nname: y\nrelationship: part_of GO:1 GO:3",
        "name: x" + " " * 100_000 + "y",
    ],
    ids=range(8),
)
def test_tags_that_the_library_does_not_take_are_the_files_fault(tmp_path, line):
    refusal(
        tmp_path / "a.obo",
        f"format-version: 1.2\n{line}\n\n{OBO.partition(chr(10) * 2)[2]}".encode(),
        read_obo,
    )


PIECES = st.sampled_from(
    [
        *("\t", "\n", "\r", "TP53", "GO:1", "[Term]", "id: GO:2", "is_a: GO:1", "is_a: GO:2", "name: y", "!"),
        *("NOT", "\x00", "\x1b", "\u00e9", "\ud7ff", "\U0010ffff", ":", "{", "}", '"', "NA", "\x85"),
        *(GAF, GMT, OBO, HGNC),
    ]
)


@given(name=st.sampled_from(list(FORMATS)), pieces=st.lists(PIECES, max_size=12), tail=st.binary(max_size=6))
@example(name="obo", pieces=[OBO, "[Term]\nid: GO:1\nis_a: GO:1\nname: y\n"], tail=b"")
def test_any_bytes_are_read_or_refused(tmp_path_factory, name, pieces, tail):
    read, _ = FORMATS[name]
    path = tmp_path_factory.getbasetemp() / f"any.{name}"
    data = "".join(pieces).encode() + tail
    path.write_bytes(data)
    try:
        read(path)
    except RawDataError as error:
        told = str(error)
    else:
        return
    assert "any." in told or "sound.gaf" in told
    assert len(told) < 700
