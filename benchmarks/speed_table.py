"""The table of `speed.py`: printed, written into its page, and compared with the shares that are kept."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import read_json, write_json

BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
FALLEN = 0.9


@dataclass(frozen=True)
class Figure:
    """A rate with that of its limit; `share` is the median of both in turns."""

    what: str
    unit: str
    rate: float
    limit: str
    of_limit: float
    share: float


def told(figures: Iterable[Figure], kept: Path) -> str:
    """Return the table of the figures, and print it; warn of shares below those in the file `kept`."""
    figures = list(figures)
    table = table_of(figures)
    print(table)
    before = read_json(kept) if kept.exists() else {}
    for warning in fallen(shares_of(figures), before):
        print(f"warning: {warning}", file=sys.stderr)
    return table


def table_of(figures: Iterable[Figure]) -> str:
    """Return the figures as a table of Markdown."""
    lines = ["| measured | per second | the limit | per second | share |", "|---|---|---|---|---|"]
    lines += [
        f"| {figure.what} | {_short(figure.rate)} {figure.unit} | {figure.limit} | {_short(figure.of_limit)} "
        f"| {_share(figure):.2f} |"
        for figure in figures
    ]
    return "\n".join(lines)


def _short(rate: float) -> str:
    """Return three digits of a rate."""
    return f"{float(f'{rate:.3g}'):,.10g}"


def _share(figure: Figure) -> float:
    return round(figure.share, 3)


def shares_of(figures: Iterable[Figure]) -> dict[str, float]:
    """Return the shares as they are kept."""
    return {figure.what: _share(figure) for figure in figures}


def fallen(shares: Mapping[str, float], kept: Mapping[str, float]) -> list[str]:
    """Return a warning for each share that is a tenth or more below the one that was kept."""
    return [
        f"{what}: {shares[what]:.2f} of its limit, {kept[what]:.2f} before"
        for what in shares
        if what in kept and shares[what] <= FALLEN * kept[what]
    ]


def write(figures: Iterable[Figure], table: str, page: Path, kept: Path) -> None:
    """Put `table` between the marks of `page`, and the shares into `kept`."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page}: has no marks {BEGIN} and {END}")
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    write_json(shares_of(figures), kept)
