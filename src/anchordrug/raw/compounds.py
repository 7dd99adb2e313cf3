"""A list of compounds that can be bought, as a lab or a vendor writes it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from anchordrug.errors import LibraryError, RawDataError, shortlist
from anchordrug.files.kinds import HDF5, PARQUET, WORKBOOK
from anchordrug.raw.compound_columns import (
    ID_NAMES,
    INCHIKEY_NAMES,
    NAME_NAMES,
    SMILES_NAMES,
    Identity,
    columns_called,
    free_names,
    given_column,
    identity_in,
    ignored_columns,
    is_smiles_name,
    no_ids,
    require_header,
    smiles_column,
)
from anchordrug.raw.compound_ids import IdCounts
from anchordrug.raw.compound_sheet import CompoundSheet, sheet_of_cells, sheet_of_text
from anchordrug.raw.optional import require_anndata
from anchordrug.raw.sheet import Sheet
from anchordrug.raw.stock_concentrations import stock_column, stocks_in_mm
from anchordrug.raw.text import require_readable

# Our name -> the names it goes by, without regard to case and punctuation.
COLUMNS = {
    "drug_id": ID_NAMES,
    "smiles": SMILES_NAMES,
    "inchikey": INCHIKEY_NAMES,
    "name": NAME_NAMES,
    "moa": ("moa", "mechanism", "mechanism_of_action"),
    "vendor": ("vendor", "supplier"),
    "cost": ("cost", "price"),
    "stock": ("stock", "in_stock", "available", "availability", "quantity"),
    "source_plate": ("source_plate", "source_plate_name", "source_plate_barcode"),
    "source_well": ("source_well", "source_well_position"),
    # Found by `stock_column`, because its name may have a unit.
    "stock_mm": (),
}
_IDENTITIES = ("drug_id", "smiles", "inchikey", "name")
_IDENTITY_NAMES = tuple(name for ours in _IDENTITIES for name in COLUMNS[ours])
IN_STOCK = {"yes": 1.0, "true": 1.0, "y": 1.0, "in stock": 1.0}
OUT_OF_STOCK = {"no": 0.0, "false": 0.0, "n": 0.0, "out of stock": 0.0}


def read_compounds_for_sale(path: Path, id_column: str | None = None) -> pd.DataFrame:
    """Read a table (CSV, TSV, semicolons, .xlsx, parquet) with any of `COLUMNS`, or a SMILES file.

    Text is read as `anchordrug.raw.molecules.open_compounds` does, and columns are found by name in any case.
    Of AnnData (.h5ad) the table is obs, of whose samples those of one compound count as one row. Without a
    column that identifies compounds, the names of the samples are their ids.

    Parameters
    ----------
    id_column
        Name of the column of ids, if it is not a usual name of ids.

    Returns
    -------
    pandas.DataFrame
        One row per row of the file: `COLUMNS`, `line` (its line in the file), `problem` (why it cannot be
        read), and the further columns of ids and names under their names in the file. They are text, None
        where missing. But `cost`, `stock` and `stock_mm` (the concentration of the stock solution in mM) are
        float, NaN where missing; "yes" and "no" are a stock of 1 and 0. `attrs['source']` is the file.
        `attrs['columns']` has the file's name for each column that was found, by our name. `attrs['notes']`
        are for the screen: on ids that are missing or look changed, on ignored columns, and on how the file
        was read.

    Raises
    ------
    LibraryError
        The file is missing, empty or not a table; or it has no column that identifies a compound, no
        `id_column`, or two columns for one thing; or a cost or stock is not a number, or a concentration of a
        stock has no unit.
    """
    try:
        read = _read(path, id_column)
    except RawDataError as error:
        raise LibraryError(str(error)) from error
    sheet = read.sheet
    if sheet.cells.empty:
        raise LibraryError(f"{path}: holds no drugs; add one row per drug")
    key = None if id_column is None else given_column(path, id_column, "id_column", sheet.header)
    structure = smiles_column(path, sheet.header)
    identity = identity_in(sheet.header, structure, key)
    places = {"smiles": structure, "drug_id": identity.key, "name": identity.name}
    places["stock_mm"] = stock_column(path, sheet.header)
    for ours, names in COLUMNS.items():
        if ours not in places:
            places[ours] = _only_column(path, columns_called(names, sheet.header), ours, sheet.header)
    # The cells of a row that cannot be read may be those of other columns.
    for ours in ("cost", "stock", "stock_mm"):
        sheet.cells.loc[list(read.problems), [places[ours]] if places[ours] is not None else []] = ""
    result = pd.DataFrame({ours: _cells(sheet, places[ours]) for ours in COLUMNS})
    if result[list(_IDENTITIES)].isna().all(axis=None):
        require_header(path, sheet.header)
        raise LibraryError(
            f"{path}: no column identifies a compound (found {shortlist(sheet.header)}); "
            "add 'smiles', 'inchikey', 'drug_id' or 'name'"
        )
    for name in ("cost", "stock"):
        result[name] = _numbers(sheet, name, result[name])
    if places["stock_mm"] is None:
        result["stock_mm"] = float("nan")
    else:
        result["stock_mm"] = stocks_in_mm(sheet, places["stock_mm"])
    result["line"] = sheet.numbers_of_rows
    result["problem"] = pd.Series([read.problems.get(row) for row in result.index], dtype=object)
    further = free_names((sheet.header[column] for column in identity.further), result.columns)
    for name, column in zip(further, identity.further, strict=True):
        result[name] = _cells(sheet, column)
    ignored = ignored_columns(sheet.header, {*places.values(), *identity.further})
    result.attrs = {
        "source": str(path),
        "columns": {ours: sheet.header[place] for ours, place in places.items() if place is not None},
        "notes": [
            *read.notes,
            *_notes_on_ids(read, identity, result),
            *([] if ignored is None else [ignored]),
        ],
    }
    return result


def _notes_on_ids(read: CompoundSheet, identity: Identity, table: pd.DataFrame) -> list[str]:
    """Return the notes on compounds without an id, and on ids that a spreadsheet has probably changed."""
    header, place = read.sheet.header, None
    if read.is_list:
        place = "the id after the SMILES"
    elif identity.key is not None:
        place = f"column '{header[identity.key]}'"
    else_by_name = "" if identity.name is None else "by its name, else "
    ids = IdCounts(place, f"by its id in the atlas, else {else_by_name}row_N")
    for key, name in table[["drug_id", "name"]].fillna("").itertuples(index=False):
        ids.add(key, key or name)
    lacking = place is None and bool(table["name"].isna().all())
    return [*([no_ids(header)] if lacking else []), *ids.notes()]


def _only_column(path: Path, columns: list[int], ours: str, header: list[str]) -> int | None:
    if len(columns) > 1:
        alike = shortlist(header[column] for column in columns)
        raise LibraryError(f"{path}: columns {alike} all look like {ours}; rename all but one")
    return next(iter(columns), None)


def _cells(sheet: Sheet, column: int | None) -> pd.Series:
    """Return the cells of a column as text, None where one is empty or there is no such column."""
    cells = [""] * len(sheet.cells) if column is None else sheet.names(column)
    return pd.Series([cell or None for cell in cells], dtype=object)


def _read(path: Path, id_column: str | None) -> CompoundSheet:
    kind = require_readable(path, (WORKBOOK, PARQUET, HDF5))
    if kind is HDF5:
        return CompoundSheet(_distinct(_obs(path), id_column), [], {})
    if kind is None:
        return sheet_of_text(path, _IDENTITY_NAMES, is_table=id_column is not None)
    return sheet_of_cells(path, _IDENTITY_NAMES)


def _obs(path: Path) -> Sheet:
    require_anndata(path)
    from anchordrug.raw.anndata_file import read_obs

    return read_obs(path)


def _distinct(obs: Sheet, id_column: str | None) -> Sheet:
    """Return the first sample of every compound; the samples' names are ids if nothing else tells."""

    def called(names: Iterable[str]) -> list[int]:
        return [column for name in names for column in columns_called(COLUMNS[name], obs.header) if column]

    own = [column for column, name in enumerate(obs.header) if name == id_column or is_smiles_name(name)]
    if not own and not called(_IDENTITIES):
        return replace(obs, header=["drug_id", *obs.header[1:]])
    kept = ~obs.cells[sorted({*own, *called(COLUMNS)})].astype(object).duplicated()
    cells = obs.cells[kept].reset_index(drop=True)
    return replace(
        obs, header=["", *obs.header[1:]], cells=cells, numbers_of_rows=obs.numbers_of_rows[kept.to_numpy()]
    )


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
