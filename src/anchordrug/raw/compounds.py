"""A list of compounds that can be bought, as a lab or a vendor writes it."""

import re
from pathlib import Path

import pandas as pd

from anchordrug.errors import LibraryError, RawDataError, shortlist
from anchordrug.raw.molecule_text import ID_NAMES, SMILES_NAMES
from anchordrug.raw.sheet import Sheet, read_sheet

# Our name -> the names it goes by, without regard to case and punctuation.
COLUMNS = {
    "drug_id": tuple(name for name in ID_NAMES if name not in {"name", "compound"}),
    "smiles": SMILES_NAMES,
    "inchikey": ("inchikey", "inchi_key", "standard_inchikey"),
    "name": ("name", "compound_name", "pert_iname", "cmap_name", "product_name", "compound"),
    "moa": ("moa", "mechanism", "mechanism_of_action"),
    "vendor": ("vendor", "supplier"),
    "cost": ("cost", "price"),
    "stock": ("stock", "in_stock", "available", "availability", "quantity"),
    "source_plate": ("source_plate", "source_plate_name", "source_plate_barcode"),
    "source_well": ("source_well", "source_well_position"),
}
IN_STOCK = {"yes": 1.0, "true": 1.0, "y": 1.0, "in stock": 1.0}
OUT_OF_STOCK = {"no": 0.0, "false": 0.0, "n": 0.0, "out of stock": 0.0}


def read_compounds_for_sale(path: Path) -> pd.DataFrame:
    """Read a table (CSV, TSV, semicolons, .xlsx, parquet) with any of `COLUMNS`, found by name in any case.

    Returns
    -------
    pandas.DataFrame
        A row per row of the file, with `COLUMNS` and `line`, its line in the file: text, None where missing,
        but `cost` and `stock`, which are float, NaN where missing ("yes" and "no" are a stock of 1 and 0).

    Raises
    ------
    LibraryError
        The file is missing, empty or no table, has no column that identifies a compound, two columns for one
        thing, a repeated drug_id, or a cost or stock that is no number.
    """
    try:
        sheet = read_sheet(path, fewest_columns=1, row_names=False)
    except RawDataError as error:
        raise LibraryError(str(error)) from error
    found = {}
    for ours, names in COLUMNS.items():
        keys = dict.fromkeys(re.sub(r"[^a-z0-9]", "", name) for name in names)
        columns = sheet.columns_named(list(keys))
        if len(columns) > 1 and ours not in {"smiles", "drug_id"}:
            alike = shortlist(sheet.header[column] for column in columns)
            raise LibraryError(f"{path}: columns {alike} all look like {ours}; rename all but one")
        cells = sheet.names(columns[0]) if columns else [""] * len(sheet.cells)
        found[ours] = pd.Series([cell or None for cell in cells], dtype=object)
    if all(found[name].isna().all() for name in ("drug_id", "smiles", "inchikey", "name")):
        raise LibraryError(
            f"{path}: no column identifies a compound (found {shortlist(sheet.header)}); "
            "add 'smiles', 'inchikey', 'drug_id' or 'name'"
        )
    result = pd.DataFrame(found)
    for name in ("cost", "stock"):
        result[name] = _numbers(sheet, name, result[name])
    result["line"] = sheet.numbers_of_rows
    given = result["drug_id"].dropna()
    if given.duplicated().any():
        first = given[given.duplicated()].iloc[0]
        lines = shortlist(result.loc[result["drug_id"] == first, "line"])
        raise LibraryError(
            f"{path}: drug_id '{first}' stands in {sheet.row_noun}s {lines}; "
            "give every compound an id of its own"
        )
    return result


def _numbers(sheet: Sheet, name: str, column: pd.Series) -> pd.Series:
    text = column.fillna("").astype(str).str.casefold()
    if sheet.decimal_comma:
        text = text.str.replace(",", ".", n=1)
    known = IN_STOCK | OUT_OF_STOCK if name == "stock" else {}
    words = text.map(known)
    values = words.where(words.notna(), pd.to_numeric(text.where(text != ""), errors="coerce"))
    wrong = (values.isna() & (text != "")) | (values < 0) | values.isin([float("inf")])
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        allowed = "a number, yes or no" if name == "stock" else "a number without currency"
        raise LibraryError(
            f"{sheet.path}: {sheet.row_place(row)}: {name} '{column[row]}' is not {allowed}; correct it"
        )
    return values.astype(float)
