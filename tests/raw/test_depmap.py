"""DepMap's expression under LINCS' names of lines and genes; what cannot be told apart, and bad files."""

import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.depmap import read_line_names, write_expression
from anchordrug.raw.expression import read_expression
from anchordrug.raw.repurposing import read_mechanisms

MODEL = """ModelID,PatientID,CellLineName,StrippedCellLineName,CCLEName
ACH-000001,PT-1,MCF-7,MCF7,MCF7_BREAST
ACH-000002,PT-2,"SK, MEL-28",SKMEL28,SKMEL28_SKIN
ACH-000003,PT-3,Other,OTHER,
ACH-000004,PT-4,NB1,NB1,
ACH-000005,PT-5,NB-1,NB1,
"""
CELLS = """cell_iname\tccle_name
MCF7-LINCS\tMCF7_BREAST
SK-MEL-28\t-666
NB-1\t-666
N.B.1\t-666
"""
EXPRESSION = """,A1 (1),GENE2 (2),GENE2 (3),C (4)
ACH-000001,0.5,1,2,3
ACH-000002,1.5,1,2,3
ACH-000003,2.5,1,2,3
ACH-000004,3.5,1,2,3
ACH-000005,4.5,1,2,3
"""


@pytest.fixture
def files(tmp_path):
    """Writes the three files, some of them changed, and returns their paths."""

    def write(model=MODEL, cells=CELLS, expression=EXPRESSION):
        paths = [tmp_path / name for name in ("Model.csv", "cellinfo.txt", "expression.csv")]
        for path, text in zip(paths, (model, cells, expression), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    return write


def test_lines_go_by_ccle_name_then_by_stripped_name_if_only_one_has_it(files):
    model, cells, _ = files()
    names, lincs = read_line_names(model, cells)
    assert names == {
        "ACH-000001": "MCF7-LINCS",
        "ACH-000002": "SK-MEL-28",
        "ACH-000003": "OTHER",
        "ACH-000004": "NB1",  # two lines of LINCS go by it
        "ACH-000005": "NB1",
    }
    assert lincs == {"MCF7-LINCS", "SK-MEL-28", "NB-1", "N.B.1"}


def test_genes_go_by_entrez_id_and_of_two_of_one_symbol_the_sure_one_stays(files, tmp_path):
    model, cells, expression = files()
    names, lincs = read_line_names(model, cells)
    out = tmp_path / "basal_expression.csv"
    written = write_expression(expression, names, lincs, {"1": "NEW1", "3": "GENE2"}, out)
    lines, genes, values = read_expression(out)
    assert lines == ["MCF7-LINCS", "SK-MEL-28", "OTHER", "NB1"]
    assert genes == ["NEW1", "GENE2", "C"]
    assert values.tolist() == [[0.5, 2, 3], [1.5, 2, 3], [2.5, 2, 3], [3.5, 2, 3]]
    assert (written.written, written.known, written.repeated) == (4, 2, ["ACH-000005 (NB1)"])


def converted(model, cells, expression, path):
    names, lincs = read_line_names(model, cells)
    return write_expression(expression, names, lincs, {}, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "ModelID,x\nACH-1,2\n"}, r"Model\.csv: no column StrippedCellLineName"),
        ({"cells": "name\nx\n"}, r"cellinfo\.txt: no column cell_iname or cell_id"),
        ({"expression": "SequencingID,ModelID,A (1)\nx,ACH-000001,1\n"}, "another file of DepMap"),
        ({"expression": EXPRESSION + "ACH-000006,1,2\n"}, r"line 7 starts 'ACH-000006', 3 fields"),
        ({"expression": EXPRESSION.replace("ACH-00000", "ACH-10000")}, "none of its 5 cell lines"),
        ({"expression": ""}, "another file of DepMap"),
    ],
)
def test_bad_files_are_explained_and_nothing_is_written(files, tmp_path, change, message):
    with pytest.raises(RawDataError, match=message) as error:
        converted(*files(**change), tmp_path / "out.csv")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.csv").exists()


def test_mechanisms_by_name_without_case(tmp_path):
    path = tmp_path / "repurposing.txt"
    path.write_text("!x\npert_iname\tclinical_phase\tmoa\ttarget\nDrug A\tx\tm1|m2\t\nb\tx\t\tT1\n")
    table = read_mechanisms(path)
    assert table.index.tolist() == ["drug a", "b"]
    assert table["moa"].iloc[0] == "m1|m2"
    assert table.isna().sum().tolist() == [1, 1]
    path.write_text("name\tmoa\nx\ty\n")
    with pytest.raises(RawDataError, match="not the Repurposing Hub's table"):
        read_mechanisms(path)
