"""The gain of a predictor from abstaining where it is least sure (a risk-coverage curve)."""

import numpy as np
import pandas as pd

from anchordrug.evaluation.metrics import macro_f1

COVERAGES = tuple(round(0.1 * step, 1) for step in range(10, 0, -1))


def risk_coverage(labels: np.ndarray, predicted: np.ndarray, margin: np.ndarray) -> pd.DataFrame:
    """Return the scores of the most certain answers, a row per share of (drug, gene) pairs answered.

    Parameters
    ----------
    labels, predicted
        [drugs, genes] measured and predicted labels 0, 1, 2.
    margin
        [drugs, genes], by how much each predicted label is decided.

    Returns
    -------
    pd.DataFrame
        coverage, macro_f1 and accuracy of the pairs answered.
    """
    order = np.argsort(-margin, axis=None, kind="stable")
    rows = []
    for coverage in COVERAGES:
        answered = order[: max(1, round(coverage * len(order)))]
        truth, guess = labels.ravel()[answered], predicted.ravel()[answered]
        rows.append(
            {
                "coverage": coverage,
                "macro_f1": macro_f1(truth, guess),
                "accuracy": float((truth == guess).mean()),
            }
        )
    return pd.DataFrame(rows)
