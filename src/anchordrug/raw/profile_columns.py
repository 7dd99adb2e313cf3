"""Which drug, structure, cell line, dose and time every row of a table of profiles is of."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, printable, shortlist
from anchordrug.raw.compound_columns import smiles_column
from anchordrug.raw.profiles import KEY, require_one_structure
from anchordrug.raw.sample_columns import DRUG_HEADERS, doses_in_um, is_control, is_vehicle, sample_columns
from anchordrug.raw.sheet import Sheet
from anchordrug.raw.tables import hours_of
from anchordrug.raw.text import MISSING_TEXT, is_number

MOA_HEADERS = ("moa", "mechanism", "mechanismofaction")
# A larger number without a unit is rather in nM than in uM.
_LARGEST_UM = 1000.0


class Usual(NamedTuple):
    """Dose in uM and time in hours of tables without such columns, None where not given."""

    dose_um: float | None = None
    time_h: float | None = None


class Described(NamedTuple):
    """Signatures of a table.

    Attributes
    ----------
    signatures
        As `anchordrug.raw.profiles.Profiles.signatures`, sorted by `KEY`.
    of_row
        int64 [rows]: the signature of each row, -1 for controls.
    notes
        Assumptions that were made, and the number of rows that are controls.
    """

    signatures: pd.DataFrame
    of_row: np.ndarray
    notes: tuple[str, ...]


def described(sheet: Sheet, usual: Usual) -> Described:
    """Find the signature of every row.

    Raises
    ------
    RawDataError
        A column of drugs, structures or cell lines is missing, a row names none, a dose or time is not told,
        or a drug has two structures.
    """
    columns = sample_columns(sheet)
    table = _names(sheet, columns)
    table["dose_um"], notes = _doses(sheet, columns, usual)
    controls = _controls(sheet, columns, table)
    table["time_h"], more = _times(sheet, columns, usual)
    treated = np.flatnonzero(~controls)
    if not len(treated):
        raise RawDataError(f"{sheet.path}: has only rows of controls ({len(controls):,}); add those of drugs")
    _require_filled(sheet, table, treated, {"drug_id": columns["drug"], "cell_line": columns["cell line"]})
    _require_told(sheet, table, treated, columns)
    used = table.iloc[treated]
    require_one_structure(sheet.path, used)
    number = used.fillna({"replicate": ""}).groupby(KEY, observed=True, sort=True, dropna=False).ngroup()
    of_row = np.full(len(table), -1, np.int64)
    of_row[treated] = number
    first = used.assign(number=number).drop_duplicates("number").sort_values("number", ignore_index=True)
    signatures = first.drop(columns="number").astype(object)
    signatures = signatures.where(signatures.notna(), None)
    signatures["smiles"] = signatures["drug_id"].map(_first_known(used, "smiles"))
    said = (f"left out: {counted(int(controls.sum()), 'row')} of controls",) if controls.any() else ()
    numbers = {name: signatures[name].astype(float) for name in ("dose_um", "time_h")}
    return Described(signatures.assign(**numbers).fillna({"replicate": ""}), of_row, (*notes, *more, *said))


def _names(sheet: Sheet, columns: dict[str, int]) -> pd.DataFrame:
    """Return drug_id, smiles, name, moa, cell_line and replicate of every row."""
    drugs = _required(sheet, columns.get("drug"), "drugs", "drug")
    smiles = _required(sheet, smiles_column(sheet.path, sheet.header), "structures", "smiles")
    lines = _required(sheet, columns.get("cell line"), "cell lines", "cell_line")
    others = [column for column in sheet.columns_named(DRUG_HEADERS) if column != drugs]
    moa = sheet.columns_named(MOA_HEADERS)
    replicate = columns.get("replicate")
    return pd.DataFrame(
        {
            "drug_id": _texts(sheet, drugs),
            "smiles": _texts(sheet, smiles),
            "name": _texts(sheet, others[0] if others else drugs),
            "moa": _texts(sheet, moa[0]) if moa else None,
            "cell_line": _texts(sheet, lines),
            "replicate": "" if replicate is None else _texts(sheet, replicate),
        }
    )


def _required(sheet: Sheet, column: int | None, noun: str, name: str) -> int:
    if column is None:
        raise RawDataError(
            f"{sheet.path}: no column of {noun} (found {shortlist(sheet.header, 10)}); add a column '{name}'"
        )
    return column


def _texts(sheet: Sheet, column: int) -> pd.Categorical:
    """Return a column as names, missing where there is none."""
    codes, names = sheet.distinct(column)
    kept = [name for name in names if name not in MISSING_TEXT]
    place = {name: number for number, name in enumerate(sorted(kept))}
    positions = np.array([place.get(name, -1) for name in names], np.int64)[codes]
    return pd.Categorical.from_codes(positions, dtype=pd.CategoricalDtype(sorted(kept)))  # type: ignore[return-value]


def _first_known(table: pd.DataFrame, column: str) -> dict[str, str | None]:
    """Return by drug the first value of a column that is not missing."""
    known = table[["drug_id", column]].drop_duplicates().astype(object).dropna()
    first = known.drop_duplicates("drug_id").set_index("drug_id")[column].to_dict()
    return {drug: first.get(drug) for drug in table["drug_id"].unique()}


def _controls(sheet: Sheet, columns: dict[str, int], table: pd.DataFrame) -> np.ndarray:
    """Return which rows are of controls, bool [rows]: by their column, the name of the drug, or dose 0."""
    drugs = table["drug_id"].cat
    vehicles = np.array([*(is_vehicle(name) for name in drugs.categories), False])
    found = vehicles[drugs.codes] | (table["dose_um"].to_numpy() == 0)
    if "control" in columns:
        codes, names = sheet.distinct(columns["control"])
        found |= np.array([is_control(name) for name in names])[codes]
    return found


def _doses(sheet: Sheet, columns: dict[str, int], usual: Usual) -> tuple[np.ndarray | float, tuple[str, ...]]:
    """Return doses in uM, NaN where they cannot be read; a number without unit is in uM, which is noted."""
    of_all = _of_all_rows(sheet, columns, "dose", usual.dose_um, "dose_um")
    if of_all is not None:
        return of_all, ()
    doses = doses_in_um(sheet, columns)
    codes, texts = sheet.distinct(columns["dose"])
    bare = np.array([is_number(text) for text in texts])[codes] & np.isnan(doses)
    if not bare.any() or "unit" in columns:
        return doses, ()
    numbers = np.array([float(text) if is_number(text) else np.nan for text in texts])[codes]
    place = sheet.column_place(columns["dose"])
    if np.nanmax(numbers) > _LARGEST_UM:
        raise RawDataError(
            f"{sheet.path}: {place} has {np.nanmax(numbers):g} and no unit; name it 'dose_uM' or 'dose_nM', "
            "or add a column 'dose_unit'"
        )
    return np.where(bare, numbers, doses), (f"{place} has no unit; its numbers are taken as uM",)


def _of_all_rows(
    sheet: Sheet, columns: dict[str, int], role: str, value: float | None, column: str
) -> float | None:
    """Return the dose or time that an option gives for all rows, None where a column has it."""
    option = f"--{column.replace('_', '-')}"
    if role in columns and value is not None:
        raise RawDataError(
            f"{sheet.path}: {sheet.column_place(columns[role])} has the values that {option} gives; leave "
            f"out {option}, or remove the column"
        )
    if role not in columns and value is None:
        raise RawDataError(
            f"{sheet.path}: no column of {role}s (found {shortlist(sheet.header, 10)}); add a column "
            f"'{column}', or give the {role} of all rows with {option}"
        )
    return value


def _times(sheet: Sheet, columns: dict[str, int], usual: Usual) -> tuple[np.ndarray | float, tuple[str, ...]]:
    """Return times in hours, NaN where they cannot be read; a number without unit is in hours, as noted."""
    of_all = _of_all_rows(sheet, columns, "time", usual.time_h, "time_h")
    if of_all is not None:
        return of_all, ()
    codes, texts = sheet.distinct(columns["time"])
    bare = [is_number(text) for text in texts]
    hours = [float(text) if plain else hours_of(text) for text, plain in zip(texts, bare, strict=True)]
    place = sheet.column_place(columns["time"])
    told = sheet.header[columns["time"]].lower().endswith(("h", "hours"))
    notes = (f"{place} has no unit; its numbers are taken as hours",) if any(bare) and not told else ()
    return np.array(hours)[codes], notes


def _require_filled(sheet: Sheet, table: pd.DataFrame, rows: np.ndarray, columns: dict[str, int]) -> None:
    for name, column in columns.items():
        values = table[name].cat
        empty = rows[values.codes.to_numpy()[rows] < 0]
        if len(empty):
            raise RawDataError(
                f"{sheet.path}: {sheet.row_place(empty[0])}, {sheet.column_place(column)} is empty; fill it "
                "in or remove the row"
            )
        wrong = [text for text in values.categories if not text.isprintable()]
        if wrong:
            raise RawDataError(
                f"{sheet.path}: {sheet.column_place(column)} has '{printable(wrong[0], 60)}', in which there "
                "are tabs, line ends or other characters that cannot be printed; correct it"
            )


def _require_told(sheet: Sheet, table: pd.DataFrame, rows: np.ndarray, columns: dict[str, int]) -> None:
    for name, role, example in (("dose_um", "dose", "10 uM"), ("time_h", "time", "24 h")):
        values = table[name].to_numpy(float)[rows]
        wrong = rows[~(values > 0) | np.isinf(values)]
        if len(wrong):
            place = sheet.column_place(columns[role]) if role in columns else f"the {role}"
            written = sheet.names(columns[role])[wrong[0]] if role in columns else str(values[0])
            raise RawDataError(
                f"{sheet.path}: {sheet.row_place(wrong[0])}, {place} is '{printable(written, 40)}', which is "
                f"not a {role}; write it as '{example}'"
            )
