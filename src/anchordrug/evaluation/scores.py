"""Every score of a prediction on test drugs."""

from typing import Protocol

import numpy as np

from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.evaluation.metrics import (
    confusion,
    correlations,
    f1_scores,
    macro_f1,
    per_drug_macro_f1,
    strength_thirds,
)


class Scored(Protocol):
    """A prediction: labels int8 [drugs, genes], z [drugs, genes], probabilities [drugs, genes, 3] or None."""

    @property
    def labels(self) -> np.ndarray: ...  # noqa: D102
    @property
    def z(self) -> np.ndarray: ...  # noqa: D102
    @property
    def probabilities(self) -> np.ndarray | None: ...  # noqa: D102


def masks_of(seen: np.ndarray) -> dict[str, np.ndarray]:
    """Return masks of all, the seen and the unseen drugs, by the ending of their scores' names."""
    return {"": np.ones(len(seen), bool), "_seen": seen, "_unseen": ~seen}


def group_scores(truth: np.ndarray, prediction: Scored, seen: np.ndarray) -> dict[str, float]:
    """Return macro-F1 and calibration error of all, seen and unseen drugs; NaN for a group without drugs.

    Parameters
    ----------
    truth
        int8 [drugs, genes], measured labels.
    seen
        bool [drugs]: whether a source line has measured the drug.
    """
    found = {}
    for suffix, mask in masks_of(seen).items():
        found[f"macro_f1{suffix}"] = macro_f1(truth[mask], prediction.labels[mask]) if mask.any() else np.nan
        found[f"ece{suffix}"] = np.nan
        if mask.any() and prediction.probabilities is not None:
            found[f"ece{suffix}"] = expected_calibration_error(truth[mask], prediction.probabilities[mask])
    return found


def scores_of(truth: np.ndarray, z: np.ndarray, prediction: Scored, seen: np.ndarray) -> dict[str, float]:
    """Return every score by its column in the table of scores; NaN for a subset without drugs.

    Parameters
    ----------
    truth
        int8 [drugs, genes], measured labels.
    z
        [drugs, genes], measured.
    seen
        bool [drugs]: whether a source line has measured the drug.
    """
    per_drug = per_drug_macro_f1(truth, prediction.labels)
    correlation = correlations(z, prediction.z)
    subsets = masks_of(seen)
    scores = {}
    for suffix, mask in subsets.items():
        scores[f"macro_f1{suffix}"] = macro_f1(truth[mask], prediction.labels[mask]) if mask.any() else np.nan
    for suffix, mask in subsets.items():
        scores[f"per_drug_f1{suffix}"] = float(per_drug[mask].mean()) if mask.any() else np.nan
    for suffix, mask in subsets.items():
        scores[f"z_correlation{suffix}"] = float(correlation[mask].mean()) if mask.any() else np.nan
    for name, mask in zip(("weak", "medium", "strong"), strength_thirds(truth), strict=True):
        scores[f"macro_f1_{name}"] = macro_f1(truth[mask], prediction.labels[mask]) if mask.any() else np.nan
    down, none, up = f1_scores(confusion(truth, prediction.labels))
    calibration = np.nan
    if prediction.probabilities is not None:
        calibration = expected_calibration_error(truth, prediction.probabilities)
    return scores | {"ece": calibration, "f1_down": down, "f1_none": none, "f1_up": up}
