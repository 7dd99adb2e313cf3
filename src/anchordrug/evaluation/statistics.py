"""Differences between strategies, and how sure one can be of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its confidence interval and the p-value of a two-sided paired t-test."""

    mean: float
    low: float
    high: float
    p: float


def paired_difference(values: Sequence[float], reference: Sequence[float], level: float = 0.95) -> Difference:
    """Compare two runs of the same cases, such as targets x seeds, by Student's t over the differences.

    Where the differences do not vary, the interval is that one value, and p is 0, or 1 if it is zero.

    Raises
    ------
    ValueError
        The two differ in length or hold fewer than two cases.
    """
    from scipy import stats

    if len(values) != len(reference) or len(values) < 2:
        raise ValueError(f"{len(values)} values and {len(reference)} references are not two or more pairs")
    differences = np.asarray(values, np.float64) - np.asarray(reference, np.float64)
    mean = float(differences.mean())
    error, freedom = stats.sem(differences), len(differences) - 1
    if error == 0:
        return Difference(mean, mean, mean, float(mean == 0))
    low, high = stats.t.interval(level, freedom, loc=mean, scale=error)
    p = 2 * stats.t.sf(abs(mean) / error, freedom)
    return Difference(mean, float(low), float(high), float(p))


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values adjusted for being several (Holm 1979), in the order given."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
