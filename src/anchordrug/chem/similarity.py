"""Structural similarity of drugs from fingerprint bits."""

import numpy as np


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Tanimoto similarity of bit rows [n, bits] and [m, bits], float32 [n, m]; 0 for no bits.

    A bit is set where a value is above 0.
    """
    a, b = (a > 0).astype(np.float32), (b > 0).astype(np.float32)
    both = a @ b.T
    either = a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - both
    return both / np.maximum(either, 1)
