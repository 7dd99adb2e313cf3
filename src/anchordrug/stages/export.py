"""Stage export: the first seed's predictor of the largest budget as one ONNX file a target."""

import typer

from anchordrug.io import read_json
from anchordrug.onnx_export import AtlasInputs, export_mlp, export_response
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
    files = FittedFiles(load_predictor(settings, atlas, features, target, own=target), target, seed)
    fitted, stored = files.load(budget), read_json(files.folder(budget) / "model.json")
    drug = settings.featurize.drug
    path = paths.ONNX / f"{target}.onnx"
    card: dict[str, object] = {
        "target": target,
        "threshold": settings.curate.threshold,
        "predictor": stored["predictor"],
        "fingerprint": {
            "kind": "morgan",
            "radius": drug.radius,
            "bits": drug.bits,
            "input": "0/1 bits; the graph scales them as it needs",
            "standardisation": "rdkit ChargeParent",
        },
        "anchors": stored["anchors"],
        "strategy": stored["strategy"],
        "seed": seed,
        "training_data": stored["training_data"],
    }
    if isinstance(fitted, ResponseFitted):
        export_response(fitted, atlas.drugs["inchikey"].tolist(), path, card, atlas.genes)
    else:
        assert isinstance(fitted, MlpFitted)
        inputs = None
        if settings.predictor == "mlp_response":
            _, prior = load_prior(settings, atlas, features, target)
            inputs = AtlasInputs(atlas.drugs["inchikey"].tolist(), prior, basis_of(atlas, prior))
        export_mlp(fitted, path, card, atlas.genes, inputs)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(atlas.genes)} genes")
