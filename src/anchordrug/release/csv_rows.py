"""Some rows of a large CSV file on a server, of which little more than these rows is read."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from anchordrug.errors import RawDataError
from anchordrug.release.pieces import Pieces

# A smaller file is read whole.
SMALL = 2**24
_PARTS = 16
_STEP, _NEAR = 2**16, 2**13
_MODEL = re.compile(rb"ACH-\d+(?=,)")
_LONGEST_ID = 32


@dataclass
class _Part:
    """A part of the file: the row reached so far, and how far around the expected end of it is looked."""

    end: int
    start: int
    length: int
    near: int = _NEAR

    def window(self) -> tuple[int, int]:
        middle = self.start + self.length
        return max(self.start, middle - self.near), middle + self.near


def row_starts(file: Pieces, what: str) -> dict[str, tuple[int, int]]:
    """Return the first byte of every row, and the byte after its last, by its model; the header is not a row.

    Rows are nearly equally long (DepMap's: 300 kB, give or take 20). So the end of a row is looked for around
    the place where it is expected, in several parts of the file at once. `what` names the work.

    Raises
    ------
    RawDataError
        Rows do not start with a model, or their ends are not found.
    """
    total = file.version.total
    if total <= SMALL:
        file.fetch([(0, total)], what)
    begin = _next_row(file, 0)
    length = max(1, _next_row(file, begin) - begin)
    starts = {begin}
    if length < 8 * _NEAR or total <= SMALL:
        file.fetch([(0, total)], what)
        starts |= {match.end() for match in re.finditer(rb"\n", file.read_range(0, total))} - {total}
        starts = {start for start in starts if start >= begin}
    else:
        starts |= _found_in_parts(file, begin, length, what)
    ordered = [*sorted(starts), total]
    rows = {}
    for start, stop in pairwise(ordered):
        model = _MODEL.match(file.read_range(start, start + _LONGEST_ID))
        if model is None:
            raise RawDataError(
                f"{file.source.url}: the row at byte {start:,} does not start with a model such as "
                "ACH-000001; the file is of another release"
            )
        rows[model[0].decode("ascii")] = (start, stop)
    return rows


def _found_in_parts(file: Pieces, begin: int, length: int, what: str) -> set[int]:
    total = file.version.total
    # To find the first row of a part costs as much as to read a row.
    count = max(1, min(_PARTS, (total - begin) // (50 * length)))
    edges = [begin + (total - begin) * part // count for part in range(count + 1)]
    file.fetch([(edge, edge + length + _STEP) for edge in edges[1:-1]], what)
    firsts = [begin, *(_next_row(file, edge) for edge in edges[1:-1])]
    parts = [_Part(end, first, length) for first, end in zip(firsts, edges[1:], strict=True)]
    starts = set(firsts)
    while parts := [part for part in parts if part.start < part.end]:
        file.fetch([(low, min(high, total)) for low, high in map(_Part.window, parts)], what)
        for part in parts:
            low, high = part.window()
            place = file.read_range(low, high).find(b"\n")
            if place >= 0:
                part.start, part.near = low + place + 1, _NEAR
                starts.add(part.start)
            elif 2 * part.near < part.length:
                part.near *= 2
            else:
                raise RawDataError(
                    f"{file.source.url}: no end of a row near byte {part.start + part.length:,}; fetch "
                    "the whole file: dvc repro fetch@depmap_expression, in sources/lincs/pipeline"
                )
    return starts - {total}


def _next_row(file: Pieces, place: int) -> int:
    """Return the first start of a row after `place`, the end of the file if there is none."""
    while place < file.version.total:
        found = file.read_range(place, place + _STEP).find(b"\n")
        if found >= 0:
            return place + found + 1
        place += _STEP
    return file.version.total


def write_rows(file: Pieces, rows: dict[str, tuple[int, int]], models: Collection[str], path: Path) -> None:
    """Write the header and the rows of some models, in the order of the file."""
    first = min(start for start, _ in rows.values())
    wanted = [(0, first), *sorted(place for model, place in rows.items() if model in models)]
    file.fetch(wanted, f"fetching {file.source.path.name}")
    with path.open("wb") as out:
        for start, stop in wanted:
            block = file.read_range(start, stop)
            out.write(block if block.endswith(b"\n") else block + b"\n")
