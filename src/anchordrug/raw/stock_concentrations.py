"""Concentrations of stock solutions, from a column that names their unit or cells that do."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anchordrug.errors import LibraryError
from anchordrug.raw.sample_columns import PER_UM
from anchordrug.raw.sheet import Sheet, plain_header

# Units by how many there are to a mM.
_PER_MM = {unit: 1000 * factor for unit, factor in PER_UM.items()} | {"m": 0.001}
_HEADER = re.compile("stock(concentration|conc)?(in)?(mm|um|nm|m)?(indmso)?")
_CELL = re.compile(r"([0-9][0-9.,]*(?:e[+-]?[0-9]+)?)\s*([a-z/%]*)(?: in dmso)?")


def stock_column(path: Path, header: Sequence[str]) -> int | None:
    """Return the column of stock concentrations: stock_mm, stock (uM), stock concentration, ...

    A column that is called stock alone tells availability.

    Raises
    ------
    LibraryError
        There are several.
    """
    found = [column for column, name in enumerate(header) if _match(name) is not None]
    if len(found) > 1:
        raise LibraryError(
            f"{path}: columns '{header[found[0]]}' and '{header[found[1]]}' both look like concentrations of "
            "stocks; rename all but one"
        )
    return found[0] if found else None


def stocks_in_mm(sheet: Sheet, column: int) -> np.ndarray:
    """Return the column of `stock_column` in mM, float64 [rows], NaN where a cell is empty.

    Raises
    ------
    LibraryError
        A cell is not a positive number, has no unit where the header has none, or another unit than the
        header.
    """
    match = _match(sheet.header[column])
    of_header = match[3] if match else None
    cells = sheet.names(column)
    return np.array([_in_mm(sheet, row, cell, of_header) for row, cell in enumerate(cells)], np.float64)


def _match(name: str) -> re.Match[str] | None:
    key = plain_header(_plain_micro(name))
    return None if key == "stock" else _HEADER.fullmatch(key)


def _plain_micro(text: str) -> str:
    # Case folding turns the micro sign into the Greek letter.
    return text.casefold().replace("\N{GREEK SMALL LETTER MU}", "u")


def _in_mm(sheet: Sheet, row: int, cell: str, of_header: str | None) -> float:
    if not cell:
        return math.nan
    place = f"{sheet.path}: {sheet.row_place(row)}: stock concentration '{cell}'"
    text = _plain_micro(cell)
    match = _CELL.fullmatch(text.replace(",", ".") if sheet.decimal_comma else text)
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        value = math.nan
    if match is None or not 0 < value < math.inf:
        raise LibraryError(f"{place} is not a positive number with a unit; write it as in '10 mM'")
    unit = match[2] or of_header
    if unit is None:
        raise LibraryError(f"{place} has no unit; call the column stock_mm, or write '{cell} mM'")
    if unit not in _PER_MM:
        raise LibraryError(f"{place}: its unit is unknown; write M, mM, uM or nM")
    if of_header is not None and unit != of_header:
        raise LibraryError(f"{place} contradicts the unit of its column; correct one of them")
    return value / _PER_MM[unit]
