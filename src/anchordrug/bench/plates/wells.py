"""Wells of a plate: their names, the shapes of plates, and wells as people write them."""

import re
from collections.abc import Collection
from typing import Literal

import pandas as pd

ROWS = "ABCDEFGHIJKLMNOP"
SHAPES = {96: (8, 12), 384: (16, 24)}

_WELL = re.compile(r"([A-P])0*([1-9]|1\d|2[0-4])", re.IGNORECASE)
_PLATE_AND_WELL = re.compile(r"(.+?)[_:.\-\s/|]+([A-P]\d{1,3})", re.IGNORECASE)
_BEFORE_WELL = "_:.-/| \t"


def well_name(row: int, column: int) -> str:
    """Return the name, such as ``"A01"``, of the well in `row` and `column`, both counted from 0."""
    return f"{ROWS[row]}{column + 1:02}"


def size_of(plate_map: pd.DataFrame, usual: Literal[96, 384] | None = None) -> Literal[96, 384]:
    """Return the size of the plates of a map: `usual` or 96, but 384 if a well is beyond H12."""
    fits = plate_map["well_position"].str.match(r"[A-H](0\d|1[0-2])$").all()
    return (usual or 96) if fits else 384


def row_of(well: str) -> int:
    """Return the row, counted from 0, of a well by its name."""
    return ROWS.index(well[0])


def column_of(well: str) -> int:
    """Return the column, counted from 0, of a well by its name."""
    return int(well[1:]) - 1


def parse_well(text: str) -> str | None:
    """Return a well by its name, from text such as 'a1'; None if it is on no 96- or 384-well plate."""
    match = _WELL.fullmatch(text.strip())
    return well_name(ROWS.index(match[1].upper()), int(match[2]) - 1) if match else None


def parse_plate_and_well(text: str, plates: Collection[str] = ()) -> tuple[str, str] | None:
    """Return plate ("" if there is none) and well by its name, or None if `text` names no well.

    'A1', 'P1_A01', 'P1:A01', 'P1.A01', 'Plate1-A01'; with 'P1' among `plates` also 'P1A01'.
    """
    text = text.strip()
    for plate in sorted(plates, key=len, reverse=True):
        if text.startswith(plate) and (well := parse_well(text[len(plate) :].lstrip(_BEFORE_WELL))):
            return plate, well
    if well := parse_well(text):
        return "", well
    parts = _PLATE_AND_WELL.fullmatch(text)
    if parts and (well := parse_well(parts[2])):
        return parts[1], well
    return None
