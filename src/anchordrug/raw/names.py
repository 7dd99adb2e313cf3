"""Names that identify rows and columns."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from anchordrug.errors import RawDataError


def check_names(path: Path, noun: str, names: Iterable[str], place: str, first: int = 1) -> None:
    """Refuse empty and repeated names.

    Parameters
    ----------
    path, noun, place
        For the error: the file, the kind of thing that is named, and the kind of place ("line", "column").
    names
        The names in order, "" where there is none.
    first
        Number of the place of the first name, as the user counts.

    Raises
    ------
    RawDataError
        Naming the first place without a name, or the first repeated name and both its places.
    """
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=first):
        if not name:
            raise RawDataError(f"{path}: {place} {number} has no {noun}; name it or drop it")
        if name in seen:
            raise RawDataError(
                f"{path}: {noun} '{name}' occurs twice, in {place}s {seen[name]} and {number}; "
                "keep one of them"
            )
        seen[name] = number


def check_ids(path: Path, noun: str, ids: pd.Series, place: str) -> None:
    """Refuse missing, empty and repeated ids; a million good names pass without a look at each.

    Raises
    ------
    RawDataError
        As `check_names`.
    """
    if not (ids.is_unique and ids.notna().all() and ids.ne("").all()):
        check_names(path, noun, ids.fillna("").tolist(), place)
