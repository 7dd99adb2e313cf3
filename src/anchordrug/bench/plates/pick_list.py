"""The pick list of an acoustic dispenser: transfers that fill a plate map, with equal DMSO in all wells."""

from collections.abc import Mapping, Sequence

import pandas as pd

from anchordrug.bench.plates.plate_map import VEHICLE
from anchordrug.bench.plates.source_wells import (
    SAMPLE,
    SOURCE_PLATE,
    SOURCE_WELL,
    VOLUME,
    source_wells,
    unpadded,
)
from anchordrug.bench.plates.volumes import problem_with, transfer_nl
from anchordrug.bench.settings import Plates
from anchordrug.errors import SettingsError

SOURCE_TYPE = "384PP_DMSO2"
PLATE = "Destination Plate Name"
WELL = "Destination Well"


def stocks_of(sources: pd.DataFrame, plates: Plates) -> dict[str, float]:
    """Return the stock (mM) of each drug: its `stock_mm` in `sources`, or that of the settings."""
    if "stock_mm" not in sources:
        return dict.fromkeys(sources["drug_id"], plates.stock_mm)
    own = sources["stock_mm"].fillna(plates.stock_mm)
    return dict(zip(sources["drug_id"], own.astype(float), strict=True))


def is_by_hand(plate_map: pd.DataFrame) -> pd.Series:
    """Return which wells have a positive control without a concentration; no list can tell its volume."""
    return (plate_map["pert_type"] == "poscon") & (plate_map["concentration"] == 0)


def pick_list(
    plate_map: pd.DataFrame, sources: pd.DataFrame, plates: Plates, earlier: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """Return the transfers that fill `plate_map`, in the columns of Echo Cherry Pick.

    Parameters
    ----------
    plate_map : DataFrame
        In schema PLATE_MAP. Its concentrations count, not that of `plates`.
    sources : DataFrame
        `drug_id`, `source_plate`, `source_well` and, if the stocks differ, `stock_mm`: see `source_wells` and
        `stocks_of`.
    plates : Plates
        Volume of a well (uL), concentration of the stocks (mM), cap of DMSO (%).
    earlier : sequence of DataFrame
        The pick lists of the earlier rounds, in order.

    Returns
    -------
    DataFrame
        One row per well of the map in its order, except the wells of `is_by_hand`. Then one row per well that
        gets less stock than another well of its plate: DMSO that makes up for it. `Transfer Volume` is in nL,
        a multiple of 2.5, and its sum is the same for every well of a plate. Wells are written A1, as the
        Echo does.

    Raises
    ------
    SettingsError
        A volume rounds to 0, exceeds the well or brings more DMSO than the cap.
    TableError
        As `source_wells`.
    """
    table = plate_map[~is_by_hand(plate_map)]
    volumes = _volumes(table, stocks_of(sources, plates), plates)
    most = volumes.groupby(table["plate"]).transform("max")
    # A plate of controls alone gets the volume that a drug of the campaign's dose and stock would bring.
    usual = transfer_nl(plates.concentration_um, plates.stock_mm, plates)
    most = most.where(most > 0, usual)
    is_vehicle = table["drug_id"] == VEHICLE
    rest = (most - volumes).where(~is_vehicle, 0)
    filled = table.assign(volume=volumes.where(~is_vehicle, most))
    topped = table.assign(drug_id=VEHICLE, name=VEHICLE, volume=rest)[rest > 0]
    together = pd.concat([filled, topped], ignore_index=True)
    wells = source_wells(together["drug_id"].unique().tolist(), sources, earlier)
    return _transfers(together, wells)


def _volumes(table: pd.DataFrame, stocks: Mapping[str, float], plates: Plates) -> pd.Series:
    """Return the volume of stock of each well (nL), 0 of the vehicle."""
    volumes = {}
    for drug, dose in table[["drug_id", "concentration"]].drop_duplicates().itertuples(index=False):
        stock = stocks.get(drug, plates.stock_mm)
        if drug == VEHICLE:
            volumes[drug, dose] = 0.0
            continue
        problem = problem_with(dose, stock, plates)
        if problem is not None:
            raise SettingsError(f"plates: drug '{drug}': {problem}")
        volumes[drug, dose] = transfer_nl(dose, stock, plates)
    pairs = zip(table["drug_id"], table["concentration"], strict=True)
    return pd.Series([volumes[pair] for pair in pairs], index=table.index, dtype=float)


def _transfers(table: pd.DataFrame, wells: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            SOURCE_PLATE: [wells[drug][0] for drug in table["drug_id"]],
            "Source Plate Type": SOURCE_TYPE,
            SOURCE_WELL: [unpadded(wells[drug][1]) for drug in table["drug_id"]],
            PLATE: table["plate"].to_list(),
            WELL: [unpadded(well) for well in table["well_position"]],
            VOLUME: table["volume"].to_list(),
            "Sample Name": table["name"].fillna(table["drug_id"]).to_list(),
            SAMPLE: table["drug_id"].to_list(),
        }
    )
