"""Tables of predictions as one file, in the format that its suffix names."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from anchordrug.errors import LibraryError
from anchordrug.files.atomic import atomic_path
from anchordrug.registry import Registry

# Cells of a table to be written: enough to compress well, few enough to be held at once.
CELLS_A_TABLE = 2**23


class TableWriter(Protocol):
    """An open file that takes tables of one schema, one after the other."""

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        ...

    def close(self) -> None:
        """Complete the file; also called after an error, when the file is discarded."""
        ...


# By suffix, such as ".csv": returns a writer of a new file for tables of a schema.
FORMATS: Registry[Callable[[Path, pa.Schema], TableWriter]] = Registry(
    "output format", "anchordrug.prediction.formats", "anchordrug.output_formats"
)


def require_format(out: Path) -> None:
    """Check that tables can be written to a file of this name.

    Raises
    ------
    LibraryError
        No format has its suffix.
    """
    if out.suffix not in FORMATS.names():
        raise LibraryError(f"{out}: cannot write '{out.suffix}' files; use {', '.join(FORMATS.names())}")


def write_tables(out: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Write tables of one schema one after the other as one file, whole or not at all."""
    open_writer = FORMATS.get(out.suffix)
    with atomic_path(out) as temporary, closing(open_writer(temporary, schema)) as writer:
        for table in _regrouped(parts, CELLS_A_TABLE // len(schema)):
            writer.write_table(table)


def _regrouped(parts: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `rows` rows, the last one of fewer."""
    held, count = [], 0
    for part in parts:
        while len(part):
            piece = part.slice(0, rows - count)
            part, count = part.slice(len(piece)), count + len(piece)
            held.append(piece)
            if count == rows:
                yield pa.concat_tables(held)
                held, count = [], 0
    if held:
        yield pa.concat_tables(held)
