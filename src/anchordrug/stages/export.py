"""Stage export: the first seed's predictor of the largest budget as one ONNX file a target."""

import typer

from anchordrug.io import read_json
from anchordrug.onnx_export import export_mlp
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.predictors import load_fitted
from anchordrug.stages.tables import load_atlas, load_features


def run(settings: Settings, target: str) -> None:
    """Export the predictor of `target`."""
    atlas = load_atlas()
    seed, budget = settings.seeds[0], paths.budget_name(max(settings.select.budget))
    fitted = load_fitted(atlas, load_features(atlas), target, seed, budget)
    card = read_json(paths.FINETUNED / paths.run_name(target, seed) / budget / "model.json")
    drug = settings.featurize.drug
    path = paths.ONNX / f"{target}.onnx"
    export_mlp(
        fitted,
        path,
        {
            "target": target,
            "threshold": settings.curate.threshold,
            "predictor": card["predictor"],
            "fingerprint": {
                "kind": "morgan",
                "radius": drug.radius,
                "bits": drug.bits,
                "input": "0/1 bits; the graph scales them to unit L2 norm",
                "standardisation": "rdkit ChargeParent",
            },
            "anchors": card["anchors"],
            "strategy": card["strategy"],
            "seed": seed,
            "training_data": card["training_data"],
        },
        atlas.genes,
    )
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(atlas.genes)} genes")
