"""Wells and their plates, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.bench.plates.wells import (
    SHAPES,
    column_of,
    parse_plate_and_well,
    parse_well,
    row_of,
    well_name,
)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=str)
def test_names_of_wells(shape):
    places = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    names = [well_name(*place) for place in places]
    assert names[0] == "A01"
    assert names[-1] == {8: "H12", 16: "P24"}[shape[0]]
    assert [(row_of(name), column_of(name)) for name in names] == places
    assert [parse_well(name) for name in names] == names


@pytest.mark.parametrize("text", ["b3", "B03", " b003 ", "B0003"])
def test_spellings_of_a_well(text):
    assert parse_well(text) == "B03"


@pytest.mark.parametrize("text", ["", "Q1", "A0", "A25", "A1B", "P1_A1", "1"])
def test_texts_that_are_no_well(text):
    assert parse_well(text) is None


@given(
    row=st.sampled_from("ABCDEFGHIJKLMNOP"),
    column=st.integers(1, 24),
    plate=st.sampled_from(["", "P1", "Plate1", "plate_2", "A1", "SIM-7"]),
    separator=st.sampled_from(["_", ":", ".", "-", " ", "/"]),
    width=st.integers(1, 3),
    lower=st.booleans(),
)
def test_wells(row, column, plate, separator, width, lower):
    well = f"{row.lower() if lower else row}{column:0{width}d}"
    text = f"{plate}{separator}{well}" if plate else well
    assert parse_plate_and_well(text) == (plate, f"{row}{column:02d}")
    assert parse_plate_and_well(text, ["P", "P1", "SIM-7"]) == (plate, f"{row}{column:02d}")
    assert parse_plate_and_well(f"SIM-7{well}", ["SIM-7"]) == ("SIM-7", f"{row}{column:02d}")


@pytest.mark.parametrize("text", ["", "Q27", "A25", "A0", "A00", "Q1", "P1_Q27", "AA1", "SIMD1", "A1B", "27"])
def test_texts_that_name_no_well(text):
    assert parse_plate_and_well(text, ["P1"]) is None


def test_known_plates_win():
    assert parse_plate_and_well("X_A1_B2") == ("X_A1", "B02")
    assert parse_plate_and_well("P10A1", ["P1", "P10"]) == ("P10", "A01")
    assert parse_plate_and_well("P1", ["P1"]) == ("", "P01")
    assert parse_plate_and_well("P1-A1", ["P1", "P1-"]) == ("P1-", "A01")
