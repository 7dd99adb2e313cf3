"""Labels of a gene's response: down, none, up; the decision between them, and its margin."""

from collections.abc import Sequence

import numpy as np

DOWN, NONE, UP = 0, 1, 2
# In place of a label where a gene was not measured.
UNMEASURED = -1
LABELS = ("down", "none", "up")
# No z-score or test statistic is larger; those of LINCS end at 10.
LARGEST_Z = 1000.0


def labels_of(z: np.ndarray, threshold: float) -> np.ndarray:
    """Return int8 labels of z-scores: 0 down (z < -threshold), 2 up (z > threshold), 1 none (PAPER, Data).

    NaN, a gene that was not measured, gives -1.
    """
    labels = (1 + (z > threshold).astype(np.int8) - (z < -threshold).astype(np.int8)).astype(np.int8)
    return np.where(np.isnan(z), np.int8(UNMEASURED), labels)


def decided(
    probabilities: np.ndarray, offsets: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels int8 [...] and their margins [...] of probabilities [..., 3].

    The label has the largest log probability plus offset; of equal labels the first. The margin is its lead
    over the second largest. `offsets` are [3], or [..., 3] to be broadcast, such as [drugs, 1, 3].
    """
    # By three whole arrays: numpy's reductions over an axis of three are ten times slower.
    added = np.asarray(offsets, probabilities.dtype)
    down, none, up = (
        np.log(np.maximum(probabilities[..., label], 1e-12)) + added[..., label] for label in (DOWN, NONE, UP)
    )
    larger, smaller = np.maximum(down, none), np.minimum(down, none)
    labels = np.where(up > larger, np.int8(UP), (none > down).astype(np.int8))
    best, second = np.maximum(larger, up), np.maximum(smaller, np.minimum(larger, up))
    return labels, best - second


def decide(probabilities: np.ndarray, offsets: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the labels of `decided`; with offsets of 0 the most probable labels."""
    return decided(probabilities, offsets)[0]


def margins(probabilities: np.ndarray, offsets: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the margins of `decided`."""
    return decided(probabilities, offsets)[1]


def class_offsets(counts: np.ndarray, tau: float) -> np.ndarray:
    """Return offsets float32 [3] that favour rare labels: -tau times the log of each label's share.

    Parameters
    ----------
    counts
        [3], how often each label occurs.
    tau
        0 changes nothing; 1 makes up for the shares in full (logit adjustment, Menon et al. 2021).
    """
    return -np.float32(tau) * np.log(counts / np.sum(counts)).astype(np.float32)
