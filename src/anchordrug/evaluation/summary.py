"""The scores of all campaigns as the few figures that people compare."""

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.evaluation.bootstrap import interval, macro_f1_of, resampled_macro_f1

# Names of predictors fitted to a budget begin with it.
BUDGET = "drugs-"
# Predictors among the key figures, besides those of the budgets.
_COMPARED = ("consensus", "pretrained", "whole-pool")


def spread_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of the macro-F1 of every target and predictor."""
    return scores.groupby(["target", "predictor"], sort=False)["macro_f1"].agg(["mean", "std"]).fillna(0)


def summary(spread: pd.DataFrame, predictor: str, strategy: str) -> dict[str, object]:
    """Return macro-F1 by predictor and target, with the mean over targets."""
    macro: dict[str, dict[str, float]] = {}
    deviation: dict[str, dict[str, float]] = {}
    for (target, name), mean, deviates in zip(
        spread.index.tolist(), spread["mean"], spread["std"], strict=True
    ):
        macro.setdefault(name, {})[target] = round(float(mean), 4)
        deviation.setdefault(name, {})[target] = round(float(deviates), 4)
    for values in macro.values():
        values["mean"] = round(float(np.mean(list(values.values()))), 4)
    return {"predictor": predictor, "strategy": strategy, "macro_f1": macro, "macro_f1_sd": deviation}


def key_figures(scores: pd.DataFrame) -> dict[str, object]:
    """Return the few figures by which people choose between runs, means over targets and seeds.

    Parameters
    ----------
    scores
        Rows of schemas.SCORES of all campaigns.

    Returns
    -------
    dict
        `macro_f1` by predictor, for every budget and the predictors to compare with; of the largest budget
        also `macro_f1_unseen` and `ece`, unless no test drug is unseen.
    """
    names = [name for name in scores["predictor"].unique() if name in _COMPARED or name.startswith(BUDGET)]
    figures: dict[str, object] = {
        "macro_f1": {name: _mean_of(scores[scores["predictor"] == name], "macro_f1") for name in names}
    }
    largest = largest_budget(scores)
    for column in ("macro_f1_unseen", "ece"):
        value = _mean_of(largest, column)
        if np.isfinite(value):
            figures[column] = value
    return figures


def _mean_of(scores: pd.DataFrame, column: str) -> float:
    """Return the mean over targets of the mean over seeds; NaN where no target has a value."""
    return round(float(scores.groupby("target")[column].mean().mean()), 4)


def learning_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the mean macro-F1 of every strategy and number of drugs over targets and seeds."""
    return curves.groupby(["strategy", "drugs"], sort=False)["macro_f1"].mean().round(6).reset_index()


def mean_risk(risks: pd.DataFrame) -> pd.DataFrame:
    """Return macro-F1 and accuracy of every target and coverage, mean over seeds, of the largest budget."""
    grouped = largest_budget(risks).groupby(["target", "coverage"])[["macro_f1", "accuracy"]]
    return grouped.mean().round(6).reset_index()


def headline(tested: pd.DataFrame) -> pd.DataFrame:
    """Return the macro-F1 of every predictor, mean over seeds, with its 95% interval over test drugs.

    Target `mean` is the mean over targets, also of the number of drugs learned from.
    """
    rows = []
    for predictor, own in tested.groupby("predictor", sort=False):
        cases = [(key, case) for key, case in own.groupby(["target", "seed"], sort=False)]
        counts = [case[list(schemas.CONFUSION)].to_numpy() for _, case in cases]
        names = [case["drug_id"].to_numpy().astype(str) for _, case in cases]
        scores = np.array([macro_f1_of(confusion.sum(axis=0)) for confusion in counts])
        drawn = resampled_macro_f1(counts, names, seed=0)
        drugs = np.array([case["drugs"].iloc[0] for _, case in cases])
        targets = np.array([str(target) for (target, _), _ in cases])
        of_target = {
            target: (drugs[own].mean(), scores[own].mean(), drawn[:, own].mean(axis=1))
            for target in dict.fromkeys(targets)
            for own in [targets == target]
        }
        of_target["mean"] = tuple(np.mean(part, axis=0) for part in zip(*of_target.values(), strict=True))
        for target, (learned_from, macro, values) in of_target.items():
            rows.append((target, predictor, round(learned_from), macro, *interval(values)))
    return pd.DataFrame(rows, columns=list(schemas.HEADLINE.columns))


def largest_budget(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the predictors that were fitted to the largest budget."""
    names = table["predictor"].str.startswith(BUDGET)
    return table[names & (table["drugs"] == table.loc[names, "drugs"].max())]


def mean_reliability(diagrams: pd.DataFrame) -> pd.DataFrame:
    """Return the reliability of every target, mean over seeds weighted by share, of the largest budget."""
    largest = largest_budget(diagrams)
    place = (largest["confidence"] * 10).astype(int)
    weighed = largest.assign(
        place=place,
        confidence=largest["confidence"] * largest["share"],
        accuracy=largest["accuracy"] * largest["share"],
    )
    sums = weighed.groupby(["target", "place"])[["confidence", "accuracy", "share"]].sum()
    result = sums[["confidence", "accuracy"]].div(sums["share"], axis=0).round(6)
    return result.reset_index().drop(columns="place")
