"""Stage export: the first seed's predictor of the largest budget as one ONNX file a target."""

from pathlib import Path

import typer

from anchordrug.atlas import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.io import read_json
from anchordrug.onnx_export import AtlasInputs, export_mlp, export_response
from anchordrug.predictors.base import FittedPredictor
from anchordrug.predictors.mlp import MlpFitted
from anchordrug.predictors.response import ResponseFitted
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.predictors import FittedFiles, basis_of, load_predictor, load_prior
from anchordrug.stages.tables import load_atlas, load_features


def run(settings: Settings, target: str) -> None:
    """Export the predictor of `target`."""
    atlas = load_atlas()
    seed, budget = settings.seeds[0], paths.budget_name(max(settings.select.budget))
    features = load_features(atlas)
    predictor = load_predictor(settings, atlas, features, target, paths.PRETRAINED / target)
    files = FittedFiles(predictor, target, seed)
    fitted, stored = files.load(budget), read_json(files.folder(budget) / "model.json")
    path = paths.ONNX / f"{target}.onnx"
    about = {key: stored[key] for key in ("anchors", "strategy", "training_data")}
    write_onnx(settings, atlas, features, target, fitted, path, {**about, "seed": seed})


def write_onnx(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    target: str,
    fitted: FittedPredictor,
    path: Path,
    about: dict[str, object],
) -> None:
    """Export a fitted predictor of `target` with its card, to which `about` is added."""
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
        **about,
    }
    inchikeys = atlas.drugs["inchikey"].tolist()
    if isinstance(fitted, ResponseFitted):
        export_response(fitted, inchikeys, path, card, atlas.genes)
    else:
        assert isinstance(fitted, MlpFitted)
        inputs = None
        if settings.predictor == "mlp_response":
            _, prior = load_prior(settings, atlas, features, target)
            inputs = AtlasInputs(inchikeys, prior, basis_of(prior))
        export_mlp(fitted, path, card, atlas.genes, inputs)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(atlas.genes)} genes")
