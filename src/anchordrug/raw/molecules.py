"""Compounds as people keep them, one by one: tables, SMILES files, SDF, parquet, spreadsheets, a pipe.

Only the present row is held, so a file may have any number of rows.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from math import isnan
from pathlib import Path

from anchordrug.errors import LibraryError, RawDataError
from anchordrug.files.kinds import HDF5, PARQUET, WORKBOOK
from anchordrug.raw.compound_columns import SMILES_NAMES
from anchordrug.raw.compound_ids import MOST_ID_CHARACTERS, problem_with_id
from anchordrug.raw.compound_text import lines_of, suffix_of
from anchordrug.raw.molecule_text import ColumnNames, Compound, rows_of_text
from anchordrug.raw.text import LATIN1_BYTES, one_line, open_bytes, require_readable

STDIN = Path("-")


@dataclass(frozen=True)
class CompoundFile:
    """The rows of an open file, and the share of it that is read so far (None where that is not known).

    `notes` give the names of compounds where there are no ids, and the ignored columns; `notes_on_ids` are
    complete when all rows are read. `further` are the headers of further columns of ids and names, in the
    order of `Compound.further`.
    """

    rows: Iterator[Compound]
    share_read: Callable[[], float | None]
    notes_on_ids: Callable[[], list[str]]
    notes: tuple[str, ...] = ()
    further: tuple[str, ...] = ()


@contextmanager
def open_compounds(
    path: Path, smiles_column: str | None = None, id_column: str | None = None
) -> Iterator[CompoundFile]:
    """Open a file of compounds, or standard input (`-`); its first bytes and lines tell its kind.

    In tables, columns are found by name without case and punctuation: the structure by 'smiles' and its
    relatives, ids and names by `compound_columns.ID_NAMES` and `NAME_NAMES`; a note lists all others. SMILES
    files hold a SMILES and, after white space, an id. In SDF ids and names are properties of such names, else
    the title. A compound without an id is called by its name, else by its row (row_1, ...), with a note.
    Empty lines are not rows, nor are comments (#, !) before the first row.

    Parameters
    ----------
    smiles_column, id_column
        Names of columns (of SDF properties) to take instead.

    Raises
    ------
    LibraryError
        The file is missing, of another kind, damaged or without rows, has no such column, or unpacks to an
        absurd size.
    """
    names = ColumnNames(path, smiles_column, id_column)
    files = ExitStack()
    try:
        try:
            rows, share_read = _opened(names, files)
            first = next(rows, None)
        except RawDataError as error:
            raise LibraryError(str(error)) from error
        if first is None:
            raise LibraryError(f"{path}: holds no drugs; add one row per drug")
        rows = map(checked, chain([first], rows))
        yield CompoundFile(rows, share_read, names.ids.notes, tuple(names.notes), tuple(names.further))
    finally:
        # The cause is not named here: a full disk, say, is not damage to this file.
        files.close()


def _opened(names: "ColumnNames", files: ExitStack) -> tuple[Iterator[Compound], Callable[[], float | None]]:
    path = names.path
    if path == STDIN:
        text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors=LATIN1_BYTES)
        return rows_of_text(lines_of(path, text), names, None), lambda: None
    kind = require_readable(path, (PARQUET, WORKBOOK, HDF5))
    if kind is HDF5:
        raise LibraryError(
            f"{path}: is {HDF5.words}; save its table of compounds (of AnnData: obs) as CSV, with SMILES"
        )
    if kind is PARQUET:
        return _rows_of_parquet(names, files)
    if kind is WORKBOOK:
        return _rows_of_sheet(names), lambda: None
    inside, on_disk = files.enter_context(open_bytes(path))
    text = io.TextIOWrapper(inside, encoding="utf-8-sig", errors=LATIN1_BYTES)
    size = path.stat().st_size
    # When nobody reads it any more, it must stay open: the share that is read is asked for to the end.
    files.callback(text.close)
    rows = rows_of_text(lines_of(path, text), names, suffix_of(path))
    return rows, lambda: on_disk.tell() / max(1, size)


def checked(row: Compound) -> Compound:
    """Return a row whose names are not too long, with its problem if its id is none."""
    row = row._replace(name=_shortened(row.name), further=tuple(map(_shortened, row.further)))
    problem = row.problem or problem_with_id(row.drug_id)
    shown = row.drug_id if len(row.drug_id) <= MOST_ID_CHARACTERS else f"{row.drug_id[:60]}..."
    return row._replace(drug_id=shown, problem=problem)


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_ID_CHARACTERS else f"{text[: MOST_ID_CHARACTERS - 3]}..."


def _rows_of_parquet(
    names: ColumnNames, files: ExitStack
) -> tuple[Iterator[Compound], Callable[[], float | None]]:
    import pyarrow as pa
    from pyarrow import parquet

    path = names.path
    damage = (pa.ArrowException, OSError, LookupError, ValueError)

    def unreadable(error: Exception) -> LibraryError:
        return LibraryError(f"{path}: cannot be read as a table ({one_line(error)}); write it again")

    try:
        file = files.enter_context(parquet.ParquetFile(path))
        header = file.schema_arrow.names
    except damage as error:
        raise unreadable(error) from error
    structure, identity = names.found_in(header)
    used = sorted({column for column in (structure, *identity[:2], *identity.further) if column is not None})
    done = 0

    def filled() -> Iterator[list[str]]:
        wanted = [header[column] for column in used]
        try:
            for batch in file.iter_batches(batch_size=4096, columns=wanted):
                columns = [map(text_of, batch.column(name).to_pylist()) for name in wanted]
                for row in zip(*columns, strict=True):
                    cells = [""] * len(header)
                    for column, cell in zip(used, row, strict=True):
                        cells[column] = cell
                    yield cells
        except damage as error:
            raise unreadable(error) from error

    def rows() -> Iterator[Compound]:
        nonlocal done
        for cells in filled():
            done += 1
            yield names.compound(f"row {done}", done, cells[structure], cells, identity)

    return rows(), lambda: done / max(1, file.metadata.num_rows)


def text_of(value: object) -> str:
    """Return a cell of parquet as text; ids may be bytes, or whole numbers stored as floats due to gaps."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", LATIN1_BYTES).strip()
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.0f}" if value.is_integer() else str(value)
    return str(value).strip()


def _rows_of_sheet(names: ColumnNames) -> Iterator[Compound]:
    from anchordrug.raw.compound_sheet import sheet_of_cells

    try:
        sheet, notes, *_ = sheet_of_cells(names.path, SMILES_NAMES)
    except RawDataError as error:
        raise LibraryError(str(error)) from error
    names.notes.extend(notes)
    structure, identity = names.found_in(sheet.header)
    columns = [sheet.names(column) for column in range(len(sheet.header))]
    for number, cells in enumerate(zip(*columns, strict=True), start=1):
        yield names.compound(sheet.row_place(number - 1), number, cells[structure], cells, identity)
