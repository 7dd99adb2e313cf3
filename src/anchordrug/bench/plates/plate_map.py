"""Wells of a plate, and plate maps as users give them back: edited, renamed, in other units."""

import csv
import io
import math
import re
from pathlib import Path

import pandas as pd

from anchordrug.errors import TableError, shortlist
from anchordrug.files.formulas import unescaped
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


def well_name(row: int, column: int) -> str:
    """Return the name, such as ``"A01"``, of the well in `row` and `column`, both counted from 0."""
    return f"{ROWS[row]}{column + 1:02}"


def replicates(table: pd.DataFrame) -> pd.Series:
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
        table["replicate"] = replicates(table)
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
        "well_position": read_well(row["well_position"], place),
        "pert_type": "negcon" if is_vehicle else "trt",
        "drug_id": VEHICLE if is_vehicle else row["drug_id"],
        "name": VEHICLE if is_vehicle else text["name"],
        "concentration": 0.0 if is_vehicle else _read_um(row, place, in_um, decimal_comma),
        "unit": "uM",
        "replicate": None if replicate is None else _read_replicate(replicate, place),
        "cell_line": row["cell_line"],
    }


def read_well(text: object, place: str) -> str:
    """Return a well as A01, from text such as a1; `place` names it in the error."""
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
