"""Plates pipetted by hand: working solutions in medium, from stocks, by volumes of at least 1 uL."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from anchordrug.bench.plates.pick_list import is_by_hand
from anchordrug.bench.plates.plate_map import VEHICLE
from anchordrug.bench.plates.volumes import dmso_percent
from anchordrug.bench.settings import Plates

# The smallest volume that a pipette measures well, and how much more of a solution is made than is used.
LEAST_UL = 1.0
_SPARE = 1.1
# A working solution is ten times as concentrated as the well, and takes a tenth of its volume.
_TIMES = 10
# Working solutions larger than this call for stocks that are diluted in DMSO first.
_MOST_UL = 1000.0
# DMSO that would change the DMSO of a well by less than this share of it is not added.
_NEGLIGIBLE = 0.05
COLUMNS = (
    *("drug_id", "concentration_um", "stock_mm", "first_stock_ul", "first_dmso_ul", "diluted_mm"),
    *("stock_ul", "dmso_ul", "medium_ul", "total_ul", "working_um", "per_well_ul", "wells"),
)


def per_well_ul(plates: Plates) -> float:
    """Return the volume of working solution that a well receives, a tenth of the well but at least 1 uL."""
    return max(plates.well_volume_ul / _TIMES, LEAST_UL)


def working_solutions(plate_map: pd.DataFrame, stocks: Mapping[str, float], plates: Plates) -> pd.DataFrame:
    """Return how to make the solutions with which `plate_map` is pipetted by hand.

    Parameters
    ----------
    plate_map
        In schema PLATE_MAP.
    stocks
        The stock (mM) of each drug; others have that of `plates`.
    plates
        Volume of a well (uL), cap of DMSO (%).

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per drug and concentration, and one for the vehicle. If first_stock_ul is not 0,
        the stock is diluted in DMSO first: first_stock_ul + first_dmso_ul of diluted_mm. Then
        stock_ul + dmso_ul + medium_ul = total_ul of working_um, with the same share of DMSO in every solution
        (to 5%). Each of `wells` gets per_well_ul; total_ul is at least a tenth more than all of them take.
        Empty if a well is too small, or a stock too weak, for pipetting by hand.
    """
    per_well = per_well_ul(plates)
    if per_well > plates.well_volume_ul / 2:
        return pd.DataFrame(columns=pd.Index(COLUMNS))
    table = plate_map[~is_by_hand(plate_map)]
    wells = table.groupby(["drug_id", "concentration"], sort=False).size()
    times = plates.well_volume_ul / per_well
    asked = [(drug, dose, stocks.get(drug, plates.stock_mm)) for drug, dose in wells.index]
    # The part of each working solution that is stock, without a dilution before.
    parts = np.array(
        [0.0 if drug == VEHICLE else dose * times / (1000 * stock) for drug, dose, stock in asked]
    )
    if parts.max() > 1:
        return pd.DataFrame(columns=pd.Index(COLUMNS))
    usual = plates.concentration_um * times / (1000 * plates.stock_mm)
    share = parts.max() or usual
    needed = wells.to_numpy() * per_well * _SPARE
    factor = _factor(parts, share, needed, per_well, plates)
    rows = []
    for (drug, dose, stock), part, count, volume in zip(asked, parts, wells, needed, strict=True):
        made = _solution(part * factor, share * factor, volume)
        first = _dilution(made["stock_ul"], factor)
        about = {"drug_id": drug, "concentration_um": dose, "stock_mm": np.nan if drug == VEHICLE else stock}
        diluted = {"diluted_mm": about["stock_mm"] / factor, "working_um": dose * times}
        rows.append({**about, **first, **made, **diluted, "per_well_ul": per_well, "wells": count})
    return pd.DataFrame(rows)[list(COLUMNS)]


def _factor(parts: np.ndarray, share: float, needed: np.ndarray, per_well: float, plates: Plates) -> int:
    """Return by how much stocks are diluted in DMSO first: as little as makes no solution too large."""
    chosen = 1
    for factor in (1, 10, 100, 1000):
        percent = dmso_percent(1000 * per_well * share * factor, plates)
        if factor > 1 and (percent > plates.dmso_percent_max or share * factor > 1):
            break
        chosen = factor
        pairs = zip(parts, needed, strict=True)
        if max(_solution(part * factor, share * factor, ul)["total_ul"] for part, ul in pairs) <= _MOST_UL:
            break
    return chosen


def _solution(part: float, share: float, needed: float) -> dict[str, float]:
    """Return the volumes of a working solution of which `part` is stock and `share` stock and DMSO."""
    stock = _up(max(LEAST_UL, needed * part)) if part else 0.0
    total = stock / part if part else needed
    lacking = share - part
    if lacking > _NEGLIGIBLE * share and total * lacking < LEAST_UL:
        total = LEAST_UL / lacking
        stock = total * part
    total = _up(total)
    dmso = round(total * lacking, 1) if lacking > _NEGLIGIBLE * share else 0.0
    stock = round(stock, 2)
    return {
        "stock_ul": stock,
        "dmso_ul": dmso,
        "medium_ul": round(total - stock - dmso, 2),
        "total_ul": total,
    }


def _dilution(needed: float, factor: int) -> dict[str, float]:
    """Return stock and DMSO that give `needed` of a stock diluted by `factor`; 0 if it is not diluted."""
    if factor == 1 or not needed:
        return {"first_stock_ul": 0.0, "first_dmso_ul": 0.0}
    stock = _up(max(LEAST_UL, needed * _SPARE / factor))
    return {"first_stock_ul": stock, "first_dmso_ul": round(stock * (factor - 1), 1)}


def _up(volume: float) -> float:
    """Return a volume rounded up to a tenth of a microlitre."""
    return math.ceil(round(volume * 10, 6)) / 10
