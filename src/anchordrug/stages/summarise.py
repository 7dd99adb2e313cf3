"""Stage summarise: the scores of all campaigns as the few figures that dvc shows and plots."""

from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import typer

from anchordrug import schemas
from anchordrug.io import read_table, write_json, write_table
from anchordrug.settings import Settings
from anchordrug.stages import paths


def run(settings: Settings) -> None:
    """Write summary.json, learning_curve.csv and predictors.csv into metrics/."""
    names = [paths.run_name(target, seed) for target in settings.targets for seed in settings.seeds]
    scores = pd.concat([_read(paths.SCORES / f"{name}.csv", schemas.SCORES) for name in names])
    curves = pd.concat([_read(paths.ROUNDS / f"{name}.csv", schemas.LEARNING_CURVE) for name in names])

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
        {"strategy": settings.select.strategy, "macro_f1": macro, "macro_f1_sd": deviation},
        paths.METRICS / "summary.json",
    )
    curve = curves.groupby("drugs")["macro_f1"].mean().round(6).reset_index()
    write_table(curve, paths.METRICS / "learning_curve.csv")
    overview = scores.groupby("predictor", sort=False)["macro_f1"].mean().round(6).reset_index()
    write_table(overview, paths.METRICS / "predictors.csv")

    table = spread.apply(lambda row: f"{row['mean']:.3f} ± {row['std']:.3f}", axis=1).unstack("target")
    typer.echo(f"macro-F1, mean ± sd over {len(settings.seeds)} seeds; strategy {settings.select.strategy}")
    typer.echo(table.loc[scores["predictor"].unique(), list(settings.targets)].to_string())


def _read(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    return schemas.validate(read_table(paths.require(path)), schema, path)
