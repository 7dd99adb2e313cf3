"""The command line: one command for each stage, and simulate for the demo data."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from anchordrug.errors import AnchorDrugError

app = typer.Typer(
    name="anchordrug",
    help="Choose the anchor drugs to assay in a new cell line; predict how every drug changes its genes.",
    epilog="The stages run in order by 'dvc repro'. Start: anchordrug predict --help",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
STAGES, TOOLS = "Pipeline stages (dvc repro runs them)", "Tools"

Params = Annotated[Path, typer.Option(help="The settings.")]
Target = Annotated[str, typer.Option(help="The target cell line, one of 'targets' in the settings.")]
Seed = Annotated[int, typer.Option(min=0, help="The seed of this campaign.")]


def _settings(params: Path):
    missing = [name for name in ("pydantic", "pandera", "torch", "h5py", "onnx") if find_spec(name) is None]
    if missing:
        raise AnchorDrugError(
            f"this command needs {missing[0]}, which is not installed; "
            "run: pip install 'anchordrug[pipeline]'"
        )
    from anchordrug.settings import read_settings

    return read_settings(params)


def _require_target(settings, target: str) -> None:
    from anchordrug.errors import SettingsError, near

    if target not in settings.targets:
        raise SettingsError(
            f"--target {target}: not one of 'targets' in the settings ({', '.join(settings.targets)})"
            f"{near(target, settings.targets)}"
        )


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug curate")
def curate(params: Params = Path("params.yaml")) -> None:
    """Raw bundle to curated tables, with a funnel and the rejects."""
    settings = _settings(params)
    from anchordrug.stages import curate as stage

    stage.run(settings)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug featurize")
def featurize(params: Params = Path("params.yaml")) -> None:
    """Fingerprints of drugs, annotation of genes, embeddings of cell lines."""
    settings = _settings(params)
    from anchordrug.stages import featurize as stage

    stage.run(settings)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug split")
def split(params: Params = Path("params.yaml")) -> None:
    """Test drugs and pool of every target."""
    settings = _settings(params)
    from anchordrug.stages import split as stage

    stage.run(settings)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug pretrain --target SIM-T1")
def pretrain(target: Target, params: Params = Path("params.yaml")) -> None:
    """Learn for a target what all other cell lines teach: priors, calibration, networks."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import pretrain as stage

    stage.run(settings, target)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug select --target SIM-T1 --seed 0")
def select(target: Target, seed: Seed = 0, params: Params = Path("params.yaml")) -> None:
    """Choose the anchor drugs of a target, round by round."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import select as stage

    stage.run(settings, target, seed)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug finetune --target SIM-T1 --seed 0")
def finetune(target: Target, seed: Seed = 0, params: Params = Path("params.yaml")) -> None:
    """Fit the final predictors of a target to its anchors."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import finetune as stage

    stage.run(settings, target, seed)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug export --target SIM-T1")
def export(target: Target, params: Params = Path("params.yaml")) -> None:
    """Write the predictor of a target as one ONNX file."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import export as stage

    stage.run(settings, target)


@app.command(
    rich_help_panel=TOOLS,
    epilog="Example: anchordrug predict --model models/onnx/SIM-T1.onnx --drugs drugs.csv "
    "--out predictions.parquet",
)
def predict(
    model: Annotated[Path, typer.Option(help="An exported model, models/onnx/TARGET.onnx.")],
    drugs: Annotated[Path, typer.Option(help="CSV, TSV or parquet with a SMILES column.")],
    out: Annotated[Path, typer.Option(help="Where to write the predictions: .parquet or .csv.")],
) -> None:
    """Predict every drug of a table x every gene; unreadable structures go to OUT's .rejects.csv."""
    from anchordrug.stages import predict as stage

    stage.run(model, drugs, out)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug evaluate --target SIM-T1 --seed 0")
def evaluate(target: Target, seed: Seed = 0, params: Params = Path("params.yaml")) -> None:
    """Score the predictors and baselines of a campaign on its test drugs."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import evaluate as stage

    stage.run(settings, target, seed)


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug summarise")
def summarise(params: Params = Path("params.yaml")) -> None:
    """Collect the scores of all campaigns into metrics/summary.json and the plots' tables."""
    settings = _settings(params)
    from anchordrug.stages import summarise as stage

    stage.run(settings)


@app.command(rich_help_panel=TOOLS, epilog="Example: anchordrug simulate --out datasets/demo --seed 0")
def simulate(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bundle.")] = 0,
) -> None:
    """Write a simulated raw bundle in the release's formats: real molecules, invented responses."""
    from anchordrug.raw import simulate as simulator

    simulator.simulate(out, seed)


def main() -> None:
    """Run the command line; a user's mistake prints one line and exits 2."""
    try:
        app()
    except AnchorDrugError as error:
        print(f"anchordrug: {error}", file=sys.stderr)
        sys.exit(2)
