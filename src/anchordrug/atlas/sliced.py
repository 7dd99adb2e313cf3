"""Which signatures a slice of a release has: some cell lines, one dose, time and quality."""

from collections.abc import Collection
from typing import NamedTuple

import pandas as pd

from anchordrug.atlas.conditions import is_dose, is_gold, is_time
from anchordrug.errors import SettingsError, near, shortlist


class Wanted(NamedTuple):
    """Cell lines by name, or how many; dose in uM, time in h; gold or any; most signatures of a line."""

    cell_lines: int | tuple[str, ...]
    dose_um: float
    time_h: float
    quality: str
    most: int


def choose_signatures(
    signatures: pd.DataFrame, usable: Collection[str], drugs: Collection[str], wanted: Wanted
) -> pd.DataFrame:
    """Return the rows of `signatures` that a slice has, in their order.

    The lines with the most drugs come first. If a line has more signatures than wanted, those of the drugs
    that most of these lines have measured are taken: lines learn from each other through shared drugs.

    Parameters
    ----------
    signatures
        As `anchordrug.raw.tables.read_signatures` returns, those with a row in the matrix.
    usable
        Cell lines with untreated expression.
    drugs
        Drugs with a structure.

    Raises
    ------
    SettingsError
        Nothing is left, or not of a line that is named.
    """
    right = (signatures["pert_type"] == "trt_cp") & is_dose(signatures["dose_um"], wanted.dose_um)
    right &= is_time(signatures["time_h"], wanted.time_h)
    if wanted.quality == "gold":
        right &= is_gold(signatures)
    table = signatures[right & signatures["cell_line"].isin(usable) & signatures["drug_id"].isin(drugs)]
    conditions = f"{wanted.quality} signatures of {wanted.dose_um:g} uM and {wanted.time_h:g} h"
    counts = table.groupby("cell_line")["drug_id"].nunique()
    ranked = sorted(counts.index, key=lambda line: (-counts[line], line))
    if not ranked:
        raise SettingsError(f"slice: no cell line has {conditions}; change dose_um, time_h or quality")
    if isinstance(wanted.cell_lines, int):
        lines = ranked[: wanted.cell_lines]
    else:
        lines = list(wanted.cell_lines)
        lacking = [line for line in lines if line not in counts.index]
        if lacking:
            raise SettingsError(
                f"slice.cell_lines: {shortlist(lacking)}: no {conditions}, or no untreated expression"
                f"{near(lacking[0], ranked) or f'; some that have both: {shortlist(ranked)}'}"
            )
    table = table[table["cell_line"].isin(lines)]
    known = table.groupby("drug_id")["cell_line"].nunique()
    order = table.assign(lines=-table["drug_id"].map(known)).sort_values(["lines", "drug_id", "sig_id"])
    kept = order.groupby("cell_line").head(wanted.most).index
    return table.loc[table.index.isin(kept)]
