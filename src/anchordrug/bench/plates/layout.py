"""Drugs onto plates: the randomised layout, plate maps that come back edited, pick lists for an Echo."""

import math
import zlib
from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

from anchordrug.bench.plates.plate_map import VEHICLE, read_well, replicates
from anchordrug.bench.plates.wells import SHAPES, well_name
from anchordrug.bench.settings import Plates
from anchordrug.errors import SettingsError, TableError, shortlist
from anchordrug.schemas import PLATE_MAP

ECHO_STEP_NL = 2.5
ECHO_SOURCE_TYPE = "384PP_DMSO2"
# Columns of a pick list that say which drug comes from which well.
SAMPLE = "Sample ID"
SOURCE_PLATE = "Source Plate Name"
SOURCE_WELL = "Source Well"


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
        What grows in the wells.
    seed : int
        The same seed, prefix and cell line give the same map.

    Returns
    -------
    DataFrame
        In schema PLATE_MAP, by plate, row letter, column. The replicates of a drug on any two plates
        differ by one at most. Controls stand at random and apart, each in its own region of the plate.

    Raises
    ------
    SettingsError
        There is no drug, or the controls leave no well for one.
    TableError
        A drug stands twice in `drugs`, or is the vehicle.
    """
    _require_drugs(drugs)
    usable = _usable_wells(plates)
    # Rounds and cell lines of one campaign share its seed and must not share their layout.
    rng = np.random.default_rng([seed, zlib.crc32(f"{prefix}\n{cell_line}".encode())])
    # Dealt like cards, drug by drug: that spreads each drug, and fills all plates, to within one well.
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
            f"drugs to lay out: '{wrong.iloc[0]}' stands twice or is the vehicle; take it off the selection"
        )


def _usable_wells(plates: Plates) -> np.ndarray:
    """Return the wells of a plate that may be filled, int64 [wells, row and column]."""
    margin = 0 if plates.use_edge else 1
    rows, columns = SHAPES[plates.wells]
    usable = np.array([(r, c) for r in range(margin, rows - margin) for c in range(margin, columns - margin)])
    if len(usable) - plates.controls < 1:
        raise SettingsError(
            f"plates.controls: {plates.controls} leave no well for drugs among the {len(usable)} usable ones "
            f"of a {plates.wells}-well plate; ask for fewer, or for more wells (wells: 384, use_edge: true)"
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


def pick_list(
    plate_map: pd.DataFrame, sources: pd.DataFrame, plates: Plates, earlier: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """Return the transfers that fill `plate_map`, in the columns of Echo Cherry Pick.

    Parameters
    ----------
    plate_map : DataFrame
        In schema PLATE_MAP.
    sources : DataFrame
        `drug_id`, `source_plate`, `source_well`: where the stocks are. Drugs (and DMSO) without a source
        get the next free wells of plates SOURCE1, SOURCE2, ..., in the order of `sources`, then of the
        map; DMSO comes last.
    plates : Plates
        Volume of a well (uL), concentration of the stocks (mM).
    earlier : sequence of DataFrame
        The pick lists of the earlier rounds, in order. A drug keeps the source well that it first had, and
        no other drug gets a well that is in one of these lists.

    Returns
    -------
    DataFrame
        A row per well of the map. `Transfer Volume` is in nL, a multiple of 2.5, and the same for every
        well of a plate, so that all receive the same amount of DMSO. Wells are written A1, as the Echo does.

    Raises
    ------
    SettingsError
        A volume rounds to 0 or exceeds the well.
    TableError
        `sources` has no such column, names a drug or a well twice, gives half a source, a wrong well or the
        well of another drug in an earlier pick list; or a plate holds drugs at several concentrations.
    """
    source = _sources(plate_map, sources, earlier)
    volumes = {
        plate: _volume_nl(str(plate), wells.loc[wells["pert_type"] == "trt", "concentration"], plates)
        for plate, wells in plate_map.groupby("plate")
    }
    return pd.DataFrame(
        {
            SOURCE_PLATE: [source[drug][0] for drug in plate_map["drug_id"]],
            "Source Plate Type": ECHO_SOURCE_TYPE,
            SOURCE_WELL: [_unpadded(source[drug][1]) for drug in plate_map["drug_id"]],
            "Destination Plate Name": plate_map["plate"].to_list(),
            "Destination Well": [_unpadded(well) for well in plate_map["well_position"]],
            "Transfer Volume": [volumes[plate] for plate in plate_map["plate"]],
            "Sample Name": plate_map["name"].fillna(plate_map["drug_id"]).to_list(),
            SAMPLE: plate_map["drug_id"].to_list(),
        }
    )


def _sources(
    plate_map: pd.DataFrame, sources: pd.DataFrame, earlier: Sequence[pd.DataFrame]
) -> dict[str, tuple[str, str]]:
    """Return the source plate and well of every drug in the map, and of the vehicle."""
    given = _given_sources(sources)
    drug_in = _earlier_sources(earlier)
    _require_free(given, drug_in)
    # A well belongs to the drug that it had first; the lists of older versions gave some wells twice.
    kept = {drug: well for well, drug in reversed(drug_in.items())}
    in_map = dict.fromkeys(plate_map["drug_id"])
    order = [
        drug for drug in dict.fromkeys([*sources["drug_id"], *in_map]) if drug in in_map and drug != VEHICLE
    ]
    order += [VEHICLE] if VEHICLE in in_map else []
    taken = {*given.values(), *drug_in}
    free = (
        (f"SOURCE{number}", well_name(row, column))
        for number in count(1)
        for row in range(16)
        for column in range(24)
        if (f"SOURCE{number}", well_name(row, column)) not in taken
    )
    known = kept | given
    return {drug: known[drug] if drug in known else next(free) for drug in order}


def _earlier_sources(earlier: Sequence[pd.DataFrame]) -> dict[tuple[str, str], str]:
    """Return the drug that each source plate and well had first in the pick lists of earlier rounds."""
    drug_in: dict[tuple[str, str], str] = {}
    for table in earlier:
        for plate, well, drug in table[[SOURCE_PLATE, SOURCE_WELL, SAMPLE]].itertuples(index=False):
            drug_in.setdefault((plate, read_well(well, f"pick list of an earlier round: '{drug}'")), drug)
    return drug_in


def _require_free(given: Mapping[str, tuple[str, str]], drug_in: Mapping[tuple[str, str], str]) -> None:
    for drug, (plate, well) in given.items():
        other = drug_in.get((plate, well), drug)
        if other != drug:
            raise TableError(
                f"sources: drug '{drug}': well {_unpadded(well)} of plate '{plate}' held '{other}' in an "
                f"earlier round; give '{drug}' another well"
            )


def _unpadded(well: str) -> str:
    return f"{well[0]}{int(well[1:])}"


def _given_sources(sources: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the source plate and well of each drug that has one, checked."""
    missing = [name for name in ("drug_id", "source_plate", "source_well") if name not in sources.columns]
    if missing:
        raise TableError(f"sources: no column '{missing[0]}'; add it (it may be empty)")
    twice = sources["drug_id"][sources["drug_id"].duplicated()]
    if len(twice):
        raise TableError(f"sources: drug '{twice.iloc[0]}' stands twice; keep one of its sources")
    given: dict[str, tuple[str, str]] = {}
    drug_in: dict[tuple[str, str], str] = {}
    for drug, plate, well in sources[["drug_id", "source_plate", "source_well"]].itertuples(index=False):
        if pd.isna(plate) and pd.isna(well):
            continue
        place = f"sources: drug '{drug}'"
        if pd.isna(plate) or pd.isna(well):
            raise TableError(f"{place}: source_plate '{plate}', source_well '{well}'; give both or neither")
        given[drug] = (str(plate), read_well(well, place))
        other = drug_in.setdefault(given[drug], drug)
        if other != drug:
            raise TableError(
                f"{place}: well {well} of plate '{plate}' also holds '{other}'; correct one of them"
            )
    return given


