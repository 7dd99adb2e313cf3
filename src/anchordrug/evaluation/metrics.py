"""Macro-F1 and its parts from predicted and measured labels."""

import numpy as np


def confusion(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return int64 [3, 3]: rows measured, columns predicted (down, none, up).

    Genes that were not measured (label -1) are not counted.

    Raises
    ------
    ValueError
        The two arrays differ in shape.
    """
    if measured.shape != predicted.shape:
        raise ValueError(f"measured labels are {measured.shape}, predicted labels {predicted.shape}")
    codes = measured.ravel().astype(np.int64) * 3 + predicted.ravel()
    codes = codes[measured.ravel() >= 0]
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


def correlations(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each drug (row) over its genes, float64; 0 for a constant row.

    Genes that were not measured (NaN) are left out.
    """
    known = np.isfinite(measured)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    a, b = np.where(known, measured, 0), np.where(known, predicted, 0)
    a = np.where(known, a - a.sum(axis=1, keepdims=True, dtype=np.float64) / count, 0)
    b = np.where(known, b - b.sum(axis=1, keepdims=True, dtype=np.float64) / count, 0)
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    # The correlation is undefined for rows that are constant up to rounding.
    return np.where(size > 1e-9, (a * b).sum(axis=1) / np.where(size > 1e-9, size, 1), 0)


def strength_thirds(measured: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks of the drugs with the fewest, the middle, and the most changed genes, about a third each.

    Drugs with equally many genes changed stay in the order of the rows.
    """
    changed = ((measured == 0) | (measured == 2)).sum(axis=1)
    rank = np.empty(len(measured), np.int64)
    rank[np.argsort(changed, kind="stable")] = np.arange(len(measured))
    third = rank * 3 // max(1, len(measured))
    return third == 0, third == 1, third == 2
