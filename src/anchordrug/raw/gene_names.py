"""Genes under the names that people's files give them: symbols of any age, Ensembl or Entrez ids, dates."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import counted, shortlist
from anchordrug.raw.aliases import resolve
from anchordrug.raw.dates import days_of

Naming = Literal["symbol", "Ensembl", "Entrez"]
NAMINGS: tuple[Naming, ...] = ("symbol", "Ensembl", "Entrez")

_ENSEMBL = re.compile(r"([A-Z]*ENS[A-Z]*\d{6,})(?:\.\d+)?")
_ENTREZ = re.compile(r"(?:(?:NCBI ?)?GeneID[: _]|Entrez(?:ID)?[: _])?(\d+)(?:\.0+)?", re.IGNORECASE)
# Composite names: 'TSPAN6|7105', 'TSPAN6 (7105)', which R makes 'TSPAN6..7105.', 'ENSG00000000003_TSPAN6'.
_BAR = re.compile(r"\s*\|\s*")
_BRACKETS = re.compile(r"(.+?)\s*(?:\(([^()]+)\)|\[([^\[\]]+)\])")
_DOTS = re.compile(r"(.+?)\.\.(\d+|[A-Z]*ENS[A-Z]*\d{6,}(?:\.\d+)?)\.")
_JOINT = re.compile(r"[_:;/, ]+")

# By month and day: the symbols behind the dates that a spreadsheet makes of SEPT2, SEP15, MARCH1, MARC1 and
# DEC1, with today's symbol.
_DATED: dict[tuple[int, int], tuple[str, ...]] = {
    **{(9, day): (f"SEPTIN{day}", f"SEPT{day}") for day in (*range(1, 13), 14)},
    (9, 15): ("SELENOF", "SEP15"),
    **{(3, day): (f"MARCHF{day}", f"MARCH{day}") for day in range(1, 12)},
    **{(3, day): (f"MARCHF{day}", f"MARCH{day}", f"MTARC{day}", f"MARC{day}") for day in (1, 2)},
    (12, 1): ("DELEC1", "DEC1"),
}
_SERIAL = re.compile(r"(\d{5})(?:\.0+)?")
_SERIAL_ORIGIN = date(1899, 12, 30)
# Spreadsheets give a date without a year the year of the typing, so serial numbers start with Excel's age.
_SERIAL_YEARS = range(1985, 2100)


class GeneMatch(NamedTuple):
    """Which gene every name means.

    Attributes
    ----------
    rows
        int64 [names]: row of the gene table, or -1.
    naming
        The kind of most of the names that were found: 'symbol', 'Ensembl' or 'Entrez'.
    ignoring_case
        Names found only because upper and lower case were taken as the same; symbols of mice look so.
    repeated
        Symbol (Entrez id if there is none) -> all the names that mean it, where there is more than one.
    """

    rows: np.ndarray
    naming: Naming
    ignoring_case: tuple[str, ...]
    repeated: dict[str, tuple[str, ...]]


class DatedGene(NamedTuple):
    """A name that a spreadsheet turned into a date, and the symbols that it may have been."""

    position: int
    text: str
    symbols: tuple[str, ...]


class _Parts(NamedTuple):
    """The rows that a name may mean under each naming, the whole name first; case as written."""

    symbol: tuple[str, ...]
    ensembl: tuple[str, ...]
    entrez: tuple[str, ...]
    is_composite: bool


def match_genes(names: Sequence[str], genes: pd.DataFrame) -> GeneMatch:
    """Find the genes that `names` mean.

    The naming of the file is that by which most names are found. A name that it does not find is tried as an
    Ensembl id and as a symbol, which cannot be taken for each other. A number is an Entrez id only in a file
    of Entrez ids or as a part of a composite name ('symbol|id'). A name still not found is tried as a former
    or later symbol, then without regard to case; neither gives a gene that is found already.

    Parameters
    ----------
    names
        As a file has them: symbols, Ensembl ids with or without version, Entrez ids, also as '10007.0', or
        two of them, as in 'TSPAN6 (7105)', 'TSPAN6|7105' and 'ENSG00000000003.15_TSPAN6'.
    genes
        Columns gene (symbol, NaN where missing), gene_id (Entrez id as text) and, if there is one,
        ensembl_id (NaN where missing). A symbol or Ensembl id that several rows share finds none.
    """
    lookups = _lookups(genes)
    parts = [_parts(name) for name in names]
    by_naming = {
        naming: np.array([_first(lookups[naming], _of(part, naming)) for part in parts], dtype=np.int64)
        for naming in NAMINGS
    }
    naming = max(NAMINGS, key=lambda candidate: int((by_naming[candidate] >= 0).sum()))  # the first of equals
    rows = by_naming[naming].copy()
    composite = np.array([part.is_composite for part in parts], dtype=bool)
    for fallback, allowed in (("Ensembl", True), ("symbol", True), ("Entrez", composite)):
        rows = np.where((rows < 0) & allowed, by_naming[fallback], rows)

    symbols = lookups["symbol"]
    claimed = set(rows[rows >= 0].tolist())
    free = [symbol for symbol, row in symbols.items() if row not in claimed]
    wanted = [
        part.symbol[0] if row < 0 and part.symbol else "" for part, row in zip(parts, rows, strict=True)
    ]
    renamed = {old: symbols[new] for old, new in resolve(list(filter(None, wanted)), free).items()}
    rows = np.where(rows < 0, [renamed.get(name, -1) for name in wanted], rows).astype(np.int64)

    claimed = set(rows[rows >= 0].tolist())
    folded = _unique({symbol: row for symbol, row in symbols.items() if row not in claimed}, str.casefold)
    by_case = np.array(
        [folded.get(name.casefold(), -1) if row < 0 else -1 for name, row in zip(wanted, rows, strict=True)],
        dtype=np.int64,
    )
    rows = np.where(rows < 0, by_case, rows)
    return GeneMatch(
        rows,
        naming,
        tuple(name for name, row in zip(names, by_case, strict=True) if row >= 0),
        _repeated(names, rows, genes),
    )


def ids_of_names(names: Sequence[str]) -> pd.DataFrame:
    """Return the symbols and ids that names give of genes that no table lists, one row per name.

    Returns
    -------
    pandas.DataFrame
        gene (the symbol, else the Ensembl or Entrez id), gene_id (Entrez id) and ensembl_id, None where the
        name does not say it.
    """
    parts = [_parts(name) for name in names]
    rows = [
        (
            next(iter((*part.symbol, *part.ensembl, *part.entrez))),
            _first_of(part.entrez),
            _first_of(part.ensembl),
        )
        for part in parts
    ]
    return pd.DataFrame(rows, columns=["gene", "gene_id", "ensembl_id"], dtype=object)


def gene_predicate(genes: pd.DataFrame) -> Callable[[str], bool]:
    """Return whether a name may denote a gene: one of `genes` (as `match_genes`) or any Ensembl gene id."""
    lookups = _lookups(genes)
    folded = {symbol.casefold() for symbol in lookups["symbol"]}

    def may_be_gene(name: str) -> bool:
        parts = _parts(name)
        return (
            any(symbol.casefold() in folded for symbol in parts.symbol)
            or any(ensembl.startswith("ENS") or ensembl in lookups["Ensembl"] for ensembl in parts.ensembl)
            or any(entrez in lookups["Entrez"] for entrez in parts.entrez)
        )

    return may_be_gene


def excel_dates(names: Sequence[object]) -> list[DatedGene]:
    """Return the names that are dates which a spreadsheet makes of gene symbols, in order.

    Known are the ways in which spreadsheets write days of March, September and December that have been
    gene symbols: '2-Sep', 'Sep-02', '02.Sep', '2022-09-02', '9/2/2023' (month first or day first),
    datetimes, and serial numbers such as 44806 where the names are not numbers in general.
    """
    texts = [_text(name) for name in names]
    serials = sum(bool(_ENTREZ.fullmatch(text)) for text in texts) * 2 < len(texts)
    found = ((position, text, _symbols_of_date(text, serials)) for position, text in enumerate(texts))
    return [DatedGene(position, text, symbols) for position, text, symbols in found if symbols]


def dates_problem(dated: Sequence[DatedGene], places: Sequence[str]) -> str:
    """Return the text of an error about `dated`, with the place of each of them in `places`, and a remedy."""
    examples = [
        f"{place} is '{gene.text}' (was {' or '.join(gene.symbols)})"
        for gene, place in zip(dated, places, strict=True)
    ]
    return (
        f"a spreadsheet turned {counted(len(dated), 'gene name')} into dates: {shortlist(examples, 3)}; "
        "export the file again without opening it in a spreadsheet, or import its gene column as Text"
    )


def _lookups(genes: pd.DataFrame) -> dict[Naming, dict[str, int]]:
    """Return name -> row of `genes` by naming; a name that several rows share is left out."""
    columns: dict[Naming, str] = {"symbol": "gene", "Ensembl": "ensembl_id", "Entrez": "gene_id"}
    lookups: dict[Naming, dict[str, int]] = {}
    for naming, column in columns.items():
        values = genes[column].tolist() if column in genes.columns else []
        present = [(str(value), row) for row, value in enumerate(values) if not pd.isna(value)]
        repeats = Counter(value for value, _ in present)
        lookups[naming] = {value: row for value, row in present if repeats[value] == 1}
    return lookups


def _unique(rows: Mapping[str, int], key: Callable[[str], str]) -> dict[str, int]:
    """Return `rows` by `key` of their names, without the keys that several names share."""
    repeats = Counter(key(name) for name in rows)
    return {key(name): row for name, row in rows.items() if repeats[key(name)] == 1}


def _parts(name: str) -> _Parts:
    pieces = [piece for piece in _pieces(name.strip()) if piece]
    ensembl = tuple(match[1] for piece in pieces if (match := _ENSEMBL.fullmatch(piece)))
    entrez = tuple(match[1] for piece in pieces if (match := _ENTREZ.fullmatch(piece)))
    symbols = tuple(
        piece for piece in pieces if not _ENSEMBL.fullmatch(piece) and not _ENTREZ.fullmatch(piece)
    )
    return _Parts(symbols, ensembl, entrez, len(pieces) > 1)


def _pieces(name: str) -> list[str]:
    """Return the parts of a composite name, else the name alone."""
    if "|" in name:
        return _BAR.split(name)
    named = _BRACKETS.fullmatch(name) or _DOTS.fullmatch(name)
    if named is not None:
        outer, *inner = filter(None, named.groups())
        if inner and _is_id(inner[0]):
            return [outer, inner[0]]
    joints = list(_JOINT.finditer(name))
    for joint in joints[:1] + joints[-1:]:
        before, after = name[: joint.start()], name[joint.end() :]
        if _ENSEMBL.fullmatch(before) or _ENSEMBL.fullmatch(after):
            return [before, after]
    return [name]


def _is_id(name: str) -> bool:
    return bool(_ENSEMBL.fullmatch(name) or _ENTREZ.fullmatch(name))


def _first_of(names: Sequence[str]) -> str | None:
    return next(iter(names), None)


def _of(parts: _Parts, naming: Naming) -> tuple[str, ...]:
    return {"symbol": parts.symbol, "Ensembl": parts.ensembl, "Entrez": parts.entrez}[naming]


def _first(lookup: Mapping[str, int], names: Sequence[str]) -> int:
    return next((lookup[name] for name in names if name in lookup), -1)


def _repeated(names: Sequence[str], rows: np.ndarray, genes: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    found = np.flatnonzero(rows >= 0)
    order = found[np.argsort(rows[found], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(rows[order])) + 1) if len(order) else []
    symbols = genes["gene"].where(genes["gene"].notna(), genes["gene_id"]).tolist()
    return {
        str(symbols[rows[group[0]]]): tuple(str(names[position]) for position in group)
        for group in groups
        if len(group) > 1
    }


def _text(name: object) -> str:
    return name.isoformat(" ") if isinstance(name, datetime) else str(name).strip()


def _symbols_of_date(text: str, serials: bool) -> tuple[str, ...]:
    """Return the symbols that the date `text` may have been, empty if it is not such a date."""
    if days := days_of(text):
        return tuple(symbol for day in days for symbol in _DATED.get(day, ()))
    if serials and (serial := _SERIAL.fullmatch(text)):
        day = _SERIAL_ORIGIN + timedelta(days=int(serial[1]))
        return _DATED.get((day.month, day.day), ()) if day.year in _SERIAL_YEARS else ()
    return ()
