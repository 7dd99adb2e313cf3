"""Stage pretrain: the lessons of a target's source cell lines, which are all other lines."""

import pandas as pd
import typer

from anchordrug.atlas.splits import require_targets
from anchordrug.files.digests import digest_of
from anchordrug.files.tables import write_table
from anchordrug.predictors.base import Work
from anchordrug.predictors.loading import learn, task_of
from anchordrug.predictors.registry import params_of
from anchordrug.project.project import Project


def run(project: Project, target: str, device: str = "cpu") -> None:
    """Learn for `target` the state of the predictor from its source lines that the settings name."""
    settings, atlas = project.settings, project.atlas()
    require_targets((target,), atlas, settings.pretrain.leave_out)
    task = task_of(settings, atlas, project.features(atlas), target, device)
    hashes = project.hashes(
        project.responses, project.drug_features, project.gene_features, project.cell_features
    )
    training = params_of(settings).pretrain.model_dump(mode="json")
    lines = task.sources.measured_lines()
    key = digest_of(lines, settings.predictor, settings.curate.threshold, training, hashes)
    checkpoint = project.checkpoints / f"pretrain-{key}.safetensors"
    work = Work(lambda line: typer.echo(f"{target}: {line}"), checkpoint)
    losses = learn(settings, task, project.pretrained(target), hashes, work).losses
    log = pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": list(losses)})
    write_table(log, project.metrics / "pretrain" / f"{target}.csv")
    # Targets that are all left out share their lessons: the checkpoint stays for the others.
    if set(settings.pretrain.leave_out) <= {target}:
        checkpoint.unlink(missing_ok=True)