def _volume_nl(plate: str, concentrations: pd.Series, plates: Plates) -> float:
    """Return what every well of `plate` receives, in nL; `concentrations` (uM) are those of its drugs."""
    levels = [float(level) for level in concentrations.unique()] or [plates.concentration_um]
    if len(levels) > 1:
        raise TableError(
            f"plate map: plate '{plate}' holds drugs at {shortlist(f'{level:g}' for level in levels)} uM, "
            "so its wells would differ in DMSO; put each concentration on a plate of its own"
        )
    exact = levels[0] * plates.well_volume_ul / plates.stock_mm
    volume = math.floor(exact / ECHO_STEP_NL + 0.5) * ECHO_STEP_NL
    settings = f"{levels[0]:g} uM in {plates.well_volume_ul:g} uL from a stock of {plates.stock_mm:g} mM"
    if volume == 0:
        raise SettingsError(
            f"plates: {settings} needs {exact:.3g} nL, but the Echo transfers steps of {ECHO_STEP_NL} nL; "
            "dilute the stock (plates.stock_mm)"
        )
    if volume >= 1000 * plates.well_volume_ul:
        raise SettingsError(
            f"plates: {settings} needs {volume:g} nL, more than the well holds; correct plates.stock_mm "
            "(mM), concentration_um (uM) or well_volume_ul (uL)"
        )
    return volume
