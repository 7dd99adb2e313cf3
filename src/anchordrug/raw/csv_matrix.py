"""A CSV of numbers with a name for every row and column."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, printable, shortlist
from anchordrug.raw.delimited import header_of
from anchordrug.raw.names import check_names
from anchordrug.raw.text import is_number, one_line, open_text


def read_csv_matrix(path: Path, row_noun: str, column_noun: str) -> tuple[list[str], list[str], np.ndarray]:
    """Read row names (first column), column names (header) and values float32 [rows, columns].

    Raises
    ------
    RawDataError
        The file is missing, damaged, not comma-separated or empty, a name is empty or repeated, or a
        value is not a finite number.
    """
    try:
        with open_text(path) as text:
            top = header_of(text)
            header = next(csv.reader([top.text]), []) if top else []
            columns = [name.strip() for name in header[1:]]
            if top is None or not columns:
                raise RawDataError(
                    f"{path}: the header is '{shortlist(header)[:60]}', expected the {column_noun}s "
                    "separated by commas after the name of the first column"
                )
            check_names(path, column_noun, columns, "column", first=2)
            text.seek(0)  # so that pandas' errors count lines as the user does
            table = pd.read_csv(
                text,
                skiprows=top.line,
                header=None,
                names=list(range(len(header))),
                dtype={0: "str"},
                keep_default_na=False,
            )
    except (ValueError, csv.Error) as error:
        raise RawDataError(
            f"{path}: is not a comma-separated matrix ({one_line(error)}); export it again"
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the surplus for an index
        raise RawDataError(
            f"{path}: line {top.line + 1} has more fields than the header; name the first column"
        )
    if not len(table):
        raise RawDataError(f"{path}: has a header but no {row_noun}; export it again")
    rows = [name.strip() for name in table[0]]
    check_names(path, row_noun, rows, "data row")

    values = np.empty((len(rows), len(columns)), dtype=np.float32)
    for position, name in enumerate(columns):
        cells = table[position + 1]
        with np.errstate(over="ignore"):  # an overflow becomes infinite, reported below
            values[:, position] = _numbers(cells)
        wrong = np.flatnonzero(~np.isfinite(values[:, position]))
        if len(wrong):
            raise RawDataError(
                f"{path}: {row_noun} '{printable(rows[wrong[0]], 60)}', "
                f"{column_noun} '{printable(name, 60)}': "
                f"'{printable(str(cells.iloc[wrong[0]]), 40)}' is not a finite number; "
                f"correct it or drop the {row_noun} or {column_noun}"
            )
    return rows, columns, values


def _numbers(cells: pd.Series) -> np.ndarray:
    """Return float64 [rows], not finite where a cell is not a number."""
    try:
        return np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        return np.array([float(cell) if is_number(str(cell)) else np.nan for cell in cells.astype("str")])
