"""Columns that describe samples (wells, drugs, cell lines, cells) by the names that people give them."""

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
# Of single cells, a type may be a line; of a table of lines it is none.
TYPE_HEADERS = ("celltype",)
DOSE_HEADERS = (
    *("doseum", "concentrationum", "dosenm", "concentrationnm", "dose", "dosevalue", "concentration", "conc"),
    *("pertdose", "pertidose", "drugconc", "drugconcentration", "doselevel"),
)
UNIT_HEADERS = ("doseunit", "doseunits", "concentrationunit", "pertdoseunit", "unit")
TIME_HEADERS = ("timeh", "time", "hours", "timepoint", "perttime", "pertitime")
CONTROL_HEADERS = ("perttype", "controltype", "control", "iscontrol", "vehicle", "isvehicle", "negcon")
REPLICATE_HEADERS = ("replicate", "rep", "bioreplicate", "replicateid")
BARCODE_HEADERS = ("barcode", "wellbarcode", "barcodesequence", "sequence", "index", "b1", "barcodeid")

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

# What controls are called in columns of drugs, without case.
_VEHICLES = frozenset(
    ("dmso", "dmso_tf", "vehicle", "control", "ctrl", "negcon", "ctl_vehicle", "ctl", "untreated", "negative")
)
_TRUE = frozenset(("true", "1", "yes"))


def sample_columns(sheet: Sheet) -> dict[str, int]:
    """Return the first column of every role of `ROLES` that a table of samples has."""
    found = {role: sheet.columns_named(names) for role, names in ROLES.items()}
    return {role: columns[0] for role, columns in found.items() if columns}


def is_vehicle(name: str) -> bool:
    """Return whether a column of drugs, or of kinds of wells, names a control without drug so."""
    return name.strip().casefold() in _VEHICLES


def is_control(text: str) -> bool:
    """Return whether a cell of a column of `CONTROL_HEADERS` says that a sample is a control without drug."""
    return is_vehicle(text) or text.strip().casefold() in _TRUE
