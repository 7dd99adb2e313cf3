"""Stage evaluate: every fitted predictor and every baseline of a campaign on its test drugs."""

from collections.abc import Iterator

import numpy as np
import typer

from anchordrug import schemas
from anchordrug.errors import counted
from anchordrug.evaluation.tables import score_tables
from anchordrug.labels import labels_of
from anchordrug.predictors.contenders import (
    Contender,
    baselines,
    fitted_contenders,
    predicted,
    rival,
    unfitted,
)
from anchordrug.predictors.extra_trees import extra_trees
from anchordrug.predictors.loading import CARD, load_predictor, task_of
from anchordrug.project.project import WHOLE_POOL, Project, budget_name, run_name


def run(project: Project, target: str, seed: int) -> None:
    """Score every predictor and baseline of one campaign."""
    settings, atlas = project.settings, project.atlas()
    split, measured = project.split(atlas, target), atlas.of(target)
    task = task_of(settings, atlas, project.features(atlas), target, library=split.test)
    _, anchors = project.anchors(atlas, target, seed)

    def contenders() -> Iterator[Contender]:
        anchor_z = measured.responses_of(anchors)
        yield from baselines(task, anchors, anchor_z, split.test)
        yield from rival(extra_trees(task), anchors, anchor_z, split.test, seed)
        predictor = load_predictor(settings, task, project.pretrained(target))
        yield unfitted(predictor, len(atlas.genes), split.test, seed)
        fits = {}
        for budget in sorted(settings.select.budget):
            folder = project.finetuned(target, seed, budget_name(budget))
            project.require(folder / CARD)
            fits[budget_name(budget)] = budget, predictor.load(folder)
        yield from fitted_contenders(fits, split.test, seed)
        if settings.finetune.whole_pool:
            folder = project.finetuned(target, seed, WHOLE_POOL)
            project.require(folder / CARD)
            yield predicted(WHOLE_POOL, len(split.pool), predictor.load(folder), split.test)

    seen = np.isin(split.test, task.sources.measured_drugs())
    z = measured.responses_of(split.test)
    tables = score_tables(
        contenders(),
        labels_of(z, settings.curate.threshold),
        z,
        seen,
        drugs=atlas.drugs["drug_id"].to_numpy()[split.test],
        genes=atlas.genes,
        genewise={"consensus", *map(budget_name, settings.select.budget)},
        where={"target": target, "seed": seed},
    )
    for kind, schema, table in (
        ("scores", schemas.SCORES, tables.scores),
        ("reliability", schemas.RELIABILITY, tables.reliability),
        ("risk_coverage", schemas.RISK_COVERAGE, tables.risk_coverage),
        ("test_drugs", schemas.TEST_DRUGS, tables.drugs),
        ("test_genes", schemas.TEST_GENES, tables.genes),
    ):
        columns = list(schema.columns) if kind != "scores" else list(table.columns)
        path = project.campaign_metrics(kind, target, seed)
        project.write(table[columns].reset_index(drop=True), schema, path, digits=6)
    counts = f"{counted(len(split.test), 'test drug')}, {int(seen.sum())} of them seen in source lines"
    typer.echo(f"{run_name(target, seed)}: {counts}")
    shown = ["predictor", "drugs", "macro_f1", "per_drug_f1", "z_correlation", "ece"]
    typer.echo(tables.scores[shown].round(3).to_string(index=False, na_rep="-"))
