"""Ids and aliases of cell lines, from tables that list them."""

import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.line_tables import read_identities

MODEL = (
    "ModelID,StrippedCellLineName,CCLEName,RRID,COSMICID\n"
    "ACH-000587,NCIH1975,NCIH1975_LUNG,CVCL_1511,924244\n"
    "ACH-000146,THP1,THP1_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE,CVCL_0006,909771.0\n"
)
CELLINFO = (
    "cell_iname\tcellosaurus_id\tcell_alias\tdonor_sex\nPC9\tCVCL_B260\tPC-9|PC14\tM\nHL60\t-666\t-666\tF\n"
)


@pytest.mark.parametrize("row", ["ACH-000587", "CVCL_1511", "924244", "NCIH1975_LUNG"])
def test_ids_of_depmap_cellosaurus_and_cosmic(tmp_path, row):
    (tmp_path / "Model.csv").write_text(MODEL)
    identities = read_identities(tmp_path)
    others = ["ACH-000146", "CVCL_0006", "909771", "JURKAT"]
    assert match_lines(["NCI-H1975", "THP-1"], [row, "909771"], identities).found == {
        "NCI-H1975": row,
        "THP-1": "909771",
    }
    assert match_lines([row], ["H1975", *others], identities).found == {row: "H1975"}


def test_aliases_of_lincs(tmp_path):
    (tmp_path / "cellinfo_beta.txt").write_text(CELLINFO)
    identities = read_identities(tmp_path)
    assert match_lines(["PC14", "CVCL_B260"], ["PC9", "HL60"], identities).found == {
        "PC14": "PC9",
        "CVCL_B260": "PC9",
    }
    assert match_lines(["-666"], ["HL60"], identities) == ({}, {})


def test_a_name_of_two_lines_is_unclear(tmp_path):
    (tmp_path / "sample_info.csv").write_text("DepMap_ID,cell_line_name,alias\nACH-1,KE39,x\nACH-2,KE39,y\n")
    match = match_lines(["KE-39"], ["ACH-1", "ACH-2"], read_identities(tmp_path))
    assert match.unclear == {"KE-39": ["ACH-1", "ACH-2"]}


def test_a_table_without_names_is_refused(tmp_path):
    assert read_identities(tmp_path) == {}
    (tmp_path / "Model.csv").write_text("ModelID,Sex\nACH-000587,Female\n")
    with pytest.raises(
        RawDataError, match=r"Model\.csv: has 1 column of names of cell lines \(found: ModelID, Sex"
    ):
        read_identities(tmp_path)
