"""Gene symbols of different ages and spellings: which name in one file is the gene of another."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files


def resolve(
    wanted: Sequence[str], available: Sequence[str], other_names: Mapping[str, set[str]] | None = None
) -> dict[str, str]:
    """Map wanted gene symbols to the names they have in `available`.

    In this order: the same name, a previous or current HGNC symbol, the spelling that R's make.names
    gives it (HLA-DMA as HLA.DMA). `other_names` of symbols count next to those of gene_aliases.csv.

    Returns
    -------
    dict
        Keys in the order of `wanted`. A symbol that is not found, or not without doubt, has no key; no
        two symbols share a name.
    """
    wanted = list(dict.fromkeys(wanted))
    spelled = defaultdict(set)
    for name in available:
        spelled[_make_names(name)].add(name)
    names = set(available)
    found = {symbol: symbol for symbol in wanted if symbol in names}
    more = other_names or {}
    for candidates in (
        {symbol: (_aliases().get(symbol, set()) | more.get(symbol, set())) & names for symbol in wanted},
        {symbol: spelled[_make_names(symbol)] for symbol in wanted},
    ):
        found |= _without_doubt(found, candidates)
    return {symbol: found[symbol] for symbol in wanted if symbol in found}


def _without_doubt(found: Mapping[str, str], candidates: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the symbols not yet found that have exactly one free candidate, which no other symbol has."""
    free = {
        symbol: names - set(found.values()) for symbol, names in candidates.items() if symbol not in found
    }
    claims = Counter(name for names in free.values() for name in names)
    only = {symbol: next(iter(names)) for symbol, names in free.items() if len(names) == 1}
    return {symbol: name for symbol, name in only.items() if claims[name] == 1}


@cache
def _aliases() -> dict[str, set[str]]:
    """Return the other names of every symbol in gene_aliases.csv, in both directions."""
    others = defaultdict(set)
    with (files("anchordrug.raw") / "gene_aliases.csv").open(encoding="utf-8") as text:
        for row in csv.DictReader(line for line in text if not line.startswith("#")):
            others[row["previous"]].add(row["current"])
            others[row["current"]].add(row["previous"])
    return dict(others)


def _make_names(name: str) -> str:
    return re.sub(r"[^\w.]", ".", name)
