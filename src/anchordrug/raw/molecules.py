"""Compounds as people keep them, one by one: tables, SMILES files, SDF, parquet, spreadsheets, a pipe.

Nothing is held but the row at hand, so a file may have any number of rows.
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
from anchordrug.files.kinds import PARQUET, WORKBOOK
from anchordrug.raw.molecule_text import (
    MOST_ID_CHARACTERS,
    ColumnNames,
    Compound,
    lines_of,
    rows_of_text,
)
from anchordrug.raw.text import LATIN1_BYTES, one_line, open_bytes, require_readable

STDIN = Path("-")


@dataclass(frozen=True)
class CompoundFile:
    """The rows of an open file, and the share of it that is read so far (None where that is not known).

    `notes` say what the compounds are called where there are no ids.
    """

    rows: Iterator[Compound]
    share_read: Callable[[], float | None]
    notes: tuple[str, ...] = ()


@contextmanager
def open_compounds(
    path: Path, smiles_column: str | None = None, id_column: str | None = None
) -> Iterator[CompoundFile]:
    """Open a file of compounds, or standard input (`-`); its first bytes and lines tell its kind.

    In tables, columns are found by name without case and punctuation: the structure by 'smiles' and its
    relatives, the id by `compound_columns.ID_NAMES`, else by a column of names. SMILES files hold a SMILES
    and, after white space, an id. In SDF the id is a property of such a name, else the title. Without an id a
    compound's is its row (row_1, ...), and a note says so. Empty lines are no rows, nor are comments (#, !)
    before the first.

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
            raise LibraryError(f"{path}: holds no drugs; add a row per drug")
        yield CompoundFile(map(_checked, chain([first], rows)), share_read, tuple(names.notes))
    finally:
        # Not told what went wrong: a full disk, say, is not damage to this file.
        files.close()


def _opened(names: "ColumnNames", files: ExitStack) -> tuple[Iterator[Compound], Callable[[], float | None]]:
    path = names.path
    if path == STDIN:
        text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors=LATIN1_BYTES)
        return rows_of_text(lines_of(path, text), names, None), lambda: None
    kind = require_readable(path, (PARQUET, WORKBOOK))
    if kind is PARQUET:
        return _rows_of_parquet(names, files)
    if kind is WORKBOOK:
        return _rows_of_sheet(names), lambda: None
    inside, on_disk = files.enter_context(open_bytes(path))
    text = io.TextIOWrapper(inside, encoding="utf-8-sig", errors=LATIN1_BYTES)
    size = path.stat().st_size
    # When nobody reads it any more, it must stay open: the share that is read is asked for to the end.
    files.callback(text.close)
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    return rows_of_text(lines_of(path, text), names, suffix), lambda: on_disk.tell() / max(1, size)


def _checked(row: Compound) -> Compound:
    length = len(row.drug_id)
    if length <= MOST_ID_CHARACTERS:
        return row
    problem = f"a drug_id of {length:,} characters; give it one of at most {MOST_ID_CHARACTERS}"
    return row._replace(drug_id=f"{row.drug_id[:60]}...", problem=row.problem or problem)


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
    structure, key = names.found_in(header)
    done = 0

    def cells() -> Iterator[tuple[object, object]]:
        wanted = [header[structure], *([] if key is None else [header[key]])]
        try:
            for batch in file.iter_batches(batch_size=4096, columns=wanted):
                columns = [batch.column(name).to_pylist() for name in wanted]
                ids = [None] * len(batch) if key is None else columns[1]
                yield from zip(columns[0], ids, strict=True)
        except damage as error:
            raise unreadable(error) from error

    def rows() -> Iterator[Compound]:
        nonlocal done
        for smiles, given in cells():
            done += 1
            yield Compound(f"row {done}", _text(given) or f"row_{done}", _text(smiles))

    return rows(), lambda: done / max(1, file.metadata.num_rows)


def _text(value: object) -> str:
    """Return a cell of parquet as text; ids may be bytes, or whole numbers that became floats beside gaps."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", LATIN1_BYTES).strip()
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.0f}" if value.is_integer() else str(value)
    return str(value).strip()


def _rows_of_sheet(names: ColumnNames) -> Iterator[Compound]:
    from anchordrug.raw.sheet import read_sheet

    try:
        sheet = read_sheet(names.path, fewest_columns=1)
    except RawDataError as error:
        raise LibraryError(str(error)) from error
    structure, key = names.found_in(sheet.header)
    ids = [""] * len(sheet.cells) if key is None else sheet.names(key)
    for row, (smiles, drug_id) in enumerate(zip(sheet.names(structure), ids, strict=True)):
        yield Compound(sheet.row_place(row), drug_id or f"row_{row + 1}", smiles)
