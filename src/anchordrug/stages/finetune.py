"""Stage finetune: the final predictor of every budget of a campaign, and the whole-pool control."""

import typer

from anchordrug.errors import TableError, counted
from anchordrug.predictors.loading import load_predictor, task_of
from anchordrug.predictors.registry import params_of
from anchordrug.project.project import WHOLE_POOL, Project, budget_name, run_name


def run(project: Project, target: str, seed: int, device: str = "cpu") -> None:
    """Fit to the first `budget` anchors for every budget, and to all pool drugs if asked."""
    settings, atlas = project.settings, project.atlas()
    table, anchors = project.anchors(atlas, target, seed)
    budget = max(settings.select.budget)
    if budget > len(anchors):
        raise TableError(
            f"{project.selection(target, seed)}: holds {counted(len(anchors), 'anchor')}, "
            f"select.budget asks for {budget}; run 'anchordrug select' again"
        )
    folder = project.pretrained(target)
    split = project.split(atlas, target)
    task = task_of(settings, atlas, project.features(atlas), target, device, split.test)
    predictor = load_predictor(settings, task, folder)
    sets = {budget_name(budget): anchors[:budget] for budget in sorted(settings.select.budget)}
    if settings.finetune.whole_pool:
        sets[WHOLE_POOL] = split.pool
    measured = atlas.of(target)
    for name, drugs in sets.items():
        fitted = predictor.fit(drugs, measured.responses_of(drugs), seed=seed, final=True)
        fitted = fitted.deciding_for(split.test)
        card = {
            "predictor": settings.predictor,
            "target": target,
            "seed": seed,
            "anchors": atlas.drugs["drug_id"].iloc[drugs].tolist(),
            "strategy": None if name == WHOLE_POOL else str(table["strategy"].iloc[0]),
            "threshold": settings.curate.threshold,
            "training": params_of(settings).model_dump(mode="json", exclude={"pretrain"}),
            "training_data": project.hashes(project.responses, folder / "model.json"),
        }
        fitted.save(project.finetuned(target, seed, name), card)
        typer.echo(f"{run_name(target, seed)}: fitted to {counted(len(drugs), 'drug')} ({name})")
