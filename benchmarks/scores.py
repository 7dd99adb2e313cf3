"""Scores of one prediction over all, seen and unseen drugs, for the benchmarks."""

import numpy as np

from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.evaluation.metrics import correlations, macro_f1
from anchordrug.evaluation.scores import masks_of
from anchordrug.labels import NONE, labels_of
from anchordrug.predictors.contenders import Contender

Scores = dict[str, float | None]


def scores(z: np.ndarray, seen: np.ndarray, threshold: float, predicted: Contender) -> Scores:
    """Return the scores of one prediction; a group without drugs has None, and so has a baseline's ECE.

    Parameters
    ----------
    z
        Measured in the target, [drugs, genes], NaN where a gene was not measured; such genes count nowhere.
    seen
        [drugs], whether a source line has measured the drug.

    Returns
    -------
    dict
        For each of `masks_of`: macro_f1, correlation (mean over drugs), ece, changed (measured share of
        changed genes), changed_called (by the labels) and changed_expected (by the probabilities).
    """
    found: Scores = {}
    for ending, drugs in masks_of(seen).items():
        truth, labels = labels_of(z[drugs], threshold), predicted.labels[drugs]
        measured = np.isfinite(z[drugs])
        group: Scores = dict.fromkeys(
            ("macro_f1", "correlation", "ece", "changed", "changed_called", "changed_expected")
        )
        if measured.any():
            group["macro_f1"] = macro_f1(truth[measured], labels[measured])
            group["correlation"] = float(correlations(z[drugs], predicted.z[drugs]).mean())
            group["changed"] = float(np.mean(truth[measured] != NONE))
            group["changed_called"] = float(np.mean(labels[measured] != NONE))
            if predicted.probabilities is not None:
                probabilities = predicted.probabilities[drugs][measured]
                group["ece"] = expected_calibration_error(truth[measured], probabilities)
                group["changed_expected"] = float(1 - probabilities[:, NONE].mean())
        found |= {f"{name}{ending}": value for name, value in group.items()}
    return found
