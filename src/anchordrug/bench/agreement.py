"""How well the drugs measured in a campaign are predicted without their own measurement."""

import numpy as np
import pandas as pd

from anchordrug.bench.model import Model
from anchordrug.evaluation.metrics import correlations
from anchordrug.evaluation.statistics import paired_difference
from anchordrug.predictors.base import Predictor
from anchordrug.predictors.response.prior import clipped

COLUMNS = ("before", "after")


def agreement(model: Model, predictor: Predictor, drugs: np.ndarray, z: np.ndarray) -> pd.DataFrame:
    """Return, for each measured drug, how its response correlates over genes with two predictions of it.

    Parameters
    ----------
    drugs, z
        int64 [drugs] rows of the drug table, float32 [drugs, genes].

    Returns
    -------
    pandas.DataFrame
        `before`: with the prediction from other cell lines alone. `after`: with that from them and all other
        measured drugs; a column of NaN where the predictor has none.
    """
    measured = clipped(z)
    left_out = predictor.left_out(drugs, z)
    before = correlations(measured, model.prior.evidence_of(drugs).prior)
    after = np.full(len(drugs), np.nan) if left_out is None else correlations(measured, left_out)
    return pd.DataFrame(dict(zip(COLUMNS, (before, after), strict=True)))


def agreement_in_words(table: pd.DataFrame) -> str:
    """Return whether the measured drugs have made predictions of each other better, in a sentence or two."""
    n, before = len(table), table["before"].mean()
    alone = f"Other cell lines alone predict the {n} measured drugs with a mean correlation of {before:.3f}."
    if table["after"].isna().any() or n < 2:
        return alone
    gain = paired_difference(table["after"].tolist(), table["before"].tolist())
    told = f"by {gain.mean:+.3f} (95% interval {gain.low:+.3f} to {gain.high:+.3f})"
    higher = f"It is higher for {int((table['after'] > table['before']).sum())} of them"
    if gain.low > 0:
        verdict = "The measurements have improved the model"
    elif gain.high < 0:
        verdict = "The measurements have made these predictions worse; check plates and names of the drugs"
    else:
        verdict = "It is not shown that the measurements have improved the model"
    return f"{alone} With the other measured drugs, the correlation changes {told}. {higher}. {verdict}."
