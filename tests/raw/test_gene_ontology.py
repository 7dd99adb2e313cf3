"""GO annotation from GAF and OBO: propagation against brute force, evidence, aspects, sizes, bad files."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.raw.gene_ontology import annotate
from anchordrug.raw.hgnc import read_other_names

EVERYTHING = {"evidence": {"IDA", "IEA"}, "aspects": "PFC", "min_genes": 1, "max_genes": 1000}
NAMESPACES = ("biological_process", "molecular_function", "cellular_component")


def go(number):
    return f"GO:{number:07d}"


def write_obo(path, terms):
    """`terms`: number -> dict of namespace, is_a, part_of, regulates, alt, obsolete."""
    text = "format-version: 1.2\nontology: go\n"
    for number, term in terms.items():
        text += f"\n[Term]\nid: {go(number)}\nname: term {number}\n"
        text += f"namespace: {NAMESPACES[term.get('namespace', 0)]}\n"
        text += "".join(f"alt_id: {go(one)}\n" for one in term.get("alt", ()))
        text += "".join(f"is_a: {go(one)} ! its parent\n" for one in term.get("is_a", ()))
        for relation in ("part_of", "regulates"):
            text += "".join(f"relationship: {relation} {go(one)} ! x\n" for one in term.get(relation, ()))
        text += "is_obsolete: true\n" * term.get("obsolete", False)
    for relation in ("part_of", "regulates"):
        text += f"\n[Typedef]\nid: {relation}\nname: {relation}\n"
    path.write_text(text)
    return path


def write_gaf(path, rows):
    """`rows`: (symbol, term number, evidence, qualifier)."""
    lines = ["!gaf-version: 2.2"]
    for symbol, term, evidence, qualifier in rows:
        lines.append(
            "\t".join(
                [
                    *(
                        "UniProtKB",
                        "P1",
                        symbol,
                        qualifier,
                        go(term),
                        "PMID:1",
                        evidence,
                        "",
                        "P",
                        "",
                        "",
                        "protein",
                    ),
                    *("taxon:9606", "20240101", "UniProt", "", ""),
                ]
            )
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def annotated(folder, terms, rows, genes, **options):
    found = annotate(
        write_gaf(folder / "x.gaf", rows), write_obo(folder / "x.obo", terms), genes, **(EVERYTHING | options)
    )
    members = {
        term: {gene for gene, one in zip(found.genes, found.matrix[:, column], strict=True) if one}
        for column, term in enumerate(found.terms)
    }
    return found, members


def test_by_hand(tmp_path):
    terms = {
        1: {},
        2: {"is_a": [1]},
        3: {"part_of": [2], "regulates": [6]},
        4: {"is_a": [2], "namespace": 1, "alt": [40]},
        5: {"obsolete": True},
        6: {},
    }
    rows = [
        ("A", 3, "IDA", "involved_in"),
        ("B", 40, "IEA", "enables"),
        ("C", 3, "IDA", "NOT|involved_in"),
        ("C", 2, "ND", ""),
        ("C", 5, "IDA", ""),
        ("D", 1, "IDA", ""),
        ("E", 6, "IDA", ""),
    ]
    found, members = annotated(tmp_path, terms, rows, ["A", "B", "C", "E", "X"])
    assert members == {go(1): {"A", "B"}, go(2): {"A", "B"}, go(3): {"A"}, go(4): {"B"}, go(6): {"E"}}
    assert found.genes == ["A", "B", "C", "E"]  # C without a term, X without an association
    assert found.names[0] == "term 1"
    assert found.unknown == 1
    _, members = annotated(tmp_path, terms, rows, ["A", "B"], evidence={"IDA"})
    assert members[go(1)] == {"A"}
    assert set(annotated(tmp_path, terms, rows, ["A", "B"], aspects="F")[1]) == {go(4)}
    assert set(annotated(tmp_path, terms, rows, ["A", "B"], min_genes=2)[1]) == {go(1), go(2)}
    assert set(annotated(tmp_path, terms, rows, ["A", "B"], max_genes=1)[1]) == {go(3), go(4)}


@settings(max_examples=40)
@given(data=st.data())
def test_propagation_is_reachability(tmp_path_factory, data):
    """Parents have smaller numbers, so there is no circle; who belongs where is found by walking up."""
    count = data.draw(st.integers(1, 8))
    terms = {}
    for number in range(count):
        parents = st.lists(st.integers(0, number - 1), max_size=2, unique=True) if number else st.just([])
        terms[number] = {"is_a": data.draw(parents), "part_of": data.draw(parents)}
    genes = ["A", "B", "C", "D", "E", "F", "G", "H", "I"]
    pair = st.tuples(st.sampled_from(genes), st.integers(0, count - 1), st.just("IDA"), st.just(""))
    rows = data.draw(st.lists(pair, min_size=1, max_size=12))
    expected = {go(number): set() for number in terms}
    for gene, number, _, _ in rows:
        todo = [number]
        while todo:
            one = todo.pop()
            expected[go(one)].add(gene)
            todo += terms[one]["is_a"] + terms[one]["part_of"]
    _, members = annotated(tmp_path_factory.mktemp("go"), terms, rows, genes)
    assert members == {term: who for term, who in expected.items() if who}


def test_genes_under_their_other_names(tmp_path):
    hgnc = tmp_path / "hgnc.txt"
    hgnc.write_text(
        "hgnc_id\tsymbol\tname\talias_symbol\tprev_symbol\n"
        "1\tNEW1\tx\tALSO1|BOTH\tOLD1\n"
        "2\tNEW2\tx\tBOTH|NEW3\tOLD2|OLD2B\n"
        "3\tNEW3\tx\tOLD1\t\n"
    )
    others = read_other_names(hgnc)
    assert others["NEW1"] == {"ALSO1", "OLD1"}
    assert others["OLD1"] == {"NEW1"}  # previous symbol of one goes before alias of another
    assert "BOTH" not in others
    assert "NEW3" not in others  # an approved symbol is nothing else
    rows = [("OLD1", 1, "IDA", ""), ("NEW2", 1, "IDA", "")]
    found, members = annotated(tmp_path, {1: {}}, rows, ["NEW1", "OLD2B"], other_names=others)
    assert members == {go(1): {"NEW1", "OLD2B"}}
    assert found.genes == ["NEW1", "OLD2B"]
    hgnc.write_text("symbol\tname\nA\tx\n")
    with pytest.raises(RawDataError, match="expected HGNC's complete set"):
        read_other_names(hgnc)


@pytest.mark.parametrize(
    ("terms", "rows", "message"),
    [
        ({1: {"is_a": [2]}, 2: {"part_of": [1]}}, [("A", 1, "IDA", "")], "parts of each other in a circle"),
        ({1: {}}, [("A", 1, "ND", "")], "annotates 0 of 1 gene, and no term has from 1 to 1000 of them"),
        ({1: {}}, [("A", 1, "IDA", "NOT")], "holds no annotations"),
        ({}, [("A", 1, "IDA", "")], "holds no terms"),
    ],
)
def test_what_cannot_be_used_is_explained(tmp_path, terms, rows, message):
    with pytest.raises(RawDataError, match=message) as error:
        annotated(tmp_path, terms, rows, ["A"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "no obo at all\n", "[Term]\nname: x\n", "[Term]\nid GO:1\n"])
def test_a_file_that_is_no_ontology(tmp_path, content):
    (tmp_path / "x.obo").write_text(content)
    gaf = write_gaf(tmp_path / "x.gaf", [("A", 1, "IDA", "")])
    with pytest.raises(RawDataError, match=r"x\.obo"):
        annotate(gaf, tmp_path / "x.obo", ["A"], **EVERYTHING)


def test_an_ontology_without_header_is_read_without_a_word(tmp_path, caplog, capfd):
    ontology = write_obo(tmp_path / "x.obo", {1: {}})
    ontology.write_text("\n".join(ontology.read_text().splitlines()[3:]))
    gaf = write_gaf(tmp_path / "x.gaf", [("TP53", 1, "IDA", "")])
    assert annotate(gaf, ontology, ["TP53"], **EVERYTHING).genes == ["TP53"]
    assert caplog.records == []
    assert capfd.readouterr().err == ""
