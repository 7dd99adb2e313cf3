"""Structural similarity of drugs from fingerprint bits."""

import numpy as np

_ROWS_AT_ONCE = 2048


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Tanimoto similarity of bit rows [n, bits] and [m, bits], float32 [n, m]; 0 for no bits.

    A bit is set where a value is above 0.
    """
    a, b = (a > 0).astype(np.float32), (b > 0).astype(np.float32)
    both = a @ b.T
    either = a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - both
    return both / np.maximum(either, 1)


def nearest_similarity(bits: np.ndarray, drugs: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the Tanimoto similarity of each of `drugs` to the nearest `known` drug, float32 [drugs].

    Parameters
    ----------
    bits
        [all drugs, bits]; a bit is set where a value is above 0.
    drugs, known
        int64 rows of `bits`. Without known drugs, all similarities are 0.
    """
    blocks = np.split(drugs, range(_ROWS_AT_ONCE, len(drugs), _ROWS_AT_ONCE))
    return np.concatenate([tanimoto(bits[block], bits[known]).max(axis=1, initial=0) for block in blocks])
