"""Every score of a prediction on test drugs."""

from typing import Protocol

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.evaluation.bootstrap import macro_f1_of
from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.evaluation.metrics import (
    confusion,
    correlations,
    f1_scores,
    macro_f1,
    per_drug_macro_f1,
    strength_thirds,
)
from anchordrug.evidence_group import GROUPS


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


def scores_by_evidence(tested: pd.DataFrame, groups: np.ndarray) -> dict[str, dict[str, float]]:
    """Return macro-F1 and number of test drugs of every evidence group that has some, by its name.

    Parameters
    ----------
    tested
        Rows of schemas.TEST_DRUGS, one per drug, of one predictor.
    groups
        The evidence group of each row's drug.
    """
    found = {}
    for group in GROUPS:
        own = tested.loc[groups == group, list(schemas.CONFUSION)].to_numpy()
        if len(own):
            found[group] = {"macro_f1": round(float(macro_f1_of(own.sum(axis=0))), 4), "drugs": len(own)}
    return found
