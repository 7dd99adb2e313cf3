"""The forecast of a campaign: how much macro-F1 the next batches of drugs are expected to add."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.predictors.base import Outlook
from anchordrug.predictors.joint import JointFitted

# Brings torch and scipy, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.bench.model import Model


def outlook_table(outlook: Outlook) -> pd.DataFrame:
    """Return expected macro-F1 and gain over the step before with 95% intervals, one row per step."""
    scores = outlook.scores
    gains = np.diff(scores, axis=1, prepend=np.nan)
    return pd.DataFrame(
        {
            "more_drugs": outlook.drugs,
            "macro_f1": scores.mean(axis=0),
            "low": outlook.score[:, 0],
            "high": outlook.score[:, 1],
            "gain": gains.mean(axis=0),
            "gain_low": outlook.gain[:, 0],
            "gain_high": outlook.gain[:, 1],
        }
    ).round(6)


def forecast(
    model: "Model", fitted: JointFitted, order: np.ndarray, anchors: int, batch: int
) -> pd.DataFrame | None:
    """Return the forecast of every target in schema ADVICE; None where the predictor has no posterior.

    Parameters
    ----------
    fitted
        The predictors fitted to all anchors so far.
    order
        int64 rows of the drugs that may be measured next, best first.
    anchors
        Number of drugs measured so far.
    batch
        Drugs per round; the forecast has one step per round.
    """
    steps = np.unique([0, *range(batch, len(order) + 1, batch), len(order)])
    tables = []
    campaign = model.world.campaign
    for target, predictor, part in zip(campaign.targets, model.predictors, fitted.parts, strict=True):
        forecaster = predictor.forecaster()
        if forecaster is None:
            return None
        expected = forecaster.outlook(part, order, steps, model.world.queries, campaign.seed)
        tables.append(outlook_table(expected).assign(cell_line=target))
    table = pd.concat(tables, ignore_index=True)
    table["drugs"] = table.pop("more_drugs") + anchors
    return table[list(schemas.ADVICE.columns)]


def forecast_in_words(advice: pd.DataFrame | None, stop_below: float) -> list[str]:
    """Return a line for every target: the expected gain of the next batch, and the threshold that decides.

    Macro-F1 is told as right calls of each label, which it equals where each label is called as often as it
    occurs; the decision between labels comes close to that.
    """
    if advice is None:
        return ["no forecast: this predictor has no posterior (response_gp and ensemble have one)"]
    return [_in_words(own, stop_below) for _, own in advice.groupby("cell_line", sort=False)]


def _in_words(own: pd.DataFrame, stop_below: float) -> str:
    """Return the first step of one target's forecast in words."""
    now, batch = own.iloc[0], own.iloc[1]
    uncertain, enough = batch["gain_low"] <= 0, batch["gain"] >= stop_below
    hope = "may bring nothing" if uncertain else "are expected to help"
    side = "reaches" if enough else "is below"
    verdict = "you may stop" if not enough else "you decide" if uncertain else "worth measuring"
    return (
        f"{own['cell_line'].iloc[0]}: {int(batch['drugs'] - now['drugs'])} more drugs {hope}: "
        f"{batch['gain']:+.3f} macro-F1 expected, 95% interval {batch['gain_low']:+.3f} to "
        f"{batch['gain_high']:+.3f} (of 100 calls of each label, about {100 * now['macro_f1']:.1f} are right "
        f"now and {100 * batch['macro_f1']:.1f} then); "
        f"the expected gain {side} stop_below ({stop_below:g}): {verdict}"
    )
