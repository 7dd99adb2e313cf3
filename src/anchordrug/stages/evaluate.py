"""Stage evaluate: every fitted predictor and every baseline of a campaign on its test drugs."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas import ResponseAtlas, labels_of
from anchordrug.evaluation.metrics import confusion, f1_scores, macro_f1, per_drug_macro_f1
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.io import write_table
from anchordrug.predictors.baselines import all_none, consensus_threshold, gene_majority, neighbour_consensus
from anchordrug.predictors.mlp import MlpFitted
from anchordrug.settings import Settings
from anchordrug.splits import sources_of
from anchordrug.stages import paths
from anchordrug.stages.predictors import load_fitted, load_pretrained
from anchordrug.stages.tables import load_atlas, load_features, load_selection, load_split


def run(settings: Settings, target: str, seed: int) -> None:
    """Score every predictor and baseline of one campaign."""
    atlas = load_atlas()
    features = load_features(atlas)
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    test = load_split(atlas, target).test
    truth = labels_of(atlas.of(target).responses_of(test), settings.curate.threshold)
    seen = np.isin(test, sources.measured_drugs())
    rows = [
        {"target": target, "seed": seed, "predictor": name, "drugs": drugs, **_scores(truth, predicted, seen)}
        for name, drugs, predicted in _predictions(settings, atlas, features, sources, target, seed, test)
    ]
    path = paths.SCORES / f"{paths.run_name(target, seed)}.csv"
    scores = schemas.validate(pd.DataFrame(rows), schemas.SCORES, path).round(6)
    write_table(scores, path)
    typer.echo(f"{paths.run_name(target, seed)}: macro-F1 on {len(test)} test drugs")
    typer.echo(scores[["predictor", "drugs", "macro_f1"]].to_string(index=False))


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
