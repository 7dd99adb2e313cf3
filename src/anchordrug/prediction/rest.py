"""The rows of a library without a prediction: rejects and duplicates, in files next to an output."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from anchordrug.errors import LibraryError, counted
from anchordrug.files.atomic import atomic_path
from anchordrug.files.formulas import escaped
from anchordrug.files.outputs import side_files
from anchordrug.prediction.ledger import Ledger

# Name and further ids follow.
REJECTS = ("place", "drug_id", "structure", "reason")
DUPLICATES = ("place", "drug_id", "same_as", "same_place")


def write_rest(ledger: Ledger, library: Path, out: Path) -> int:
    """Write rejects and duplicates next to `out`, say how many there are, and return how many drugs remain.

    Raises
    ------
    LibraryError
        None remains.
    """
    drugs, rejected, repeated = (ledger.count(kind) for kind in ("structures", "rejects", "duplicates"))
    rejects, duplicates = side_files(out)
    _write_rows(rejects, (*REJECTS, *ledger.identity[1:]), ledger.rows("rejects"))
    _write_rows(duplicates, (*DUPLICATES, *ledger.identity[1:]), ledger.rows("duplicates"))
    if not drugs:
        ledger.remove()
        raise LibraryError(f"{library}: none of its {rejected} structures can be read; see {rejects}")
    first = next(ledger.rows("rejects"), None)
    if first is not None:
        typer.echo(
            f"{rejects}: {counted(rejected, 'row')} rejected ({first[3]}{', ...' if rejected > 1 else ''})"
        )
    if repeated:
        typer.echo(f"{duplicates}: {counted(repeated, 'row')} with the structure of an earlier row")
    return drugs


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([escaped(cell) for cell in row] for row in rows)
