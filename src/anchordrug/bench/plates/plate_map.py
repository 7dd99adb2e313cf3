"""Plate maps as users give them back: edited, renamed, in other units."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anchordrug.bench.plates.wells import parse_well
from anchordrug.errors import TableError, shortlist
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.sample_columns import PER_UM
from anchordrug.raw.sheet import Sheet, read_sheet
from anchordrug.schemas import PLATE_MAP, validate

VEHICLE = "DMSO"

# Our name -> its names in files, in lower case, the preferred name first.
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
    "control_type": ("control_type", "metadata_control_type"),
    "name": ("name", "pert_iname", "metadata_pert_iname"),
    "InChIKey": ("inchikey", "metadata_inchikey"),
    "SMILES": ("smiles", "metadata_smiles"),
    "replicate": ("replicate",),
}

_REQUIRED = ("plate", "well_position", "drug_id", "concentration", "cell_line")

# mmoles_per_liter of the Broad's plate maps is mM in the *compound* plate. Its assays dilute that 1:1000
# (github.com/broadinstitute/cell-health/issues/105), so the same number is the assay well's uM.
_COLUMNS_IN_UM = ("concentration_um", "mmoles_per_liter", "metadata_mmoles_per_liter")

# CMap's and JUMP's names of kinds of wells, and our names. Kinds of positive control have names of their own
# ('poscon_cp', 'poscon_diverse').
_PERT_TYPES = {
    **{name: name for name in ("trt", "negcon", "poscon")},
    **{"trt_cp": "trt", "ctl_vehicle": "negcon", "trt_poscon": "poscon"},
}


def replicates(table: pd.DataFrame) -> pd.Series:
    """Return for every well the how-manieth of its drug it is, or of its plate's vehicle wells, from 1."""
    plate = table["plate"].where(table["pert_type"] == "negcon", "")
    return table.groupby(["cell_line", "drug_id", "pert_type", plate]).cumcount() + 1


def read_plate_map(path: Path, cell_lines: Sequence[str] = ()) -> pd.DataFrame:
    """Read a plate map, as `lay_out` made it or as a spreadsheet left it.

    The file is a table as `read_sheet` reads it. Columns also go by the names that JUMP and the Broad's plate
    maps give them; others are ignored. A unit of nM or mM is converted; a vehicle's concentration is 0
    whatever the file says, and so is that of a positive control without one (empty or 0). Without the columns
    `replicate` and `pert_type` these are derived; without `name`, `InChIKey`, `SMILES` these are null.
    Positive controls go by `pert_type` 'poscon' (or 'poscon_cp', ...), or by 'control' with `control_type`
    'poscon', as JUMP has it.

    Parameters
    ----------
    cell_lines
        Cell lines that get these names, however the file spells them.

    Returns
    -------
    DataFrame
        In schema PLATE_MAP, in the order of the file.

    Raises
    ------
    RawDataError
        The file is missing, unreadable, empty or no table.
    TableError
        Naming file, line, value and remedy: a column is missing, a well is on no 96- or 384-well plate or is
        filled twice, a number or unit cannot be read, lines contradict.
    """
    sheet = read_sheet(path, row_names=False)
    columns = _find_columns(sheet.header, path)
    in_um = sheet.header[columns["concentration"]].casefold() in _COLUMNS_IN_UM
    cells = zip(*(sheet.names(column) for column in columns.values()), strict=True)
    rows = [
        _read_row(
            dict(zip(columns, texts, strict=True)),
            f"{path}: {sheet.row_place(number)}",
            in_um=in_um,
            decimal_comma=sheet.decimal_comma,
        )
        for number, texts in enumerate(cells)
    ]
    _check_wells(rows, sheet)
    table = pd.DataFrame(rows, columns=pd.Index(list(PLATE_MAP.columns)))
    if "replicate" not in columns:
        table["replicate"] = replicates(table)
    table["cell_line"] = table["cell_line"].replace(match_lines(table["cell_line"], cell_lines).found)
    return validate(table, PLATE_MAP, path)


def controls_of(plate_map: pd.DataFrame) -> set[str]:
    """Return the drug ids of the vehicle wells."""
    return set(plate_map.loc[plate_map["pert_type"] == "negcon", "drug_id"])


