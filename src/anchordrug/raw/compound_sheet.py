"""Compounds as one sheet, from workbooks, parquet and text, without the title above its header."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import LibraryError
from anchordrug.raw.compound_text import (
    FIRST_ROWS,
    CompoundText,
    lines_of,
    recognised,
    rows_of_smiles,
    suffix_of,
    table_of,
    title_note,
    titles_above,
)
from anchordrug.raw.sheet import Sheet, read_sheet
from anchordrug.raw.text import open_text


class CompoundSheet(NamedTuple):
    """A sheet of compounds below its title.

    Attributes
    ----------
    notes
        For the screen, on how the file was read.
    problems
        Why a row cannot be read, by its position.
    is_list
        Whether the file is a SMILES file, without names of columns.
    """

    sheet: Sheet
    notes: list[str]
    problems: dict[int, str]
    is_list: bool = False


def sheet_of_text(path: Path, names: Sequence[str], *, is_table: bool) -> CompoundSheet:
    """Read a text of compounds; see `compound_text.recognised`.

    Raises
    ------
    LibraryError, RawDataError
        The file is missing or damaged, an SDF, or empty.
    """
    with open_text(path) as file:
        text = recognised(path, lines_of(path, file), suffix_of(path), names, is_table=is_table)
        if text.kind == "SDF":
            raise LibraryError(
                f"{path}: is an SDF; give a table instead, with a column of SMILES and one of ids, because a "
                "list to choose from may have costs and stocks, too"
            )
        if text.kind == "table":
            return _sheet_of_table(path, text)
        rows = list(rows_of_smiles(text))
        cells = pd.DataFrame([row[1:] for row in rows], columns=range(2), dtype=object)
        lines = np.array([row[0] for row in rows])
        sheet = Sheet(path, ["smiles", "id"], cells, lines, "line", decimal_comma=False)
        return CompoundSheet(sheet, text.notes, {}, is_list=True)


def _sheet_of_table(path: Path, text: CompoundText) -> CompoundSheet:
    table = table_of(path, text.lines)
    rows, width = list(table.rows), len(table.header)
    cells = pd.DataFrame([row[1][:width] for row in rows], columns=range(width), dtype=object)
    lines = np.array([row[0] for row in rows])
    sheet = Sheet(path, table.header, cells, lines, "line", decimal_comma=table.separator != ",")
    problems = {place: row[2] for place, row in enumerate(rows) if row[2] is not None}
    return CompoundSheet(sheet, text.notes, problems)


def sheet_of_cells(path: Path, names: Sequence[str]) -> CompoundSheet:
    """Read a workbook or parquet; see `compound_text.titles_above`.

    Raises
    ------
    RawDataError
        As `anchordrug.raw.sheet.read_sheet`.
    """
    sheet = read_sheet(path, fewest_columns=1)
    top = sheet.cells.head(FIRST_ROWS)
    first = replace(sheet, cells=top, numbers_of_rows=sheet.numbers_of_rows[: len(top)])
    columns = map(first.names, range(len(sheet.header)))
    rows = [sheet.header, *map(list, zip(*columns, strict=True))]
    titles = titles_above(rows, sheet.header, names)
    if not titles:
        return CompoundSheet(sheet, [], {})
    below = replace(
        sheet,
        header=rows[titles],
        cells=sheet.cells.iloc[titles:].reset_index(drop=True),
        numbers_of_rows=sheet.numbers_of_rows[titles:],
    )
    return CompoundSheet(below, [title_note(next(filter(None, sheet.header)))], {})
