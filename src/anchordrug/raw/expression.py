"""Basal expression: a CSV of cell line x gene."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from anchordrug.errors import RawDataError
from anchordrug.raw.csv_matrix import read_csv_matrix
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.line_tables import read_identities


def read_expression(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Read basal expression from CSV or CSV.gz.

    Returns
    -------
    cell_lines, genes, expression
        Names in file order, and log2 expression float32 [cell lines, genes] as the file gives it. The
        first column holds the cell lines, under any name.

    Raises
    ------
    RawDataError
        The file is missing, damaged or empty, a name is empty or repeated, or a value is not a finite
        number.
    """
    return read_csv_matrix(path, "cell line", "gene")


def rows_of_lines(path: Path, rows: Sequence[str], lines: Iterable[str]) -> dict[str, str]:
    """Map cell lines to the names under which the basal expression in `path` has them.

    Tables of cell lines in the same folder count (`anchordrug.raw.line_tables.read_identities`).

    Returns
    -------
    dict
        A line that is not there has no key.

    Raises
    ------
    RawDataError
        Several `rows` may be one of `lines`, or a table of cell lines is damaged.
    """
    match = match_lines(lines, rows, read_identities(path.parent))
    for line, candidates in match.unclear.items():
        raise RawDataError(
            f"{path}: cell line '{line}' may be {' or '.join(repr(name) for name in candidates)}; rename the "
            "row that it is"
        )
    return match.found
