"""Drugs onto plates: the randomised layout."""

import math
import zlib

import numpy as np
import pandas as pd

from anchordrug.bench.plates.plate_map import VEHICLE, replicates
from anchordrug.bench.plates.wells import SHAPES, well_name
from anchordrug.bench.settings import Plates
from anchordrug.errors import SettingsError, TableError
from anchordrug.schemas import PLATE_MAP


def lay_out(drugs: pd.DataFrame, plates: Plates, *, prefix: str, cell_line: str, seed: int) -> pd.DataFrame:
    """Return a randomised plate map of `drugs` on as few plates as hold them.

    Parameters
    ----------
    drugs : DataFrame
        A row per drug: `drug_id`, `name`, `inchikey`, `smiles`.
    plates : Plates
        Size, replicates per drug, controls per plate, concentration (uM).
    prefix : str
        Plates are called ``{prefix}-P1``, ``{prefix}-P2``, ...
    cell_line : str
        The cells in the wells.
    seed : int
        The same seed, prefix and cell line give the same map.

    Returns
    -------
    DataFrame
        In schema PLATE_MAP, by plate, row letter, column. The replicates of a drug on any two plates
        differ by one at most. Controls are at random and apart, each in its own region of the plate.

    Raises
    ------
    SettingsError
        There is no drug, or the controls leave no well for one.
    TableError
        A drug is twice in `drugs`, or is the vehicle.
    """
    _require_drugs(drugs)
    usable = usable_wells(plates)
    # Rounds and cell lines of one campaign share its seed and must not share their layout.
    rng = np.random.default_rng([seed, zlib.crc32(f"{prefix}\n{cell_line}".encode())])
    # Distributed in turn, drug by drug: that spreads each drug, and fills all plates, to within one well.
    to_deal = np.repeat(rng.permutation(len(drugs)), plates.replicates)
    number = math.ceil(len(to_deal) / (len(usable) - plates.controls))
    layouts = []
    for plate in range(number):
        dealt = to_deal[plate::number]
        controls = _spread(usable, plates.controls, rng)
        free = np.setdiff1d(np.arange(len(usable)), controls)
        layout = pd.Series(dealt, index=rng.permutation(free)[: len(dealt)])
        # -1 takes the last of the substances, which is the vehicle.
        layout = pd.concat([layout, pd.Series(-1, index=controls, dtype=int)]).sort_index()
        wells = [well_name(row, column) for row, column in usable[layout.index]]
        layouts.append(
            pd.DataFrame(
                {"plate": f"{prefix}-P{plate + 1}", "well_position": wells, "drug": layout.to_numpy()}
            )
        )
    table = _with_substances(pd.concat(layouts, ignore_index=True), drugs)
    is_control = table["drug_id"] == VEHICLE
    table["pert_type"] = np.where(is_control, "negcon", "trt")
    table["concentration"] = np.where(is_control, 0.0, plates.concentration_um)
    table["unit"] = "uM"
    table["cell_line"] = cell_line
    table["replicate"] = replicates(table)
    return PLATE_MAP.validate(table[list(PLATE_MAP.columns)])


def _require_drugs(drugs: pd.DataFrame) -> None:
    if drugs.empty:
        raise SettingsError("plates: no drug to lay out; select at least one")
    wrong = drugs["drug_id"][drugs["drug_id"].duplicated() | (drugs["drug_id"].str.casefold() == "dmso")]
    if len(wrong):
        raise TableError(
            f"drugs to lay out: '{wrong.iloc[0]}' is there twice or is the vehicle; take it off the selection"
        )


def usable_wells(plates: Plates) -> np.ndarray:
    """Return the wells of a plate that may be filled, int64 [wells, row and column]."""
    margin = 0 if plates.use_edge else 1
    rows, columns = SHAPES[plates.wells]
    usable = np.array([(r, c) for r in range(margin, rows - margin) for c in range(margin, columns - margin)])
    if len(usable) - plates.controls < 1:
        raise SettingsError(
            f"plates.controls: {plates.controls} leave no well for drugs: {len(usable)} of the "
            f"{plates.wells} wells of a plate are usable; ask for fewer, or for more wells (wells: 384, "
            "use_edge: true)"
        )
    return usable


def _with_substances(table: pd.DataFrame, drugs: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with id, name and structure in place of `drug`, a row of `drugs` or -1, the vehicle."""
    substances = drugs[["drug_id", "name", "inchikey", "smiles"]].set_axis(
        ["drug_id", "name", "InChIKey", "SMILES"], axis=1
    )
    substances = pd.concat([substances, pd.DataFrame({"drug_id": [VEHICLE], "name": [VEHICLE]})])
    return table.join(substances.take(table.pop("drug").to_numpy()).reset_index(drop=True))


def _spread(wells: np.ndarray, parts: int, rng: np.random.Generator) -> list[int]:
    """Draw `parts` of `wells` [n, row and column], as indices, one from each region."""
    # Who only asks which wells are usable need not wait for scipy.
    from scipy.spatial.distance import pdist

    regions = _regions(wells, parts)
    # Neighbours may meet at the border of their regions; of several draws one keeps them apart.
    draws = [[int(rng.choice(region)) for region in regions] for _ in range(20)]
    return max(draws, key=lambda draw: pdist(wells[draw]).min(initial=np.inf))


def _regions(wells: np.ndarray, parts: int) -> list[np.ndarray]:
    """Cut `wells` [n, row and column] into compact regions of equal size (to within one), as indices."""

    def cut(region: np.ndarray, parts: int) -> list[np.ndarray]:
        if parts == 1:
            return [region]
        longer = int(np.ptp(wells[region], axis=0).argmax())
        region = region[np.lexsort((wells[region, 1 - longer], wells[region, longer]))]
        first = parts // 2
        at = len(region) * first // parts
        return cut(region[:at], first) + cut(region[at:], parts - first)

    return cut(np.arange(len(wells)), parts) if parts else []
