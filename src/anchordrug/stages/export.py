"""Stage export: the first seed's predictor of the largest budget as one ONNX file a target."""

from pathlib import Path

import numpy as np
import typer

from anchordrug import schemas
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.tables import read_json, read_table
from anchordrug.labels import margins
from anchordrug.prediction.export import AtlasDrugs, PriorInputs, export_mlp, export_response
from anchordrug.predictors.base import FittedPredictor
from anchordrug.predictors.loading import FittedFiles, basis_of, load_predictor, load_prior
from anchordrug.predictors.mlp.predictor import MlpFitted
from anchordrug.predictors.response.predictor import ResponseFitted
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features, positions
from anchordrug.settings import Settings

# Drugs of the atlas by which is told what margins are usual.
MARGIN_DRUGS = 2000
# Columns of the scores that the card repeats, in words.
METRICS = {
    "macro_f1": "macro-F1",
    "macro_f1_seen": "macro-F1, seen in a source line",
    "macro_f1_unseen": "macro-F1, unseen",
    "z_correlation": "correlation of z",
    "ece": "expected calibration error",
}
INTENDED_USE = (
    "Research: to choose which drugs to assay next in this cell line, and which genes to look at. "
    "A predicted response is a hypothesis for the bench, not advice for the clinic."
)
LIMITS = (
    "Answers for this cell line, the genes listed, and the dose and time of its training data only. "
    "A drug far from all learned ones (similarity below 0.4) and seen in no source line is a guess. "
    "Labels are of L1000 z-scores, not of protein or viability; it knows no doses, combinations or biologics."
)


def run(settings: Settings, target: str) -> None:
    """Export the predictor of `target`."""
    atlas = load_atlas()
    seed, budget = settings.seeds[0], paths.budget_name(max(settings.select.budget))
    features = load_features(atlas)
    predictor = load_predictor(settings, atlas, features, target, paths.PRETRAINED / target)
    files = FittedFiles(predictor, target, seed)
    fitted, stored = files.load(budget), read_json(files.folder(budget) / "model.json")
    path = paths.ONNX / f"{target}.onnx"
    about = {key: stored[key] for key in ("strategy", "training_data")}
    about |= {"seed": seed, "metrics": _metrics(target, seed, budget)}
    write_onnx(settings, atlas, features, target, fitted, path, stored["anchors"], about)


def _metrics(target: str, seed: int, budget: str) -> dict[str, float]:
    """Return what evaluate found on the target's test drugs."""
    path = paths.SCORES / f"{paths.run_name(target, seed)}.csv"
    scores = schemas.validate(read_table(path), schemas.SCORES, path)
    (row,) = scores[scores["predictor"] == budget].to_dict("records")
    return {f"test drugs, {words}": row[name] for name, words in METRICS.items() if not np.isnan(row[name])}


def write_onnx(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    target: str,
    fitted: FittedPredictor,
    path: Path,
    anchors: list[str],
    about: dict[str, object],
) -> None:
    """Export a predictor of `target` fitted to `anchors` with its card, to which `about` is added."""
    drug = settings.featurize.drug
    card: dict[str, object] = {
        "target": target,
        "threshold": settings.curate.threshold,
        "predictor": settings.predictor,
        "fingerprint": {
            "kind": "morgan",
            "radius": drug.radius,
            "bits": drug.bits,
            "input": "0/1 bits; the graph scales them as it needs",
            "standardisation": "rdkit ChargeParent",
        },
        "anchors": anchors,
        "intended_use": INTENDED_USE,
        "limits": LIMITS,
        **about,
    }
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    measured = positions(anchors, atlas.drugs["drug_id"])
    card["source_cell_lines"] = [atlas.cell_lines[line] for line in np.unique(sources.cell_line)]
    drugs = drugs_of(atlas, features, sources, measured[measured >= 0])
    assert isinstance(fitted, MlpFitted | ResponseFitted)
    card["margins"] = _margins(fitted, len(atlas.drugs))
    if isinstance(fitted, ResponseFitted):
        export_response(fitted, path, card, atlas.genes, drugs)
    else:
        response = None
        if settings.predictor == "mlp_response":
            _, prior = load_prior(settings, atlas, features, target)
            response = PriorInputs(prior, basis_of(prior))
        export_mlp(fitted, path, card, atlas.genes, drugs, response)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(atlas.genes)} genes")


def drugs_of(
    atlas: ResponseAtlas, features: FeatureBlocks, sources: ResponseAtlas, anchors: np.ndarray
) -> AtlasDrugs:
    """Return the atlas' drugs for a file of a predictor that learned from `sources` and `anchors` (rows)."""
    return AtlasDrugs(
        atlas.drugs["inchikey"].tolist(),
        atlas.drugs["drug_id"].tolist(),
        (features.drugs > 0).astype(np.float32),
        np.bincount(sources.drug, minlength=len(atlas.drugs)),
        np.union1d(sources.measured_drugs(), anchors),
    )


def _margins(fitted: MlpFitted | ResponseFitted, drugs: int) -> list[float]:
    """Return the percentiles 0 to 100 of the margin by which the atlas' labels are decided.

    By them a consumer abstains from the least certain share of labels; `drugs` beyond many are sampled.
    """
    chosen = np.linspace(0, drugs - 1, min(drugs, MARGIN_DRUGS)).astype(np.int64)
    margin = margins(fitted.probabilities(chosen), fitted.offsets)
    return [round(float(one), 4) for one in np.percentile(margin, range(101))]
