"""Stage hidden: how well a target's drugs are predicted when most source lines never saw many of them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas.splits import hidden_drugs
from anchordrug.errors import counted
from anchordrug.evaluation.scores import group_scores
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Predictor, Work
from anchordrug.predictors.contenders import Contender, predicted, rival, unfitted
from anchordrug.predictors.extra_trees import extra_trees
from anchordrug.predictors.loading import task_of
from anchordrug.predictors.registry import params_of, predictor_class
from anchordrug.project.project import Project, budget_name


def run(project: Project, target: str, device: str = "cpu") -> None:
    """Hide drugs of one target from its source lines, learn again, and score every campaign's anchors."""
    settings, atlas = project.settings, project.atlas()
    test, measured = project.split(atlas, target).test, atlas.of(target)
    task = task_of(settings, atlas, project.features(atlas), target, device, test)
    hidden = hidden_drugs(atlas, target, settings.split.seed)
    sources = task.sources.restricted_to(~np.isin(task.sources.drug, hidden))
    task = replace(task, sources=sources)
    kind, params = predictor_class(settings.predictor), params_of(settings)
    work = Work(lambda line: typer.echo(f"{target}, hidden drugs: {line}"))
    predictor = kind.ready(task, params, kind.pretrain(task.of_measured_drugs(), params, work))
    trees = extra_trees(task)

    def contenders(seed: int) -> Iterator[Contender]:
        _, anchors = project.anchors(atlas, target, seed)
        yield unfitted(predictor, len(atlas.genes), test, seed)
        yield from rival(trees, anchors, measured.responses_of(anchors), test, seed)
        for budget in sorted(settings.select.budget):
            own = anchors[:budget]
            yield _fitted(predictor, own, measured.responses_of(own), test, seed)

    z = measured.responses_of(test)
    truth, seen = labels_of(z, task.threshold), np.isin(test, sources.measured_drugs())
    rows = [
        {"target": target, "seed": seed, "predictor": found.name, "drugs": found.learned_from}
        | group_scores(truth, found, seen)
        for seed in settings.seeds
        for found in contenders(seed)
    ]
    table = pd.DataFrame(rows)[list(schemas.HIDDEN.columns)]
    project.write(table, schemas.HIDDEN, project.metrics / "hidden" / f"{target}.csv", digits=6)
    typer.echo(f"{target}: {counted(len(test), 'test drug')}, {int((~seen).sum())} of them in no source line")
    typer.echo(table.groupby("predictor", sort=False).mean(numeric_only=True).round(3).to_string())


def _fitted(
    predictor: Predictor, anchors: np.ndarray, z: np.ndarray, test: np.ndarray, seed: int
) -> Contender:
    fitted = predictor.fit(anchors, z, seed=seed, final=True).deciding_for(test)
    return predicted(budget_name(len(anchors)), len(anchors), fitted, test)
