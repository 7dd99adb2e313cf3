"""Basal expression: a CSV of cell line x gene."""

from pathlib import Path

import numpy as np

from anchordrug.raw.csv_matrix import read_csv_matrix


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
