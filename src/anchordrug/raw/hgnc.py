"""HGNC's complete set: the previous and alias symbols of every gene."""

from collections import defaultdict
from pathlib import Path

import pandas as pd

from anchordrug.errors import RawDataError
from anchordrug.raw.text import one_line, open_text

_NEEDED = ("symbol", "prev_symbol", "alias_symbol")


def read_other_names(path: Path) -> dict[str, set[str]]:
    """Return the other names of every symbol of hgnc_complete_set.txt, in both directions.

    A previous symbol counts before an alias: where a name is a previous symbol of one gene and an alias of
    others, it means the one gene. An approved symbol means nothing else, and a name of the same kind of two
    genes means neither.

    Raises
    ------
    RawDataError
        The file is missing or damaged, or has not these columns.
    """
    with open_text(path) as text:
        try:
            table = pd.read_csv(text, sep="\t", dtype="str", usecols=list(_NEEDED), keep_default_na=False)
        except ValueError as error:
            raise RawDataError(
                f"{path}: cannot be read ({one_line(error)}); expected HGNC's complete set with "
                f"the columns {', '.join(_NEEDED)}"
            ) from error
    approved = set(table["symbol"])
    taken: set[str] = set()
    others: dict[str, set[str]] = defaultdict(set)
    for column in ("prev_symbol", "alias_symbol"):
        names = table[column].str.strip('"').str.split("|").explode().str.strip()
        pairs = pd.DataFrame({"symbol": table["symbol"].reindex(names.index), "name": names})
        pairs = pairs[(pairs["name"] != "") & ~pairs["name"].isin(approved | taken)].drop_duplicates()
        taken |= set(pairs["name"])
        pairs = pairs[~pairs["name"].duplicated(keep=False)]
        for symbol, name in pairs.itertuples(index=False, name=None):
            others[symbol].add(name)
            others[name].add(symbol)
    return dict(others)
