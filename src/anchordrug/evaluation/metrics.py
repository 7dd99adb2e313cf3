"""Macro-F1 and its parts from predicted and measured labels."""

import numpy as np


def confusion(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return int64 [3, 3]: rows measured, columns predicted (down, none, up).

    Raises
    ------
    ValueError
        The two arrays differ in shape.
    """
    if measured.shape != predicted.shape:
        raise ValueError(f"measured labels are {measured.shape}, predicted ones {predicted.shape}")
    codes = measured.ravel().astype(np.int64) * 3 + predicted.ravel()
    return np.bincount(codes, minlength=9).reshape(3, 3)


def f1_scores(matrix: np.ndarray) -> np.ndarray:
    """Return the F1 of each class of a confusion matrix [3, 3]; 0 for a class that never occurs."""
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    return 2 * np.diag(matrix) / np.where(both > 0, both, 1)


def macro_f1(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 of down, none and up over all (drug, gene) pairs (PAPER, Baselines)."""
    return float(f1_scores(confusion(measured, predicted)).mean())


def per_drug_macro_f1(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the macro-F1 of each drug (row) over its genes, float64 [drugs]."""
    return np.array([macro_f1(row, guess) for row, guess in zip(measured, predicted, strict=True)])
