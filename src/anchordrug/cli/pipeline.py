"""The commands of the pipeline's stages, in their order."""

import typer

from anchordrug.cli.options import Device, Params, Seed, Target, project_of, require_target
from anchordrug.project.turns import alone

PANEL = "Pipeline, in this order ('dvc repro' runs it all)"
app = typer.Typer()


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug curate")
def curate(params: Params = None) -> None:
    """Make the curated tables from the raw bundle, with a funnel and the rejects."""
    project = project_of(params)
    from anchordrug.stages import curate as stage

    with alone(project, "curate"):
        stage.run(project)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug grow")
def grow(params: Params = None) -> None:
    """Make the atlas from the curated tables and the additions of 'anchordrug atlas'."""
    project = project_of(params)
    from anchordrug.stages import grow as stage

    with alone(project, "grow"):
        stage.run(project)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug featurize")
def featurize(params: Params = None) -> None:
    """Compute fingerprints of drugs, annotation of genes, and embeddings of cell lines."""
    project = project_of(params)
    from anchordrug.stages import featurize as stage

    with alone(project, "featurize"):
        stage.run(project)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug split")
def split(params: Params = None) -> None:
    """Divide the drugs of every target into test drugs and pool."""
    project = project_of(params)
    from anchordrug.stages import split as stage

    with alone(project, "split"):
        stage.run(project)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug pretrain --target SIM-T1")
def pretrain(target: Target, device: Device = "cpu", params: Params = None) -> None:
    """Train the models of a target on all other cell lines: priors, calibration, networks."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.predictors.device import device_of
    from anchordrug.stages import pretrain as stage

    with alone(project, "pretrain", target):
        stage.run(project, target, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug select --target SIM-T1 --seed 0")
def select(target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = None) -> None:
    """Choose the anchor drugs of a target, round by round."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.predictors.device import device_of
    from anchordrug.stages import select as stage

    with alone(project, "select", target, seed):
        stage.run(project, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug compare --target SIM-T1 --seed 0")
def compare(target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = None) -> None:
    """Repeat the campaign with other strategies (compare in params.yaml), for the learning curves."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.predictors.device import device_of
    from anchordrug.stages import compare as stage

    with alone(project, "compare", target, seed):
        stage.run(project, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug finetune --target SIM-T1 --seed 0")
def finetune(target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = None) -> None:
    """Fit the final predictors of a target to its anchors."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.predictors.device import device_of
    from anchordrug.stages import finetune as stage

    with alone(project, "finetune", target, seed):
        stage.run(project, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug evaluate --target SIM-T1 --seed 0")
def evaluate(target: Target, seed: Seed = 0, params: Params = None) -> None:
    """Score the predictors and baselines of a campaign on its test drugs."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.stages import evaluate as stage

    with alone(project, "evaluate", target, seed):
        stage.run(project, target, seed)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug hidden --target SIM-T1")
def hidden(target: Target, device: Device = "cpu", params: Params = None) -> None:
    """Score a target's campaigns with 40% of its drugs hidden from all source lines."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.predictors.device import device_of
    from anchordrug.stages import hidden as stage

    with alone(project, "hidden", target):
        stage.run(project, target, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug export --target SIM-T1")
def export(target: Target, params: Params = None) -> None:
    """Write the predictor of a target as one ONNX file."""
    project = project_of(params)
    require_target(project, target)
    from anchordrug.stages import export as stage

    with alone(project, "export", target):
        stage.run(project, target)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug summarise")
def summarise(params: Params = None) -> None:
    """Collect the scores of all campaigns into key figures, a summary and the plots' tables, in metrics/."""
    project = project_of(params)
    from anchordrug.stages import summarise as stage

    with alone(project, "summarise"):
        stage.run(project)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug report")
def report(params: Params = None) -> None:
    """Write metrics/report.html, one file that describes the whole run, and its figures as SVG."""
    project = project_of(params)
    from anchordrug.stages import report as stage

    with alone(project, "report"):
        stage.run(project)
