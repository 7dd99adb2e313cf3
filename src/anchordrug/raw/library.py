"""A compound library: any table with a SMILES column."""

from pathlib import Path

import pandas as pd

from anchordrug.errors import LibraryError, shortlist

SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "structure")
ID_NAMES = ("drug_id", "pert_id", "broad_sample", "compound_id", "id", "name", "compound")


def read_library(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or parquet file as drug_id and smiles, both text, in the order of the file.

    Columns are found by name, in any case: the structure by 'smiles' and its relatives, the id by
    'drug_id', 'id', 'name' and the like. Without an id column a drug's id is its row (row_1, ...). Files
    in UTF-8 (with or without byte-order mark) and Latin-1, with Unix or Windows line ends, are read.

    Raises
    ------
    LibraryError
        The file is missing, cannot be parsed, has no SMILES column or no rows, or repeats an id.
    """
    if not path.is_file():
        raise LibraryError(f"{path}: no such file; name a CSV, TSV or parquet file with a SMILES column")
    try:
        table = _read(path)
    except (ValueError, OSError) as error:
        raise LibraryError(f"{path}: cannot be read as a table ({error}); save it as CSV") from error
    by_name = {str(column).strip().lower(): column for column in table.columns}
    smiles = next((by_name[name] for name in SMILES_NAMES if name in by_name), None)
    if smiles is None:
        raise LibraryError(
            f"{path}: no SMILES column "
            f"(expected '{SMILES_NAMES[0]}', found {shortlist(table.columns)}); rename it"
        )
    if table.empty:
        raise LibraryError(f"{path}: holds no drugs; add a row per drug")
    key = next((by_name[name] for name in ID_NAMES if name in by_name), None)
    rows = pd.Series([f"row_{number}" for number in range(1, len(table) + 1)], dtype="object")
    given = rows if key is None else table[key].reset_index(drop=True).astype("object")
    ids = given.where(given.notna() & (given.astype(str).str.strip() != ""), rows).astype(str)
    if ids.duplicated().any():
        first = ids[ids.duplicated()].iloc[0]
        lines = [str(line + 2) for line in ids.index[ids == first]]
        raise LibraryError(
            f"{path}: {key} '{first}' stands in lines {shortlist(lines)}; give every drug an id of its own"
        )
    return pd.DataFrame(
        {"drug_id": ids, "smiles": table[smiles].reset_index(drop=True).fillna("").astype(str)}
    )


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    separator = "\t" if path.suffix in {".tsv", ".txt"} else ","
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        return pd.read_csv(
            path, sep=separator, dtype=str, encoding="utf-8-sig", keep_default_na=False, index_col=False
        )
    except UnicodeDecodeError:
        return pd.read_csv(
            path, sep=separator, dtype=str, encoding="latin-1", keep_default_na=False, index_col=False
        )
