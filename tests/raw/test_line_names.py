"""Names of cell lines: one rule of which names are one line."""

import pytest

from anchordrug.raw.line_names import match_lines, near_line


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


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("jurkat", "JURKAT"), ("H1975", "NCIH1975_LUNG"), ("HT-92", "HT29"), ("jurkt", "JURKAT")],
)
def test_the_line_that_may_be_meant(wrong, meant):
    assert near_line(wrong, ["JURKAT", "NCIH1975_LUNG", "HT29", "A549"]) == f"; did you mean '{meant}'?"


def test_nothing_near():
    assert near_line("MYLINE", ["A549", "THP1"]) == ""
