"""Names of cell lines: one rule of which names are one line."""

import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.line_names import match_lines, near_line, read_identities

MODEL = (
    "ModelID,StrippedCellLineName,CCLEName,RRID,COSMICID\n"
    "ACH-000587,NCIH1975,NCIH1975_LUNG,CVCL_1511,924244\n"
    "ACH-000146,THP1,THP1_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE,CVCL_0006,909771.0\n"
)
CELLINFO = (
    "cell_iname\tcellosaurus_id\tcell_alias\tdonor_sex\nPC9\tCVCL_B260\tPC-9|PC14\tM\nHL60\t-666\t-666\tF\n"
)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("THP1", "THP-1"),
        ("jurkat", "JURKAT"),
        ("Hep G2", "HEPG2"),
        ("NCI/H1975", "NCI-H1975"),
        ("MDA.MB.231", "MDA-MB-231"),
        ("H1975", "NCIH1975_LUNG"),
        ("NCI-H838", "H838"),
        ("786O", "786-O_KIDNEY"),
        ("K562", "K562_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE"),
        ("A673", "a673_bone"),
        ("5637", "5637_URINARY_TRACT"),
    ],
)
def test_spellings_of_one_line(name, row):
    other = ["JURKAT2", "H197", "A-549", "NCIH2172_LUNG"]
    assert match_lines([name], [*other, row]).found == {name: row}
    assert match_lines([row], [name, *other]).found == {row: name}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("A549", "A549.101"),
        ("HEK", "HEK_TE"),
        ("HCT116", "HCT15"),
        ("H1", "NCIH19"),
        ("MCF7", "MCF7_CISR"),
        ("NCI", "NCIH1"),
        ("", "-"),
    ],
)
def test_other_lines(name, row):
    assert match_lines([name], [row]) == ({}, {})
    assert match_lines([row], [name]) == ({}, {})


def test_the_nearest_spelling_decides():
    available = ["H1975_LUNG", "H-1975", "H1975"]
    assert match_lines(["H1975"], available).found == {"H1975": "H1975"}
    assert match_lines(["h1975"], available[:2]).found == {"h1975": "H-1975"}
    assert match_lines(["NCIH1975"], available[:1]).found == {"NCIH1975": "H1975_LUNG"}


def test_several_candidates_are_named():
    match = match_lines(["T47D", "MCF7"], ["T-47D", "t47d", "MCF7"])
    assert match.found == {"MCF7": "MCF7"}
    assert match.unclear == {"T47D": ["T-47D", "t47d"]}
    assert near_line("T47D", ["T-47D", "t47d"]) == "; did you mean 'T-47D' or 't47d'?"


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
        RawDataError, match=r"Model\.csv: has 1 columns that name cell lines \(found: ModelID, Sex"
    ):
        read_identities(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("jurkat", "JURKAT"), ("H1975", "NCIH1975_LUNG"), ("HT-92", "HT29"), ("jurkt", "JURKAT")],
)
def test_the_line_that_may_be_meant(wrong, meant):
    assert near_line(wrong, ["JURKAT", "NCIH1975_LUNG", "HT29", "A549"]) == f"; did you mean '{meant}'?"


def test_nothing_near():
    assert near_line("MYLINE", ["A549", "THP1"]) == ""
