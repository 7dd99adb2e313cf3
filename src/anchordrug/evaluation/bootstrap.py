"""Confidence intervals of macro-F1 by drawing test drugs again, from confusion counts of each drug."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def confusion_by_row(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the confusion counts of every row, int64 [rows, 9]: measured x predicted, down, none, up.

    Parameters
    ----------
    measured, predicted
        [rows, columns] labels 0, 1, 2.
    """
    codes = measured.astype(np.int64) * 3 + predicted
    rows = np.arange(len(codes))[:, None]
    return np.bincount((rows * 9 + codes).ravel(), minlength=len(codes) * 9).reshape(-1, 9)


def macro_f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the macro-F1 of confusion counts [..., 9], float64 [...]; a class that never occurs counts 0."""
    matrix = np.asarray(counts, np.float64).reshape(*counts.shape[:-1], 3, 3)
    both = matrix.sum(axis=-1) + matrix.sum(axis=-2)
    return (2 * np.diagonal(matrix, axis1=-2, axis2=-1) / np.where(both > 0, both, 1)).mean(axis=-1)


def resampled_macro_f1(
    counts: Sequence[np.ndarray], drugs: Sequence[np.ndarray], *, seed: int, resamples: int = RESAMPLES
) -> np.ndarray:
    """Return the macro-F1 of several cases, such as targets x seeds, on test drugs drawn again.

    The percentile bootstrap (Efron 1979) over drugs, because the genes of one drug do not vary independently.
    A drug that several cases test is drawn as often in all of them.

    Parameters
    ----------
    counts
        For each case [its drugs, 9].
    drugs
        For each case the names of its drugs.

    Returns
    -------
    np.ndarray
        float64 [resamples, cases].
    """
    names = np.unique(np.concatenate(list(drugs)))
    rng = np.random.default_rng(seed)
    often = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    scores = [
        macro_f1_of(often[:, np.searchsorted(names, own)] @ confusion)
        for confusion, own in zip(counts, drugs, strict=True)
    ]
    return np.stack(scores, axis=1)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval that holds `level` of `values` [resamples]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
