"""Stage summarise: the scores of all campaigns as the few figures that dvc shows and plots."""

from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import typer

from anchordrug import schemas
from anchordrug.evaluation.bootstrap import interval, macro_f1_of, resampled_macro_f1
from anchordrug.files.tables import read_table, write_json, write_table
from anchordrug.project import paths
from anchordrug.settings import Settings


def run(settings: Settings) -> None:
    """Write summary.json and the tables that dvc plots into metrics/."""
    names = [paths.run_name(target, seed) for target in settings.targets for seed in settings.seeds]
    scores = pd.concat([_read(paths.SCORES / f"{name}.csv", schemas.SCORES) for name in names])
    curves = pd.concat([_read(paths.ROUNDS / f"{name}.csv", schemas.LEARNING_CURVE) for name in names])
    compared = pd.concat([_read(paths.COMPARED / f"{name}.csv", schemas.LEARNING_CURVE) for name in names])
    tested = pd.concat([_read(paths.TEST_DRUGS / f"{name}.csv", schemas.TEST_DRUGS) for name in names])

    spread = scores.groupby(["target", "predictor"], sort=False)["macro_f1"].agg(["mean", "std"]).fillna(0)
    macro: dict[str, dict[str, float]] = {}
    deviation: dict[str, dict[str, float]] = {}
    for cell, mean, deviates in zip(spread.index.tolist(), spread["mean"], spread["std"], strict=True):
        target, predictor = cell
        macro.setdefault(predictor, {})[target] = round(float(mean), 4)
        deviation.setdefault(predictor, {})[target] = round(float(deviates), 4)
    for values in macro.values():
        values["mean"] = round(float(np.mean(list(values.values()))), 4)
    write_json(
        {
            "predictor": settings.predictor,
            "strategy": settings.select.strategy,
            "macro_f1": macro,
            "macro_f1_sd": deviation,
        },
        paths.METRICS / "summary.json",
    )
    headline = _headline(tested)
    path = paths.METRICS / "headline.csv"
    write_table(schemas.validate(headline, schemas.HEADLINE, path).round(6), path)
    others = compared[compared["strategy"] != settings.select.strategy]
    together = pd.concat([curves, others]).groupby(["strategy", "drugs"], sort=False)["macro_f1"]
    write_table(together.mean().round(6).reset_index(), paths.METRICS / "learning_curve.csv")

    diagrams = pd.concat([_read(paths.RELIABILITY / f"{name}.csv", schemas.RELIABILITY) for name in names])
    diagram = _diagram(_largest_budget(diagrams))
    write_table(diagram, paths.METRICS / "reliability.csv")
    risks = pd.concat([_read(paths.RISK_COVERAGE / f"{name}.csv", schemas.RISK_COVERAGE) for name in names])
    risk = (
        _largest_budget(risks)
        .groupby(["target", "coverage"])[["macro_f1", "accuracy"]]
        .mean()
        .round(6)
        .reset_index()
    )
    write_table(risk, paths.METRICS / "risk_coverage.csv")
    losses = [
        read_table(paths.METRICS / "pretrain" / f"{target}.csv").assign(target=target)
        for target in settings.targets
    ]
    write_table(pd.concat(losses, ignore_index=True), paths.METRICS / "pretrain_loss.csv")

    table = spread.apply(lambda row: f"{row['mean']:.3f} ± {row['std']:.3f}", axis=1).unstack("target")
    typer.echo(
        f"macro-F1, mean ± sd over {len(settings.seeds)} seeds; "
        f"predictor {settings.predictor}, strategy {settings.select.strategy}"
    )
    typer.echo(table.loc[scores["predictor"].unique(), list(settings.targets)].to_string())


def _headline(tested: pd.DataFrame) -> pd.DataFrame:
    """Return the macro-F1 of every predictor, mean over seeds, with its 95 % interval over test drugs.

    Target `mean` is the mean over targets, also of the number of drugs learned from.
    """
    rows = []
    for predictor, own in tested.groupby("predictor", sort=False):
        cases = [(key, one) for key, one in own.groupby(["target", "seed"], sort=False)]
        counts = [one[list(schemas.CONFUSION)].to_numpy() for _, one in cases]
        names = [one["drug_id"].to_numpy().astype(str) for _, one in cases]
        scores = np.array([macro_f1_of(one.sum(axis=0)) for one in counts])
        drawn = resampled_macro_f1(counts, names, seed=0)
        drugs = np.array([one["drugs"].iloc[0] for _, one in cases])
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


def _largest_budget(table: pd.DataFrame) -> pd.DataFrame:
    names = table["predictor"].str.startswith(paths.budget_name(0)[:-1])
    return table[names & (table["drugs"] == table.loc[names, "drugs"].max())]


def _diagram(largest: pd.DataFrame) -> pd.DataFrame:
    """Return the reliability of every target, mean over seeds, weighted by share."""
    place = (largest["confidence"] * 10).astype(int)
    weighed = largest.assign(
        place=place,
        confidence=largest["confidence"] * largest["share"],
        accuracy=largest["accuracy"] * largest["share"],
    )
    sums = weighed.groupby(["target", "place"])[["confidence", "accuracy", "share"]].sum()
    result = sums[["confidence", "accuracy"]].div(sums["share"], axis=0).round(6)
    return result.reset_index().drop(columns="place")


def _read(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    return schemas.validate(read_table(paths.require(path)), schema, path)
