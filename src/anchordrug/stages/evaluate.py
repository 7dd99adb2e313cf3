"""Stage evaluate: every fitted predictor and every baseline of a campaign on its test drugs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.evaluation.abstention import risk_coverage
from anchordrug.evaluation.bootstrap import confusion_by_row
from anchordrug.evaluation.calibration_error import expected_calibration_error, reliability
from anchordrug.evaluation.metrics import (
    confusion,
    correlations,
    f1_scores,
    macro_f1,
    per_drug_macro_f1,
    strength_thirds,
)
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.tables import write_table
from anchordrug.labels import labels_of, margins
from anchordrug.predictors.base import FittedPredictor
from anchordrug.predictors.baselines import all_none, consensus_threshold, gene_majority, neighbour_consensus
from anchordrug.predictors.loading import FittedFiles, load_predictor
from anchordrug.predictors.mlp.predictor import MlpFitted
from anchordrug.predictors.response.predictor import ResponseFitted
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features, load_selection, load_split
from anchordrug.settings import Settings


@dataclass(frozen=True)
class Prediction:
    """What one predictor says of the test drugs.

    Attributes
    ----------
    learned_from
        Number of drugs it learned from in the target.
    labels
        int8 [test, genes].
    z
        [test, genes], a z or what stands for it up to scale; only its correlation is used.
    probabilities
        [test, genes, 3], None for a baseline.
    offsets
        What is added to log probabilities to decide.
    """

    name: str
    learned_from: int
    labels: np.ndarray
    z: np.ndarray
    probabilities: np.ndarray | None = None
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))


def run(settings: Settings, target: str, seed: int) -> None:
    """Score every predictor and baseline of one campaign."""
    atlas = load_atlas()
    features = load_features(atlas)
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    test = load_split(atlas, target).test
    z = atlas.of(target).responses_of(test)
    truth = labels_of(z, settings.curate.threshold)
    seen = np.isin(test, sources.measured_drugs())
    names = atlas.drugs["drug_id"].to_numpy()[test]
    genewise = {"consensus", *(paths.budget_name(budget) for budget in settings.select.budget)}
    rows, diagrams, curves, by_drug, by_gene = [], [], [], [], []
    for one in _predictions(settings, atlas, features, sources, target, seed, test):
        where = {"target": target, "seed": seed, "predictor": one.name, "drugs": one.learned_from}
        rows.append(where | _scores(truth, z, one, seen))
        agreement = {"seen": seen, "z_correlation": correlations(z, one.z)}
        by_drug.append(_counts(truth, one.labels).assign(**where, drug_id=names, **agreement))
        if one.name in genewise:
            by_gene.append(_counts(truth.T, one.labels.T).assign(**where, gene=atlas.genes))
        if one.probabilities is not None:
            diagrams.append(reliability(truth, one.probabilities).assign(**where))
            margin = margins(one.probabilities, one.offsets)
            curves.append(risk_coverage(truth, one.labels, margin).assign(**where))
    name = paths.run_name(target, seed)
    path = paths.SCORES / f"{name}.csv"
    scores = schemas.validate(pd.DataFrame(rows), schemas.SCORES, path).round(6)
    write_table(scores, path)
    for folder, schema, parts in (
        (paths.RELIABILITY, schemas.RELIABILITY, diagrams),
        (paths.RISK_COVERAGE, schemas.RISK_COVERAGE, curves),
        (paths.TEST_DRUGS, schemas.TEST_DRUGS, by_drug),
        (paths.TEST_GENES, schemas.TEST_GENES, by_gene),
    ):
        path = folder / f"{name}.csv"
        table = pd.concat(parts)[list(schema.columns)].reset_index(drop=True)
        write_table(schemas.validate(table, schema, path).round(6), path)
    typer.echo(f"{name}: {len(test)} test drugs, {int(seen.sum())} of them seen in source lines")
    shown = ["predictor", "drugs", "macro_f1", "per_drug_f1", "z_correlation", "ece"]
    typer.echo(scores[shown].round(3).to_string(index=False, na_rep="-"))


def _predictions(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    sources: ResponseAtlas,
    target: str,
    seed: int,
    test: np.ndarray,
) -> Iterator[Prediction]:
    """Yield the baselines, the predictor before and after it learned from anchors, and a shuffled one."""
    threshold = settings.curate.threshold
    _, anchors = load_selection(atlas, target, seed)
    anchor_labels = labels_of(atlas.of(target).responses_of(anchors), threshold)
    cut = consensus_threshold(sources, threshold)
    baselines = {
        "consensus": sources.consensus()[0][test],
        "nearest_neighbours": neighbour_consensus(sources, features.drugs, test),
    }
    for name, labels in {
        "all_none": all_none(len(test), len(atlas.genes)),
        "gene_majority": gene_majority(anchor_labels, len(test)),
    }.items():
        yield Prediction(name, 0 if name == "all_none" else len(anchors), labels, labels - 1.0)
    for name, z in baselines.items():
        yield Prediction(name, 0, labels_of(z, cut), z)

    predictor = load_predictor(settings, atlas, features, target, paths.PRETRAINED / target)
    nothing = np.zeros((0, len(atlas.genes)), np.float32)
    yield _predicted("pretrained", 0, predictor.fit(anchors[:0], nothing, seed=seed), test)
    files = FittedFiles(predictor, target, seed)
    largest = max(settings.select.budget)
    for budget in sorted(settings.select.budget):
        name = paths.budget_name(budget)
        one = _predicted(name, budget, files.load(name), test)
        yield one
        if budget == largest:
            order = np.random.default_rng(seed).permutation(len(test))
            assert one.probabilities is not None
            shuffled = one.labels[order], one.z[order], one.probabilities[order]
            yield Prediction("shuffled", budget, *shuffled, one.offsets)
    if settings.finetune.whole_pool:
        pool = len(load_split(atlas, target).pool)
        yield _predicted(paths.WHOLE_POOL, pool, files.load(paths.WHOLE_POOL), test)


def _predicted(name: str, learned_from: int, fitted: FittedPredictor, test: np.ndarray) -> Prediction:
    probabilities = fitted.probabilities(test)
    z = (
        fitted.z(test)
        if isinstance(fitted, ResponseFitted)
        else probabilities[..., 2] - probabilities[..., 0]
    )
    assert isinstance(fitted, MlpFitted | ResponseFitted)
    return Prediction(name, learned_from, fitted.labels(test), z, probabilities, fitted.offsets)


def _counts(truth: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(confusion_by_row(truth, labels), columns=list(schemas.CONFUSION))


def _scores(truth: np.ndarray, z: np.ndarray, one: Prediction, seen: np.ndarray) -> dict[str, float]:
    """Return every score; NaN for a subset without drugs."""
    per_drug = per_drug_macro_f1(truth, one.labels)
    correlation = correlations(z, one.z)
    subsets = {"": np.ones(len(truth), bool), "_seen": seen, "_unseen": ~seen}
    scores = {}
    for suffix, mask in subsets.items():
        scores[f"macro_f1{suffix}"] = macro_f1(truth[mask], one.labels[mask]) if mask.any() else np.nan
    for suffix, mask in subsets.items():
        scores[f"per_drug_f1{suffix}"] = float(per_drug[mask].mean()) if mask.any() else np.nan
    for suffix, mask in subsets.items():
        scores[f"z_correlation{suffix}"] = float(correlation[mask].mean()) if mask.any() else np.nan
    for name, mask in zip(("weak", "medium", "strong"), strength_thirds(truth), strict=True):
        scores[f"macro_f1_{name}"] = macro_f1(truth[mask], one.labels[mask]) if mask.any() else np.nan
    down, none, up = f1_scores(confusion(truth, one.labels))
    calibration = np.nan
    if one.probabilities is not None:
        calibration = expected_calibration_error(truth, one.probabilities)
    return scores | {"ece": calibration, "f1_down": down, "f1_none": none, "f1_up": up}