def _find_columns(header: list[str], path: Path) -> dict[str, int]:
    """Return our column names and the place of each in `header`."""
    lower = [name.casefold() for name in header]
    twice = [name for name in header if name and lower.count(name.casefold()) > 1]
    if twice:
        raise TableError(f"{path}: column '{twice[0]}' is there twice; delete one")
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
    pert_type = _pert_type(row, place)
    for name in ("plate", "cell_line", "drug_id"):
        if not row[name] and not (name == "drug_id" and pert_type == "negcon"):
            raise TableError(
                f"{place}: {name} '' is empty; fill it in (drug_id of a control: DMSO) or delete the line"
            )
    is_vehicle = pert_type == "negcon"
    # 0 is how a map that was read and written again says that there is none.
    has_no_dose = is_vehicle or (pert_type == "poscon" and row["concentration"] in ("", "0", "0.0"))
    text = {name: row.get(name) or None for name in ("name", "InChIKey", "SMILES")}
    replicate = row.get("replicate")
    return {
        **text,
        "plate": row["plate"],
        "well_position": read_well(row["well_position"], place),
        "pert_type": pert_type,
        "drug_id": VEHICLE if is_vehicle else row["drug_id"],
        "name": VEHICLE if is_vehicle else text["name"],
        "concentration": 0.0 if has_no_dose else _read_um(row, place, in_um, decimal_comma),
        "unit": "uM",
        "replicate": None if replicate is None else _read_replicate(replicate, place),
        "cell_line": row["cell_line"],
    }


def _pert_type(row: dict[str, str], place: str) -> str:
    """Return whether a well is treated ('trt'), a vehicle ('negcon') or a positive control ('poscon')."""
    stated = row.get("pert_type", "").casefold()
    if stated in ("", "control"):
        stated = row.get("control_type", "").casefold() or stated
    is_vehicle = row["drug_id"].casefold() == "dmso"
    if not stated or (stated == "control" and is_vehicle):
        return "negcon" if is_vehicle else "trt"
    pert_type = "poscon" if stated.startswith("poscon_") else _PERT_TYPES.get(stated)
    if pert_type is None:
        remedy = "add the column control_type with negcon or poscon, or " if stated == "control" else ""
        raise TableError(f"{place}: pert_type '{stated}' is unknown; {remedy}write trt, negcon or poscon")
    if (pert_type == "negcon") != is_vehicle and not (pert_type == "negcon" and not row["drug_id"]):
        raise TableError(
            f"{place}: drug_id '{row['drug_id']}' contradicts pert_type '{stated}'; DMSO is negcon, every "
            "drug trt and a positive control poscon: correct one of them"
        )
    return pert_type


def read_well(text: object, place: str) -> str:
    """Return a well as A01, from text such as a1; `place` names it in the error."""
    well = parse_well(str(text))
    if well is None:
        raise TableError(
            f"{place}: well '{text}' is on no 96- or 384-well plate; write A01 to H12, or A01 to P24"
        )
    return well


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
    if unit not in PER_UM or in_um:
        problem = "contradicts the column name of the concentration" if in_um else "is unknown"
        raise TableError(f"{place}: unit '{row['unit']}' {problem}; write uM, nM or mM in a column 'unit'")
    return value / PER_UM[unit]


def _read_replicate(text: str, place: str) -> int:
    # Spreadsheets write 1.0 for 1.
    match = re.fullmatch(r"0*([1-9][0-9]*)([.,]0*)?", text)
    if match is None:
        raise TableError(
            f"{place}: replicate '{text}' is not a whole number from 1; correct it or delete the whole column"
        )
    return int(match[1])


def _check_wells(rows: list[dict[str, object]], sheet: Sheet) -> None:
    """Check that every well is filled once, and that a drug has one structure."""
    in_well: dict[tuple[object, object], tuple[int, object]] = {}
    key_of: dict[object, tuple[int, object]] = {}
    for number, row in enumerate(rows):
        place = f"{sheet.path}: {sheet.row_place(number)}"
        plate, well, drug = row["plate"], row["well_position"], row["drug_id"]
        before, other = in_well.setdefault((plate, well), (number, drug))
        if before != number:
            raise TableError(
                f"{place}: well {well} of plate '{plate}' holds '{other}' ({sheet.row_place(before)}) "
                f"and '{drug}'; give each a well of its own"
            )
        key = row["InChIKey"]
        if key is None:
            continue
        before, other = key_of.setdefault(drug, (number, key))
        if other != key:
            raise TableError(
                f"{place}: drug '{drug}' has InChIKey '{key}', but '{other}' in {sheet.row_place(before)}; "
                "correct the drug_id or the InChIKey"
            )
