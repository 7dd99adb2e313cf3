"""Stage split: test drugs and pool of every target."""

import numpy as np
import typer

from anchordrug import schemas
from anchordrug.atlas.splits import split_targets
from anchordrug.errors import counted
from anchordrug.project.project import Project


def run(project: Project) -> None:
    """Split the drugs of every target."""
    settings, atlas = project.settings, project.atlas()
    splits = split_targets(
        atlas,
        settings.targets,
        by=settings.split.by,
        test_fraction=settings.split.test_fraction,
        pool=settings.split.pool,
        seed=settings.split.seed,
        leave_out=settings.pretrain.leave_out,
        common=settings.select.scenario == "common",
    )
    why = "not in the pool of every target" if settings.select.scenario == "common" else "in no source line"
    for target, own in splits.groupby("target", sort=False):
        counts = own["role"].value_counts()
        test, pool = int(counts["test"]), int(counts["pool"])
        z = atlas.of(str(target)).z
        part = int(np.isnan(z).any(axis=1).sum())
        rest = len(z) - test - pool - part
        said = f", {rest} left out ({why})" if rest else ""
        said += f", {part} left out (a gene was not measured)" if part else ""
        typer.echo(f"{target}: {counted(test, 'test drug')}, {counted(pool, 'pool drug')}{said}")
    project.write(splits, schemas.SPLITS, project.splits)
