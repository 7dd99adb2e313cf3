"""Stage evaluate: every fitted predictor and every baseline on the test drugs of every target."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas import ResponseAtlas, labels_of
from anchordrug.evaluation.metrics import confusion, f1_scores, macro_f1, per_drug_macro_f1
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.io import read_table, write_json, write_table
from anchordrug.predictors.baselines import all_none, consensus_threshold, gene_majority, neighbour_consensus
from anchordrug.predictors.mlp import MlpFitted
from anchordrug.settings import Settings
from anchordrug.splits import sources_of
from anchordrug.stages import paths
from anchordrug.stages.predictors import load_fitted, load_pretrained
from anchordrug.stages.tables import load_atlas, load_features, load_selection, load_split


def run(settings: Settings) -> None:
    """Write scores.csv, summary.json, learning_curve.csv and predictors.csv into metrics/."""
    atlas = load_atlas()
    features = load_features(atlas)
    rows = []
    for target in settings.targets:
        sources = sources_of(atlas, target)
        test = load_split(atlas, target).test
        truth = labels_of(atlas.of(target).responses_of(test), settings.curate.threshold)
        for seed in settings.seeds:
            for name, drugs, predicted in _predictions(
                settings, atlas, features, sources, target, seed, test
            ):
                rows.append(
                    {
                        "target": target,
                        "seed": seed,
                        "predictor": name,
                        "drugs": drugs,
                        **_scores(truth, predicted, np.isin(test, sources.measured_drugs())),
                    }
                )
    path = paths.METRICS / "scores.csv"
    scores = schemas.validate(pd.DataFrame(rows), schemas.SCORES, path)
    write_table(scores.round(6), path)
    _summarise(settings, scores)


def _predictions(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    sources: ResponseAtlas,
    target: str,
    seed: int,
    test: np.ndarray,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield (predictor, drugs it learned from in the target, labels [test, genes])."""
    threshold = settings.curate.threshold
    _, anchors = load_selection(atlas, target, seed)
    anchor_labels = labels_of(atlas.of(target).responses_of(anchors), threshold)
    cut = consensus_threshold(sources, threshold)
    yield "all_none", 0, all_none(len(test), len(atlas.genes))
    yield "gene_majority", len(anchors), gene_majority(anchor_labels, len(test))
    yield "consensus", 0, labels_of(sources.consensus()[0][test], cut)
    yield "nearest_neighbours", 0, labels_of(neighbour_consensus(sources, features.drugs, test), cut)

    pretrained = MlpFitted(load_pretrained(target), features, atlas.cell_lines.index(target))
    yield "pretrained", 0, pretrained.probabilities(test).argmax(axis=2)
    names = {paths.budget_name(budget): budget for budget in sorted(settings.select.budget)}
    if settings.finetune.whole_pool:
        names[paths.WHOLE_POOL] = len(load_split(atlas, target).pool)
    for name, drugs in names.items():
        fitted = load_fitted(atlas, features, target, seed, name)
        yield name, drugs, fitted.probabilities(test).argmax(axis=2)


def _scores(truth: np.ndarray, predicted: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    down, none, up = f1_scores(confusion(truth, predicted))
    return {
        "macro_f1": macro_f1(truth, predicted),
        "macro_f1_seen": macro_f1(truth[seen], predicted[seen]) if seen.any() else np.nan,
        "macro_f1_unseen": macro_f1(truth[~seen], predicted[~seen]) if not seen.all() else np.nan,
        "per_drug_f1": float(per_drug_macro_f1(truth, predicted).mean()),
        "f1_down": down,
        "f1_none": none,
        "f1_up": up,
    }


def _summarise(settings: Settings, scores: pd.DataFrame) -> None:
    """Mean and standard deviation over seeds per target; the figures that dvc shows and plots."""
    groups = scores.groupby(["target", "predictor"], sort=False)["macro_f1"]
    spread = groups.agg(["mean", "std"]).fillna(0).round(4)
    summary: dict[str, dict] = {
        "strategy": settings.select.strategy,  # type: ignore[dict-item]
        "macro_f1": {},
        "macro_f1_sd": {},
    }
    for (target, predictor), row in spread.iterrows():  # type: ignore[misc]
        summary["macro_f1"].setdefault(predictor, {})[target] = float(row["mean"])
        summary["macro_f1_sd"].setdefault(predictor, {})[target] = float(row["std"])
    for values in summary["macro_f1"].values():
        values["mean"] = round(float(np.mean(list(values.values()))), 4)
    write_json(summary, paths.METRICS / "summary.json")

    curves = pd.concat(
        [
            read_table(paths.require(paths.ROUNDS / f"{paths.run_name(target, seed)}.csv"))
            for target in settings.targets
            for seed in settings.seeds
        ]
    )
    curve = curves.groupby("drugs")["macro_f1"].mean().round(6).reset_index()
    write_table(curve, paths.METRICS / "learning_curve.csv")
    overview = scores.groupby("predictor", sort=False)["macro_f1"].mean().round(6).reset_index()
    write_table(overview, paths.METRICS / "predictors.csv")
    table = spread.apply(lambda row: f"{row['mean']:.3f} ± {row['std']:.3f}", axis=1).unstack("target")
    order = scores["predictor"].unique()
    typer.echo(f"macro-F1, mean ± sd over seeds; strategy {settings.select.strategy}")
    typer.echo(table.loc[order, list(settings.targets)].to_string())
