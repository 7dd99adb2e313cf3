"""Names of cell lines: which name in one file is the line of another."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from anchordrug.errors import RawDataError, nearest, shortlist
from anchordrug.raw.sheet import Sheet, read_sheet

# The rows of tables of cell lines that list a name, by its `plain_name`. All names in a row are one line.
Identities = Mapping[str, tuple[str, ...]]

# CCLE calls a line NAME_TISSUE, as in A549_LUNG and THP1_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE.
_TISSUE = re.compile(
    r"_([A-Z_]*TISSUE|ADRENAL_CORTEX|AUTONOMIC_GANGLIA|BILIARY_TRACT|BONE|BREAST|CENTRAL_NERVOUS_SYSTEM|"
    r"CERVIX|ENDOMETRIUM|EYE|FIBROBLAST|KIDNEY|LARGE_INTESTINE|LIVER|LUNG|OESOPHAGUS|OVARY|PANCREAS|"
    r"PLACENTA|PLEURA|PROSTATE|SALIVARY_GLAND|SKIN|SMALL_INTESTINE|STOMACH|TESTIS|THYROID|"
    r"UPPER_AERODIGESTIVE_TRACT|URINARY_TRACT|UTERUS|VULVA)$",
    re.IGNORECASE,
)
# Lines of the National Cancer Institute go by NCI-H1975 and by H1975.
_NCI = re.compile(r"^NCI(?=H\d)")

_TABLES = (
    *("cellinfo_beta.txt", "GSE*cell_info*.txt", "GSE*cell_info*.txt.gz"),
    *("Model.csv", "Model.csv.gz", "sample_info.csv", "sample_info.csv.gz"),
)
# Columns of those tables that name a line, without case and punctuation.
_NAME_COLUMNS = (
    *("celliname", "cellid", "cellalias", "cclename", "cellosaurusid", "cellosaurus", "rrid"),
    *("modelid", "depmapid", "strippedcelllinename", "celllinename", "celllinedisplayname"),
    *("cosmicid", "sangermodelid", "sangermodelidentifier"),
)


class LineMatch(NamedTuple):
    """The available name of every wanted line that has one, and the candidates of those that have several."""

    found: dict[str, str]
    unclear: dict[str, list[str]]


def plain_name(name: str) -> str:
    """Return a name in capitals, without anything but letters and digits: THP-1 as THP1.

    5637.0 is 5637: a program has taken the name for a number.
    """
    whole = name.removesuffix(".0")
    name = whole if whole.isdecimal() else name
    return "".join(character for character in name.upper() if character.isalnum())


def core_name(name: str) -> str:
    """Return the plain name without CCLE's tissue and without NCI before H: NCIH1975_LUNG as H1975."""
    return _NCI.sub("", plain_name(_TISSUE.sub("", name)))


def match_lines(
    wanted: Iterable[str], available: Iterable[str], identities: Identities | None = None
) -> LineMatch:
    """Map names of cell lines to the names under which they stand in `available`.

    In this order: the same name; the same letters and digits, whatever the case; the same without CCLE's
    tissue and without NCI before H; a row of a table of cell lines that lists both. The first of these
    rules that gives a candidate decides.

    Parameters
    ----------
    identities
        As `read_identities` returns them.

    Returns
    -------
    LineMatch
        A line without any candidate has no key in either part.
    """
    rules: list[Callable[[str], Iterable[str]]] = [
        lambda name: (name,),
        lambda name: (plain_name(name),),
        lambda name: (core_name(name),),
        lambda name: rows_of(name, identities),
    ]
    available = list(dict.fromkeys(available))
    names_of = [_by_key(available, rule) for rule in rules]
    found, unclear = {}, {}
    for line in dict.fromkeys(wanted):
        by_rule = (
            dict.fromkeys(name for key in rule(line) for name in names.get(key, ()))
            for rule, names in zip(rules, names_of, strict=True)
        )
        candidates = next(filter(None, map(list, by_rule)), [])
        if len(candidates) == 1:
            found[line] = candidates[0]
        elif candidates:
            unclear[line] = candidates
    return LineMatch(found, unclear)


def _by_key(names: Sequence[str], rule: Callable[[str], Iterable[str]]) -> dict[str, list[str]]:
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for key in filter(None, rule(name)):
            by_key[key].append(name)
    return by_key


def near_line(wrong: str, known: Iterable[str], identities: Identities | None = None) -> str:
    """Return ``"; did you mean 'x'?"`` for the line that `wrong` may be, or an empty string."""
    known = list(known)
    match = match_lines([wrong], known, identities)
    meant = list(match.found.values()) or match.unclear.get(wrong, [])
    if not meant:
        by_core = {core_name(name): name for name in reversed(known)}
        close = nearest(core_name(wrong), by_core)
        meant = [] if close is None else [by_core[close]]
    return f"; did you mean {' or '.join(repr(name) for name in meant[:3])}?" if meant else ""


def rows_of(name: str, identities: Identities | None) -> tuple[str, ...]:
    """Return the rows of tables of cell lines that list a name, be it with CCLE's tissue or without."""
    if not identities:
        return ()
    return identities.get(plain_name(name)) or identities.get(core_name(name)) or ()


def read_identities(*folders: Path) -> Identities:
    """Read the names of cell lines from the tables of them in `folders`.

    These are DepMap's Model.csv or sample_info.csv, and CMap's cellinfo_beta.txt or GSE*cell_info*.txt. They
    list DepMap, Cellosaurus and COSMIC ids, CCLE names and aliases of a line in one row.

    Returns
    -------
    dict
        Empty where the folders hold no such table.

    Raises
    ------
    RawDataError
        A table is damaged, or has no two columns that name lines.
    """
    paths = {
        path.resolve(): path for folder in folders for pattern in _TABLES for path in folder.glob(pattern)
    }
    rows: dict[str, set[str]] = defaultdict(set)
    for path in paths.values():
        sheet = read_sheet(path)
        columns = sorted(set(sheet.columns_named(_NAME_COLUMNS)))
        if len(columns) < 2:
            raise RawDataError(
                f"{path}: has {len(columns)} columns that name cell lines (found: "
                f"{shortlist(sheet.header)}), expected two or more such as ModelID and CCLEName; download it "
                "again or remove it"
            )
        for key, row in _names_in(sheet, columns):
            rows[key].add(f"{path} {row}")
    return {key: tuple(sorted(places)) for key, places in rows.items()}


def _names_in(sheet: Sheet, columns: Sequence[int]) -> Iterable[tuple[str, int]]:
    """Yield the plain names in some columns and the row of each."""
    for column in columns:
        for row, cell in enumerate(sheet.names(column)):
            for name in re.split(r"[|;,]", cell):
                key = plain_name(name)
                if key and name.strip() != "-666":
                    yield key, row
                    yield core_name(name), row
