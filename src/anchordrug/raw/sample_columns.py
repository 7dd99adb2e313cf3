"""Columns that describe samples (wells, drugs, cell lines, cells) by the names that people give them."""

import re
from collections.abc import Mapping

import numpy as np

from anchordrug.errors import RawDataError
from anchordrug.raw.sheet import Sheet

# As `Sheet.columns_named` wants them, the preferred first.
DRUG_HEADERS = (
    *("drugid", "pertid", "drug", "drugname", "compoundid", "compound", "compoundname", "pertiname"),
    *("cmapname", "productname", "smname", "treatment", "perturbation", "perturbagen", "perturbator"),
    *("contrast", "condition", "comparison", "group"),
)
WELL_HEADERS = ("wellposition", "well", "wellid", "wellname", "detwell", "rnawell")
PLATE_HEADERS = ("plate", "plateid", "platename", "platebarcode", "detplate", "rnaplate", "cultureplate")
LINE_HEADERS = (
    *("cellline", "celliname", "cellid", "cell", "strippedcelllinename", "celllinename"),
    *("celllinedisplayname", "cclename", "modelid", "depmapid", "rrid", "cellosaurusid", "cellname"),
)
# Of single cells, a type may be a line; in a table of lines it is not.
TYPE_HEADERS = ("celltype",)
DOSE_HEADERS = (
    *("doseum", "concentrationum", "dosenm", "concentrationnm", "dose", "dosevalue", "concentration", "conc"),
    *("pertdose", "pertidose", "drugconc", "drugconcentration", "doselevel", "drugnamedrugconc"),
)
UNIT_HEADERS = ("doseunit", "doseunits", "concentrationunit", "pertdoseunit", "unit")
TIME_HEADERS = ("timeh", "time", "hours", "timepoint", "perttime", "pertitime")
CONTROL_HEADERS = ("perttype", "controltype", "control", "iscontrol", "vehicle", "isvehicle", "negcon")
REPLICATE_HEADERS = ("replicate", "rep", "bioreplicate", "replicateid")
BARCODE_HEADERS = (
    "barcode",
    "barcodes",
    "wellbarcode",
    "cellbarcode",
    "barcodesequence",
    "bc",
    "sequence",
    "index",
)

ROLES = {
    "well": WELL_HEADERS,
    "plate": PLATE_HEADERS,
    "drug": DRUG_HEADERS,
    "dose": DOSE_HEADERS,
    "unit": UNIT_HEADERS,
    "time": TIME_HEADERS,
    "cell line": (*LINE_HEADERS, *TYPE_HEADERS),
    "control": CONTROL_HEADERS,
    "replicate": REPLICATE_HEADERS,
}

# Units of a concentration, by how many there are to a uM.
PER_UM = {"um": 1.0, "nm": 1000.0, "mm": 0.001}
_UNIT_AT_END = re.compile(r"[\s_.(\[-]([unm]M)[)\]]?$", re.IGNORECASE)
_DOSE = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?(?:e[+-]?\d+)?)[\s',\"]*([unm]M)?\b", re.IGNORECASE)

_SAME = 1e-3  # relative; doses are rounded when they are written

# Names of controls in columns of drugs, without case.
_VEHICLES = frozenset(
    ("dmso", "dmso_tf", "vehicle", "control", "ctrl", "negcon", "ctl_vehicle", "ctl", "untreated", "negative")
)
_TRUE = frozenset(("true", "1", "yes"))


def sample_columns(sheet: Sheet) -> dict[str, int]:
    """Return the first column of every role of `ROLES` that a table of samples has.

    The first column, which names the samples, is not a cell line if each of its names is there once and
    another column may be the line.
    """
    found = {role: sheet.columns_named(names) for role, names in ROLES.items()}
    lines = found["cell line"]
    if 0 in lines and len(set(sheet.names(0))) == len(sheet.cells) > 1:
        found["cell line"] = [column for column in lines if column] or lines
    return {role: columns[0] for role, columns in found.items() if columns}


def doses_in_um(sheet: Sheet, columns: Mapping[str, int]) -> np.ndarray:
    """Return the dose of every sample in uM, float64 [samples], NaN where dose or unit are not told.

    The unit is in the name of the column, in the column of units, or behind the number, as in '10 uM'.

    Raises
    ------
    RawDataError
        These contradict each other, or another column has another dose.
    """
    if "dose" not in columns:
        return np.full(len(sheet.cells), np.nan)
    doses = _doses_in(sheet, columns["dose"], columns.get("unit"))
    for other in sheet.columns_named(DOSE_HEADERS):
        if other == columns["dose"]:
            continue
        more = _doses_in(sheet, other, columns.get("unit"))
        differ = np.flatnonzero(np.abs(more - doses) > _SAME * np.maximum(doses, more))
        if len(differ):
            row = int(differ[0])
            raise RawDataError(
                f"{sheet.path}: {sheet.row_place(row)}: column '{sheet.header[columns['dose']]}' has "
                f"{doses[row]:g} uM, column '{sheet.header[other]}' {more[row]:g} uM; remove one of them"
            )
    return doses


def _doses_in(sheet: Sheet, column: int, unit: int | None) -> np.ndarray:
    """Return the doses of one column in uM, NaN where dose or unit are not told."""
    named = _UNIT_AT_END.search(sheet.header[column])
    units = sheet.names(unit) if unit is not None else [""] * len(sheet.cells)
    pairs = list(zip(sheet.names(column), units, strict=True))
    known = {}
    for text, told in dict.fromkeys(pairs):
        number, own = _number_and_unit(text)
        said = [_plain_unit(name) for name in (own, told, named[1] if named else "") if name]
        contradicting = [name for name in said if name in PER_UM and name != said[0]]
        if number is not None and contradicting and said[0] in PER_UM:
            row = pairs.index((text, told))
            raise RawDataError(
                f"{sheet.path}: {sheet.row_place(row)}: column '{sheet.header[column]}' has '{text}', and "
                f"its units contradict each other ({' and '.join(dict.fromkeys(said))}); keep one unit"
            )
        known[text, told] = np.nan if number is None else number / PER_UM.get(said[0] if said else "", np.nan)
    return np.array([known[pair] for pair in pairs], dtype=float)


def _number_and_unit(text: str) -> tuple[float | None, str]:
    """Return the number of a cell, preferably one with a unit, and its unit, "" without."""
    found = _DOSE.findall(_plain_unit(text))
    if not found:
        return None, ""
    number, unit = next((pair for pair in found if pair[1]), found[0])
    return float(number), unit


def _plain_unit(text: str) -> str:
    # Case folding turns the micro sign into the Greek letter.
    return text.casefold().replace("\N{GREEK SMALL LETTER MU}", "u")


def is_vehicle(name: str) -> bool:
    """Return whether a column of drugs, or of kinds of wells, names a control without drug so."""
    return name.strip().casefold() in _VEHICLES


def is_control(text: str) -> bool:
    """Return whether a cell of a column of `CONTROL_HEADERS` says that a sample is a control without drug."""
    return is_vehicle(text) or text.strip().casefold() in _TRUE
