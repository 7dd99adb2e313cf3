"""Stage finetune: the final predictor of every budget of a campaign, and the whole-pool control."""

import typer

from anchordrug.errors import TableError
from anchordrug.files.digests import sha256
from anchordrug.predictors.loading import load_predictor, save_fitted, training_of
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features, load_selection, load_split
from anchordrug.settings import Settings


def run(settings: Settings, target: str, seed: int, device: str = "cpu") -> None:
    """Fit to the first `budget` anchors for every budget, and to all pool drugs if asked."""
    atlas = load_atlas()
    features, split = load_features(atlas), load_split(atlas, target)
    measured = atlas.of(target)
    table, anchors = load_selection(atlas, target, seed)
    budget = max(settings.select.budget)
    if budget > len(anchors):
        raise TableError(
            f"{paths.SELECTIONS}/{paths.run_name(target, seed)}.csv: holds {len(anchors)} anchors, "
            f"select.budget asks for {budget}; run 'anchordrug select' again"
        )
    predictor = load_predictor(settings, atlas, features, target, paths.PRETRAINED / target, device)
    sets = {paths.budget_name(budget): anchors[:budget] for budget in sorted(settings.select.budget)}
    if settings.finetune.whole_pool:
        sets[paths.WHOLE_POOL] = split.pool
    for name, drugs in sets.items():
        fitted = predictor.fit(drugs, measured.responses_of(drugs), seed=seed, final=True)
        card = {
            "predictor": settings.predictor,
            "target": target,
            "seed": seed,
            "anchors": atlas.drugs["drug_id"].iloc[drugs].tolist(),
            "strategy": None if name == paths.WHOLE_POOL else str(table["strategy"].iloc[0]),
            "threshold": settings.curate.threshold,
            "training": training_of(settings),
            "training_data": {
                path.as_posix(): sha256(path)
                for path in (paths.RESPONSES, paths.PRETRAINED / target / "weights.safetensors")
            },
        }
        save_fitted(fitted, paths.FINETUNED / paths.run_name(target, seed) / name, card)
        typer.echo(f"{paths.run_name(target, seed)}: fitted to {len(drugs)} drugs ({name})")
