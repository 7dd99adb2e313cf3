"""Conditions of experiments (dose, time, quality, assay): which are wanted, and if a campaign has others."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import counted, shortlist

DOSE_TOLERANCE = 0.1  # relative: 9.99999 and 10.05 uM are 10 uM
GOLD_CC_Q75 = 0.2
GOLD_RANK_Q25 = 5.0
_COLUMNS = ("dose_um", "time_h", "assay")


class Conditions(NamedTuple):
    """Distinct doses in uM and times in hours, ascending, and kinds of assays by name; empty if unknown."""

    concentration_um: list[float]
    time_h: list[float]
    assays: list[str]


def conditions_of(*atlases: ResponseAtlas) -> Conditions:
    """Return the conditions of all experiments of some atlases."""
    tables = [atlas.experiments for atlas in atlases if atlas.experiments is not None]
    if not tables:
        return Conditions([], [], [])
    together = pd.concat(tables)
    return Conditions(*(sorted(together[name].dropna().unique().tolist()) for name in _COLUMNS))


def is_dose(dose_um: pd.Series, wanted: float) -> pd.Series:
    """Return which of some doses are the `wanted` one."""
    # The slack lets a dose exactly on the edge in, whatever its rounding error.
    return (dose_um - wanted).abs() <= DOSE_TOLERANCE * wanted * (1 + 1e-9)


def is_time(time_h: pd.Series, wanted: float) -> pd.Series:
    """Return which of some times are the `wanted` one."""
    return pd.Series(np.isclose(time_h, wanted), index=time_h.index)


def is_gold(signatures: pd.DataFrame) -> np.ndarray:
    """Return which signatures are gold: as their table says, else by how well replicates agree."""
    measured = (signatures["cc_q75"] >= GOLD_CC_Q75) & (signatures["pct_self_rank_q25"] <= GOLD_RANK_Q25)
    return np.where(signatures["is_gold"].notna(), signatures["is_gold"] == 1, measured)


def other_conditions(sources: ResponseAtlas, dose_um: float, time_h: float | None) -> str | None:
    """Return the warning for a user of `dose_um` and `time_h`, None if most experiments have both.

    Parameters
    ----------
    sources
        The experiments that a predictor learns from.
    dose_um, time_h
        Of the drugs to be measured or predicted; a time of None is not known and fits every experiment.
    """
    table = sources.experiments
    if table is None or table.empty:
        return None
    same = is_dose(table["dose_um"], dose_um)
    if time_h is not None:
        same &= is_time(table["time_h"], time_h)
    others = table[~same]
    if 2 * len(others) < len(table):
        return None
    pairs = others.groupby(["dose_um", "time_h"]).size().sort_values(ascending=False, kind="stable").index
    found = shortlist((in_words(dose, time) for dose, time in pairs), 3)
    return (
        f"dose and time: drugs are at {in_words(dose_um, time_h)}, but {len(others):,} of "
        f"{counted(len(table), 'experiment')} in the source lines {'has' if len(others) == 1 else 'have'} "
        f"{found}; predictions are of the latter"
    )


def conditions_in_words(atlas: ResponseAtlas) -> str:
    """Return the doses and times of experiments with their numbers, the most frequent first."""
    table = atlas.experiments
    if table is None or table.empty:
        return "dose and time are not known"
    sizes = table.groupby(["dose_um", "time_h"]).size().sort_values(ascending=False, kind="stable")
    doses, times = (sizes.index.get_level_values(name) for name in ("dose_um", "time_h"))
    rows = zip(doses, times, sizes, strict=True)
    found = (f"{in_words(dose, time)} ({counted(count, 'experiment')})" for dose, time, count in rows)
    return shortlist(found, 3)


def in_words(dose_um: float, time_h: float | None) -> str:
    """Return a dose and a time as text."""
    return f"{dose_um:g} uM" if time_h is None else f"{dose_um:g} uM and {time_h:g} h"
