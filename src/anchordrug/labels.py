"""Labels of a gene's response: down, none, up; the decision between them, and its margin."""

import numpy as np

DOWN, NONE, UP = 0, 1, 2
LABELS = ("down", "none", "up")


def labels_of(z: np.ndarray, threshold: float) -> np.ndarray:
    """Return int8 labels of z-scores: 0 down (z < -threshold), 2 up (z > threshold), 1 none (PAPER, Data)."""
    return (1 + (z > threshold).astype(np.int8) - (z < -threshold).astype(np.int8)).astype(np.int8)


def decide(probabilities: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return labels int8 [...] of probabilities [..., 3]; with offsets of 0 the likeliest ones."""
    logs = np.log(np.maximum(probabilities, 1e-12)) + offsets
    return logs.argmax(axis=-1).astype(np.int8)


def margins(probabilities: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return by how much labels are decided, [...]: the best log probability plus offset less the second."""
    logs = np.sort(np.log(np.maximum(probabilities, 1e-12)) + offsets, axis=-1)
    return logs[..., 2] - logs[..., 1]
