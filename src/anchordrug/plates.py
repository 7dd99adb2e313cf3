"""Drugs onto plates: the randomised layout, plate maps that come back edited, pick lists for an Echo."""

import csv
import io
import math
import re
import zlib
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

from anchordrug.campaign_settings import Plates
from anchordrug.errors import SettingsError, TableError, shortlist
from anchordrug.formulas import unescaped
from anchordrug.raw.text import open_text
from anchordrug.schemas import PLATE_MAP, validate

ROWS = "ABCDEFGHIJKLMNOP"
SHAPES = {96: (8, 12), 384: (16, 24)}
VEHICLE = "DMSO"

# Our name -> the names it goes by in lower case, the one that wins first.
_COLUMNS = {
    "plate": (
        *("plate", "metadata_plate"),
        *("assay_plate_barcode", "metadata_assay_plate_barcode"),
        *("plate_map_name", "metadata_plate_map_name"),
    ),
    "well_position": ("well_position", "well", "metadata_well", "metadata_well_position"),
    "drug_id": ("drug_id", "broad_sample", "metadata_broad_sample"),
    "concentration": ("concentration", "concentration_um", "mmoles_per_liter", "metadata_mmoles_per_liter"),
    "cell_line": ("cell_line", "metadata_cell_line"),
    "unit": ("unit", "concentration_unit", "metadata_concentration_unit"),
    "pert_type": ("pert_type", "metadata_pert_type"),
    "name": ("name", "pert_iname", "metadata_pert_iname"),
    "InChIKey": ("inchikey", "metadata_inchikey"),
    "SMILES": ("smiles", "metadata_smiles"),
    "replicate": ("replicate",),
}
_REQUIRED = ("plate", "well_position", "drug_id", "concentration", "cell_line")
# mmoles_per_liter of the Broad's plate maps is mM in the *compound* plate. Its assays dilute that 1:1000
# (github.com/broadinstitute/cell-health/issues/105), so the same number is the assay well's uM.
_COLUMNS_IN_UM = ("concentration_um", "mmoles_per_liter", "metadata_mmoles_per_liter")
_PER_UM = {"um": 1.0, "nm": 1000.0, "mm": 0.001}

ECHO_STEP_NL = 2.5
ECHO_SOURCE_TYPE = "384PP_DMSO2"


def well_name(row: int, column: int) -> str:
    """Return the name, such as ``"A01"``, of the well in `row` and `column`, both counted from 0."""
    return f"{ROWS[row]}{column + 1:02}"


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
    if drugs.empty:
        raise SettingsError("plates: no drug to lay out; select at least one")
    wrong = drugs["drug_id"][drugs["drug_id"].duplicated() | (drugs["drug_id"].str.casefold() == "dmso")]
    if len(wrong):
        raise TableError(
            f"drugs to lay out: '{wrong.iloc[0]}' stands twice or is the vehicle; take it off the selection"
        )
    margin = 0 if plates.use_edge else 1
    rows, columns = SHAPES[plates.wells]
    usable = np.array([(r, c) for r in range(margin, rows - margin) for c in range(margin, columns - margin)])
    room = len(usable) - plates.controls
    if room < 1:
        raise SettingsError(
            f"plates.controls: {plates.controls} leave no well for drugs among the {len(usable)} usable ones "
            f"of a {plates.wells}-well plate; ask for fewer, or for more wells (wells: 384, use_edge: true)"
        )
    # Rounds and cell lines of one campaign share its seed and must not share their layout.
    rng = np.random.default_rng([seed, zlib.crc32(f"{prefix}\n{cell_line}".encode())])
    # Dealt like cards, drug by drug: that spreads each drug, and fills all plates, to within one well.
    to_deal = np.repeat(rng.permutation(len(drugs)), plates.replicates)
    number = math.ceil(len(to_deal) / room)
    layouts = []
    for plate in range(number):
        dealt = to_deal[plate::number]
        controls = _spread(usable, plates.controls, rng)
        free = np.setdiff1d(np.arange(len(usable)), controls)
        layout = pd.Series(dealt, index=rng.permutation(free)[: len(dealt)])
        # -1 takes the last row below, which is the vehicle.
        layout = pd.concat([layout, pd.Series(-1, index=controls, dtype=int)]).sort_index()
        wells = [well_name(row, column) for row, column in usable[layout.index]]
        layouts.append(
            pd.DataFrame(
                {"plate": f"{prefix}-P{plate + 1}", "well_position": wells, "drug": layout.to_numpy()}
            )
        )
    table = pd.concat(layouts, ignore_index=True)
    substances = drugs[["drug_id", "name", "inchikey", "smiles"]].set_axis(
        ["drug_id", "name", "InChIKey", "SMILES"], axis=1
    )
    substances = pd.concat([substances, pd.DataFrame({"drug_id": [VEHICLE], "name": [VEHICLE]})])
    table = table.join(substances.take(table.pop("drug").to_numpy()).reset_index(drop=True))
    is_control = table["drug_id"] == VEHICLE
    table["pert_type"] = np.where(is_control, "negcon", "trt")
    table["concentration"] = np.where(is_control, 0.0, plates.concentration_um)
    table["unit"] = "uM"
    table["cell_line"] = cell_line
    table["replicate"] = _replicates(table)
    return PLATE_MAP.validate(table[list(PLATE_MAP.columns)])


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


