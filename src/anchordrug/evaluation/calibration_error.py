"""How far predicted probabilities can be taken at their word."""

import numpy as np
import pandas as pd

BINS = 15


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return the reliability diagram of the most probable label, a row per bin of confidence that holds any.

    Parameters
    ----------
    labels
        [...] measured labels 0, 1, 2.
    probabilities
        [..., 3].

    Returns
    -------
    pd.DataFrame
        confidence (its mean in the bin), accuracy (share of most probable labels that are right), share (of
        all).
    """
    confidence = probabilities.max(axis=-1).ravel()
    right = (probabilities.argmax(axis=-1) == labels).ravel()
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    table = pd.DataFrame({"bin": place, "confidence": confidence.astype(np.float64), "accuracy": right})
    result = table.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), share=("bin", "size")
    )
    result["share"] /= max(1, len(table))
    return result.reset_index(drop=True)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean gap between confidence and accuracy over equally wide bins (Naeini et al. 2015)."""
    table = reliability(labels, probabilities)
    return float((table["share"] * (table["accuracy"] - table["confidence"]).abs()).sum())
