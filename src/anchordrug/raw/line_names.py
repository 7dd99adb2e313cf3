"""Names of cell lines: which name in one file is the line of another."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from anchordrug.errors import nearest

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
    """Map names of cell lines to the names they have in `available`.

    In this order: the same name; the same letters and digits, whatever the case; the same without CCLE's
    tissue and without NCI before H; a row of a table of cell lines that lists both. The first of these
    rules that gives a candidate decides.

    Parameters
    ----------
    identities
        As `anchordrug.raw.line_tables.read_identities` returns them.

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
    """Return the rows of tables of cell lines that list a name, with CCLE's tissue or without it."""
    if not identities:
        return ()
    return identities.get(plain_name(name)) or identities.get(core_name(name)) or ()