def _replicates(table: pd.DataFrame) -> pd.Series:
    """Return for every well the how-manieth of its drug it is, or of its plate's vehicle wells, from 1."""
    plate = table["plate"].where(table["pert_type"] == "negcon", "")
    return table.groupby(["cell_line", "drug_id", plate]).cumcount() + 1


def read_plate_map(path: Path) -> pd.DataFrame:
    """Read a plate map, as `lay_out` made it or as a spreadsheet left it.

    Commas, semicolons or tabs separate the cells; with semicolons, numbers may have a decimal comma.
    Columns also go by the names that JUMP and the Broad's plate maps give them; others are ignored. A unit
    of nM or mM is converted; a vehicle's concentration is 0 whatever the file says. Without the columns
    `replicate` and `pert_type` these are derived; without `name`, `InChIKey`, `SMILES` these are null.

    Returns
    -------
    DataFrame
        In schema PLATE_MAP, in the order of the file.

    Raises
    ------
    RawDataError
        The file is missing or unreadable.
    TableError
        Naming file, line, value and remedy: the file holds no wells, a column is missing, a well is on no
        96- or 384-well plate or is filled twice, a number or unit cannot be read, lines contradict.
    """
    header, lines, decimal_comma = _cells(path)
    columns = _find_columns(header, path)
    in_um = header[columns["concentration"]].casefold() in _COLUMNS_IN_UM
    rows = []
    for line, cells in lines:
        row = {name: cells[at] for name, at in columns.items()}
        rows.append(_read_row(row, f"{path}: line {line}", in_um=in_um, decimal_comma=decimal_comma))
    _check_wells(rows, [line for line, _ in lines], path)
    table = pd.DataFrame(rows, columns=pd.Index(list(PLATE_MAP.columns)))
    if "replicate" not in columns:
        table["replicate"] = _replicates(table)
    return validate(table, PLATE_MAP, path)


