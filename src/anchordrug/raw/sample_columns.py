"""Columns that describe samples (wells, drugs, cell lines, cells) by the names that people give them."""

import re
from collections.abc import Mapping

import numpy as np

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
    """
    if "dose" not in columns:
        return np.full(len(sheet.cells), np.nan)
    named = _UNIT_AT_END.search(sheet.header[columns["dose"]])
    units = sheet.names(columns["unit"]) if "unit" in columns else [""] * len(sheet.cells)
    texts = sheet.names(columns["dose"])
    known = {pair: _in_um(*pair, named[1] if named else "") for pair in set(zip(texts, units, strict=True))}
    return np.array([known[pair] for pair in zip(texts, units, strict=True)], dtype=float)


def _in_um(text: str, unit: str, named: str) -> float:
    # Case folding turns the micro sign into the Greek letter.
    found = _DOSE.findall(text.casefold().replace("\N{GREEK SMALL LETTER MU}", "u"))
    if not found:
        return float("nan")
    number, own = next((pair for pair in found if pair[1]), found[0])
    unit = (own or unit or named).casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    return float(number) / PER_UM.get(unit, float("nan"))


def is_vehicle(name: str) -> bool:
    """Return whether a column of drugs, or of kinds of wells, names a control without drug so."""
    return name.strip().casefold() in _VEHICLES


def is_control(text: str) -> bool:
    """Return whether a cell of a column of `CONTROL_HEADERS` says that a sample is a control without drug."""
    return is_vehicle(text) or text.strip().casefold() in _TRUE
