"""Tables of predictions as one file, in the format that its suffix names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from anchordrug.errors import LibraryError, require_packages
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


@dataclass(frozen=True)
class Contents:
    """The contents of an output file.

    Attributes
    ----------
    schema
        Columns of the tables that come.
    of_drug
        Those that say something of a drug (and target), whatever the gene.
    cards
        The cards of the models, in the order of their rows of a drug.
    rejects
        The header of the rows that cannot be predicted, and a function that yields their cells.
    """

    schema: pa.Schema
    of_drug: tuple[str, ...] = ()
    cards: Sequence[Mapping[str, Any]] = ()
    rejects: tuple[Sequence[str], Callable[[], Iterable[Sequence[str]]]] = ((), tuple)


@dataclass(frozen=True)
class Format:
    """An output format: how a file is opened, and which tables it needs.

    Attributes
    ----------
    open
        Returns a writer of a new file.
    structures
        Whether tables have columns `smiles` and `inchikey`.
    certain
        So many of the most certain genes that go up, and that go down, are columns of the drug: `up`, `down`.
    whole
        Whether it takes nothing but a row for every drug and gene.
    most_rows, most_genes
        How many rows, and columns of genes in a wide table, a file can have; None: any number.
    remedy
        Said to who has more.
    packages
        Packages that it needs, which `pip install anchordrug` does not install.
    """

    open: Callable[[Path, Contents], TableWriter]
    structures: bool = False
    certain: int = 0
    whole: bool = False
    most_rows: int | None = None
    most_genes: int | None = None
    remedy: str = "write .parquet instead"
    packages: tuple[str, ...] = ()


# By suffix, such as ".csv".
FORMATS: Registry[Format] = Registry(
    "output format", "anchordrug.prediction.formats", "anchordrug.output_formats"
)


def require_format(out: Path) -> Format:
    """Return the format in which tables are written to a file of this name.

    Raises
    ------
    LibraryError
        No format has its suffix.
    AnchorDrugError
        A package that it needs is not installed.
    """
    if out.suffix not in FORMATS.names():
        raise LibraryError(f"{out}: cannot write '{out.suffix}' files; use {', '.join(FORMATS.names())}")
    found = FORMATS.get(out.suffix)
    require_packages(found.packages, f"{out}: '{out.suffix}'", "formats")
    return found


def write_tables(out: Path, contents: Contents, parts: Iterable[pa.Table]) -> None:
    """Write tables of one schema one after the other as one file, whole or not at all."""
    with atomic_path(out) as temporary:
        writer = FORMATS.get(out.suffix).open(temporary, contents)
        try:
            for table in _regrouped(parts, CELLS_A_TABLE // len(contents.schema)):
                writer.write_table(table)
        except BaseException:
            # A writer that cannot complete half a table must not hide why it is half.
            with suppress(Exception):
                writer.close()
            raise
        writer.close()


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
