"""A list of compounds that can be bought, as a lab or a vendor writes it."""

from pathlib import Path

import pandas as pd

from anchordrug.errors import LibraryError, shortlist
from anchordrug.raw.library import ID_NAMES, SMILES_NAMES, read_any_table

# Our name -> the names it goes by, casefolded, with spaces and dashes as underscores.
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
    """Read a CSV, TSV or parquet file with any of the columns of `COLUMNS`, found by name in any case.

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
    if not path.is_file():
        raise LibraryError(f"{path}: no such file; name a CSV, TSV or parquet file of compounds")
    table = read_any_table(path)
    if table.empty:
        raise LibraryError(f"{path}: holds no compounds; add a row for each")
    by_name: dict[str, list[str]] = {}
    for column in table.columns:
        plain = str(column).strip().casefold().replace(" ", "_").replace("-", "_")
        by_name.setdefault(plain, []).append(str(column))
    found: dict[str, pd.Series] = {}
    for ours, names in COLUMNS.items():
        columns = [column for name in names for column in by_name.get(name, [])]
        if len(columns) > 1 and ours not in {"smiles", "drug_id"}:
            raise LibraryError(
                f"{path}: columns {shortlist(columns)} all look like {ours}; rename all but one"
            )
        found[ours] = _text(table[columns[0]]) if columns else pd.Series([None] * len(table), dtype=object)
    if all(found[name].isna().all() for name in ("drug_id", "smiles", "inchikey", "name")):
        raise LibraryError(
            f"{path}: no column identifies a compound (found {shortlist(table.columns)}); "
            "add 'smiles', 'inchikey', 'drug_id' or 'name'"
        )
    result = pd.DataFrame(found)
    for name in ("cost", "stock"):
        result[name] = _numbers(path, name, result[name])
    result["line"] = range(2, len(result) + 2)
    given = result["drug_id"].dropna()
    if given.duplicated().any():
        first = given[given.duplicated()].iloc[0]
        lines = shortlist(result.loc[result["drug_id"] == first, "line"])
        raise LibraryError(
            f"{path}: drug_id '{first}' stands in lines {lines}; give every compound an id of its own"
        )
    return result


def _text(column: pd.Series) -> pd.Series:
    text = column.reset_index(drop=True).astype(object)
    text = text.where(text.notna(), "").astype(str).str.strip()
    return text.astype(object).where(text != "", None)


def _numbers(path: Path, name: str, column: pd.Series) -> pd.Series:
    text = column.fillna("").astype(str).str.casefold()
    known = IN_STOCK | OUT_OF_STOCK if name == "stock" else {}
    words = text.map(known)
    values = words.where(words.notna(), pd.to_numeric(text.where(text != ""), errors="coerce"))
    wrong = (values.isna() & (text != "")) | (values < 0) | values.isin([float("inf")])
    if wrong.any():
        line = int(wrong.to_numpy().argmax())
        allowed = "a number, yes or no" if name == "stock" else "a number without currency"
        raise LibraryError(f"{path}: line {line + 2}: {name} '{column[line]}' is not {allowed}; correct it")
    return values.astype(float)
