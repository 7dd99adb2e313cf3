"""Tables and matrices as parquet, CSV and TSV, records as JSON."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anchordrug.errors import RawDataError, TableError, counted, printable
from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.files.formulas import escaped, unescaped
from anchordrug.files.json_text import parsed

# Half of the time that a prediction takes to start would be pandas', which it does not need.
if TYPE_CHECKING:
    import pandas as pd

_VALUES_A_ROW_GROUP = 2**24
_REASON = 200  # characters of why a file is not JSON


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write `table` without its index as parquet, CSV or TSV, by the suffix of `path`.

    In CSV and TSV, text that a spreadsheet would take for a formula gets an apostrophe, which `read_table`
    takes away again.

    Raises
    ------
    TableError
        The suffix is none of .parquet, .csv, .tsv.
    """
    require_table_suffix(path)
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            _with_text(escaped, table).to_csv(
                temporary, index=False, sep="\t" if path.suffix == ".tsv" else ",", lineterminator="\n"
            )


def require_table_suffix(path: Path) -> None:
    """Check that `write_table` can write a file of this name.

    Raises
    ------
    TableError
        The suffix is none of .parquet, .csv, .tsv.
    """
    if path.suffix not in {".parquet", ".csv", ".tsv"}:
        raise TableError(f"{path}: cannot write '{path.suffix}' files; use .parquet, .csv or .tsv")


def read_table(path: Path, text: Sequence[str] = (), *, numbers: Sequence[str] = ()) -> "pd.DataFrame":
    """Read a table that a stage wrote.

    Columns named in `text`, or all but those named in `numbers`, are read as text from CSV and TSV, also
    digits and "NA"; only an empty cell is missing then.

    Raises
    ------
    RawDataError
        The file does not exist or cannot be parsed.
    """
    import pandas as pd

    require_file(path, "run the stage that writes it (dvc repro)")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        separator = "\t" if path.suffix == ".tsv" else ","
        if not text and not numbers:
            return _with_text(unescaped, pd.read_csv(path, sep=separator))
        types = dict.fromkeys(text, "str")
        if numbers:
            types = defaultdict(lambda: "str", dict.fromkeys(numbers, "float"))
        table = pd.read_csv(path, sep=separator, dtype=types, keep_default_na=False, na_values=[""])
        return _with_text(unescaped, table)
    except (ValueError, OSError) as error:
        raise RawDataError(f"{path}: cannot be read ({error}); delete it and run its stage again") from error


def _with_text(change: Callable[[str], str], table: "pd.DataFrame") -> "pd.DataFrame":
    """Return `table` with `change` made to every text cell that it changes."""
    import pandas as pd

    changed = {}
    for name, column in table.items():
        if column.dtype.kind not in "OUT" and not isinstance(column.dtype, pd.StringDtype):
            continue
        texts = {text: change(text) for text in column.unique() if isinstance(text, str)}
        texts = {text: other for text, other in texts.items() if text != other}
        if texts:
            changed[name] = column.replace(texts)
    result = table.copy(deep=False)
    for name, column in changed.items():
        result[name] = column
    return result


def write_matrix(
    path: Path, index: "pd.DataFrame", columns: Sequence[str], matrix: np.ndarray, *, missing: bool = False
) -> None:
    """Write `index` columns followed by `matrix` [rows, columns] as one parquet table, block by block.

    Parameters
    ----------
    missing
        Whether values may be missing (NaN).

    Raises
    ------
    TableError
        The shapes disagree, or the matrix holds infinity, or NaN that may not be there.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if matrix.shape != (len(index), len(columns)):
        raise TableError(f"{path}: matrix is {matrix.shape}, expected {(len(index), len(columns))}")
    rows = max(1, _VALUES_A_ROW_GROUP // max(1, len(columns)))

    def table(start: int) -> pa.Table:
        block = matrix[start : start + rows]
        if not _allowed(block, missing).all():
            wrong = counted(int((~_allowed(matrix, missing)).sum()), "value is", "values are")
            raise TableError(f"{path}: {wrong} not finite")
        wide = pd.DataFrame(block, columns=pd.Index(columns))
        named = index.iloc[start : start + rows].reset_index(drop=True)
        return pa.Table.from_pandas(pd.concat([named, wide], axis=1), preserve_index=False)

    first = table(0)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, first.schema) as writer:
        writer.write_table(first)
        for start in range(rows, len(index), rows):
            writer.write_table(table(start).cast(first.schema))


def _allowed(matrix: np.ndarray, missing: bool) -> np.ndarray:
    return ~np.isinf(matrix) if missing else np.isfinite(matrix)


def read_matrix(
    path: Path, index_columns: Sequence[str], *, missing: bool = False
) -> tuple["pd.DataFrame", list[str], np.ndarray]:
    """Read the files of `write_matrix`: the index table, the column names, the matrix [rows, columns].

    Parameters
    ----------
    missing
        Whether values may be missing (NaN).

    Raises
    ------
    TableError
        An index column is missing, or the matrix holds infinity, or NaN that may not be there.
    """
    table = read_table(path)
    absent = [column for column in index_columns if column not in table.columns]
    if absent:
        raise TableError(f"{path}: column '{absent[0]}' is missing; run the stage that writes it again")
    wide = table.drop(columns=list(index_columns))
    # Without a column there is no type to tell.
    values = wide.to_numpy() if len(wide.columns) else np.zeros(wide.shape, np.float32)
    matrix = np.ascontiguousarray(values)
    if matrix.dtype.kind not in "fiub" or not _allowed(matrix, missing).all():
        raise TableError(
            f"{path}: holds values that are not finite numbers; run the stage that writes it again"
        )
    return table[list(index_columns)], [str(column) for column in wide.columns], matrix


def write_json(value: Mapping[str, object], path: Path) -> None:
    """Write `value` as indented JSON with a final newline."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path, *keys: str) -> dict:
    """Read a JSON object that `write_json` wrote, which has these keys at least.

    Raises
    ------
    RawDataError
        The file does not exist, is not JSON, lacks a key or has one twice, or has a number that is not
        finite.
    """
    require_file(path, "run the stage that writes it (dvc repro)")
    try:
        value = parsed(path.read_bytes())
    except ValueError as error:
        reason = printable(str(error), _REASON)
        raise RawDataError(f"{path}: is not JSON ({reason}); delete it and run its stage again") from error
    if not isinstance(value, dict):
        raise RawDataError(f"{path}: is not a JSON object; delete it and run its stage again")
    if missing := [key for key in keys if key not in value]:
        raise RawDataError(f"{path}: lacks '{missing[0]}'; delete it and run its stage again")
    return value
