"""The commands of the pipeline's stages, in their order."""

from pathlib import Path

import typer

from anchordrug.cli.options import Device, Params, Seed, Target, require_target, settings_of

PANEL = "Pipeline, in this order ('dvc repro' runs it all)"
app = typer.Typer()


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug curate")
def curate(params: Params = Path("params.yaml")) -> None:
    """Raw bundle to curated tables, with a funnel and the rejects."""
    settings = settings_of(params)
    from anchordrug.stages import curate as stage

    stage.run(settings)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug featurize")
def featurize(params: Params = Path("params.yaml")) -> None:
    """Fingerprints of drugs, annotation of genes, embeddings of cell lines."""
    settings = settings_of(params)
    from anchordrug.stages import featurize as stage

    stage.run(settings)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug split")
def split(params: Params = Path("params.yaml")) -> None:
    """Test drugs and pool of every target."""
    settings = settings_of(params)
    from anchordrug.stages import split as stage

    stage.run(settings)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug pretrain --target SIM-T1")
def pretrain(target: Target, device: Device = "cpu", params: Params = Path("params.yaml")) -> None:
    """Learn for a target what all other cell lines teach: priors, calibration, networks."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.predictors.mlp.training import device_of
    from anchordrug.stages import pretrain as stage

    stage.run(settings, target, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug select --target SIM-T1 --seed 0")
def select(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Choose the anchor drugs of a target, round by round."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.predictors.mlp.training import device_of
    from anchordrug.stages import select as stage

    stage.run(settings, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug compare --target SIM-T1 --seed 0")
def compare(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Play other strategies (compare in params.yaml), for the report's learning curves."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.predictors.mlp.training import device_of
    from anchordrug.stages import compare as stage

    stage.run(settings, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug finetune --target SIM-T1 --seed 0")
def finetune(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Fit the final predictors of a target to its anchors."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.predictors.mlp.training import device_of
    from anchordrug.stages import finetune as stage

    stage.run(settings, target, seed, device_of(device))


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug evaluate --target SIM-T1 --seed 0")
def evaluate(target: Target, seed: Seed = 0, params: Params = Path("params.yaml")) -> None:
    """Score the predictors and baselines of a campaign on its test drugs."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.stages import evaluate as stage

    stage.run(settings, target, seed)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug export --target SIM-T1")
def export(target: Target, params: Params = Path("params.yaml")) -> None:
    """Write the predictor of a target as one ONNX file."""
    settings = settings_of(params)
    require_target(settings, target)
    from anchordrug.stages import export as stage

    stage.run(settings, target)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug summarise")
def summarise(params: Params = Path("params.yaml")) -> None:
    """Collect the scores of all campaigns into metrics/summary.json and the plots' tables."""
    settings = settings_of(params)
    from anchordrug.stages import summarise as stage

    stage.run(settings)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug report")
def report(params: Params = Path("params.yaml")) -> None:
    """Write metrics/report.html, one file that tells the whole run, and its figures as SVG."""
    settings = settings_of(params)
    from anchordrug.stages import report as stage

    stage.run(settings)
