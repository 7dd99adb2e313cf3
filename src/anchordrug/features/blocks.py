"""The three feature blocks a predictor sees, aligned with an atlas and scaled to unit L2 norm."""

from dataclasses import dataclass

import numpy as np


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Scale each row of `matrix` to unit L2 norm as float32; a row of zeros stays zero."""
    matrix = matrix.astype(np.float32)
    norm = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(norm > 0, norm, 1)


@dataclass(frozen=True)
class FeatureBlocks:
    """Unit-norm float32 features: drugs [D, bits], cell_lines [C, dim], genes [G, terms]."""

    drugs: np.ndarray
    cell_lines: np.ndarray
    genes: np.ndarray