def _cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], bool]:
    """Return the header, the lines below it with their numbers, and whether decimal commas may occur."""
    with open_text(path) as file:
        text = file.read()
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, [unescaped(cell.strip()) for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise TableError(f"{path}: line {reader.line_num}: {error}; save the sheet as CSV again") from error
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if len(lines) < 2:
        raise TableError(f"{path}: holds no wells; expected a line of column names and a line per well")
    header = lines[0][1]
    for line, cells in lines[1:]:
        if any(cells[len(header) :]):
            raise TableError(
                f"{path}: line {line}: has {len(cells)} cells, the first line {len(header)} "
                f"(the last is '{cells[-1]}'); put texts and numbers that hold '{separator}' in quotes"
            )
    padded = [(line, cells + [""] * (len(header) - len(cells))) for line, cells in lines[1:]]
    return header, padded, separator == ";"


def _find_columns(header: list[str], path: Path) -> dict[str, int]:
    """Return our column names and where in `header` each stands."""
    lower = [name.casefold() for name in header]
    twice = [name for name in header if name and lower.count(name.casefold()) > 1]
    if twice:
        raise TableError(f"{path}: column '{twice[0]}' stands twice; delete one")
    columns = {
        ours: lower.index(name)
        for ours, names in _COLUMNS.items()
        for name in reversed(names)
        if name in lower
    }
    missing = [ours for ours in _REQUIRED if ours not in columns]
    if missing:
        names = ", ".join(_COLUMNS[missing[0]])
        raise TableError(
            f"{path}: no column '{missing[0]}' (found: {shortlist(header)}); add it, under one of: {names}"
        )
    return columns


def _read_row(row: dict[str, str], place: str, *, in_um: bool, decimal_comma: bool) -> dict[str, object]:
    """Return a line of the file as a row of PLATE_MAP; `in_um`: the concentration's column says uM."""
    stated = row.get("pert_type", "").casefold()
    if stated not in ("", "trt", "negcon"):
        raise TableError(f"{place}: pert_type '{row['pert_type']}' is unknown; write trt or negcon")
    is_vehicle = row["drug_id"].casefold() == "dmso" or (stated == "negcon" and not row["drug_id"])
    for name in ("plate", "cell_line", "drug_id"):
        if not row[name] and not (name == "drug_id" and is_vehicle):
            raise TableError(
                f"{place}: {name} '' is empty; fill it in (drug_id of a control: DMSO) or delete the line"
            )
    if stated and (stated == "negcon") != is_vehicle:
        raise TableError(
            f"{place}: drug_id '{row['drug_id']}' contradicts pert_type '{row['pert_type']}'; "
            "DMSO is negcon and every drug trt, correct one of them"
        )
    text = {name: row.get(name) or None for name in ("name", "InChIKey", "SMILES")}
    replicate = row.get("replicate")
    return {
        **text,
        "plate": row["plate"],
        "well_position": _read_well(row["well_position"], place),
        "pert_type": "negcon" if is_vehicle else "trt",
        "drug_id": VEHICLE if is_vehicle else row["drug_id"],
        "name": VEHICLE if is_vehicle else text["name"],
        "concentration": 0.0 if is_vehicle else _read_um(row, place, in_um, decimal_comma),
        "unit": "uM",
        "replicate": None if replicate is None else _read_replicate(replicate, place),
        "cell_line": row["cell_line"],
    }


def _read_well(text: object, place: str) -> str:
    match = re.fullmatch(r"([A-P])0*([1-9]|1[0-9]|2[0-4])", str(text).strip().upper())
    if match is None:
        raise TableError(
            f"{place}: well '{text}' is on no 96- or 384-well plate; write A01 to H12, or A01 to P24"
        )
    return well_name(ROWS.index(match[1]), int(match[2]) - 1)


def _read_um(row: dict[str, str], place: str, in_um: bool, decimal_comma: bool) -> float:
    """Return the concentration of a drug in uM."""
    text = row["concentration"].replace(",", ".") if decimal_comma else row["concentration"]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise TableError(
            f"{place}: concentration '{row['concentration']}' of drug '{row['drug_id']}' is not a positive "
            "number; write it with a decimal point and without its unit"
        )
    # Case folding turns the micro sign into the Greek letter.
    unit = row.get("unit", "").casefold().replace("μ", "u")
    if in_um and unit in ("", "um"):
        return value
    if not unit:
        raise TableError(
            f"{place}: units missing for concentration '{row['concentration']}'; "
            "add a column 'unit' with uM, nM or mM in every line"
        )
    if unit not in _PER_UM or in_um:
        problem = "contradicts the column name of the concentration" if in_um else "is unknown"
        raise TableError(f"{place}: unit '{row['unit']}' {problem}; write uM, nM or mM in a column 'unit'")
    return value / _PER_UM[unit]


def _read_replicate(text: str, place: str) -> int:
    # Spreadsheets write 1.0 for 1.
    match = re.fullmatch(r"0*([1-9][0-9]*)([.,]0*)?", text)
    if match is None:
        raise TableError(
            f"{place}: replicate '{text}' is not a whole number from 1; correct it or delete the whole column"
        )
    return int(match[1])


def _check_wells(rows: list[dict[str, object]], lines: list[int], path: Path) -> None:
    """Check that every well is filled once, and that a drug has one structure."""
    in_well: dict[tuple[object, object], tuple[int, object]] = {}
    key_of: dict[object, tuple[int, object]] = {}
    for line, row in zip(lines, rows, strict=True):
        plate, well, drug = row["plate"], row["well_position"], row["drug_id"]
        before, other = in_well.setdefault((plate, well), (line, drug))
        if before != line:
            raise TableError(
                f"{path}: line {line}: well {well} of plate '{plate}' holds '{other}' (line {before}) "
                f"and '{drug}'; give each a well of its own"
            )
        key = row["InChIKey"]
        if key is None:
            continue
        before, other = key_of.setdefault(drug, (line, key))
        if other != key:
            raise TableError(
                f"{path}: line {line}: drug '{drug}' has InChIKey '{key}', but '{other}' in line {before}; "
                "correct the drug_id or the InChIKey"
            )


def pick_list(plate_map: pd.DataFrame, sources: pd.DataFrame, plates: Plates) -> pd.DataFrame:
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
        `sources` has no such column, names a drug or a well twice, gives half a source or a wrong well; or
        a plate holds drugs at several concentrations.
    """
    given = _given_sources(sources)
    in_map = dict.fromkeys(plate_map["drug_id"])
    order = [
        drug for drug in dict.fromkeys([*sources["drug_id"], *in_map]) if drug in in_map and drug != VEHICLE
    ]
    order += [VEHICLE] if VEHICLE in in_map else []
    taken = set(given.values())
    free = (
        (f"SOURCE{number}", well_name(row, column))
        for number in count(1)
        for row in range(16)
        for column in range(24)
        if (f"SOURCE{number}", well_name(row, column)) not in taken
    )
    source = {drug: given[drug] if drug in given else next(free) for drug in order}
    volumes = {
        plate: _volume_nl(str(plate), wells.loc[wells["pert_type"] == "trt", "concentration"], plates)
        for plate, wells in plate_map.groupby("plate")
    }
    return pd.DataFrame(
        {
            "Source Plate Name": [source[drug][0] for drug in plate_map["drug_id"]],
            "Source Plate Type": ECHO_SOURCE_TYPE,
            "Source Well": [_unpadded(source[drug][1]) for drug in plate_map["drug_id"]],
            "Destination Plate Name": plate_map["plate"].to_list(),
            "Destination Well": [_unpadded(well) for well in plate_map["well_position"]],
            "Transfer Volume": [volumes[plate] for plate in plate_map["plate"]],
            "Sample Name": plate_map["name"].fillna(plate_map["drug_id"]).to_list(),
            "Sample ID": plate_map["drug_id"].to_list(),
        }
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
        given[drug] = (str(plate), _read_well(well, place))
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
