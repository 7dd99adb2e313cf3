"""The command line: one command for each stage, and simulate for the demo data."""

import math
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
ENGINES = ("local", "ray")
STAGES, TOOLS = "Pipeline stages (dvc repro runs them)", "Tools"
RELEASE = "The full release (in sources/lincs)"

Params = Annotated[Path, typer.Option(help="The settings.")]
Target = Annotated[str, typer.Option(help="The target cell line, one of 'targets' in the settings.")]
Seed = Annotated[int, typer.Option(min=0, help="The seed of this campaign.")]
Device = Annotated[
    str, typer.Option(help="Where networks are trained: cpu, cuda (a GPU), or auto: a GPU if there is one.")
]


def _require_packages(*names: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise AnchorDrugError(
            f"this command needs {missing[0]}, which is not installed; "
            "run: pip install 'anchordrug[pipeline]'"
        )


def _settings(params: Path):
    _require_packages("pydantic", "pandera", "torch", "h5py", "onnx")
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
def pretrain(target: Target, device: Device = "cpu", params: Params = Path("params.yaml")) -> None:
    """Learn for a target what all other cell lines teach: priors, calibration, networks."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import pretrain as stage
    from anchordrug.training import device_of

    stage.run(settings, target, device_of(device))


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug select --target SIM-T1 --seed 0")
def select(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Choose the anchor drugs of a target, round by round."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import select as stage
    from anchordrug.training import device_of

    stage.run(settings, target, seed, device_of(device))


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug compare --target SIM-T1 --seed 0")
def compare(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Play other strategies (compare in params.yaml), for the report's learning curves."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import compare as stage
    from anchordrug.training import device_of

    stage.run(settings, target, seed, device_of(device))


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug finetune --target SIM-T1 --seed 0")
def finetune(
    target: Target, seed: Seed = 0, device: Device = "cpu", params: Params = Path("params.yaml")
) -> None:
    """Fit the final predictors of a target to its anchors."""
    settings = _settings(params)
    _require_target(settings, target)
    from anchordrug.stages import finetune as stage
    from anchordrug.training import device_of

    stage.run(settings, target, seed, device_of(device))


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
    "--out predictions.csv"
    "\n\nzcat library.smi.gz | anchordrug predict --model a.onnx --model b.onnx --drugs - --layout wide "
    "--out labels.parquet",
)
def predict(
    model: Annotated[
        list[Path], typer.Option(help="An exported model, models/onnx/TARGET.onnx; several by repetition.")
    ],
    drugs: Annotated[
        str, typer.Option(help="Table, SMILES file, SDF (each also .gz), parquet, .xlsx; - for a pipe.")
    ],
    out: Annotated[str, typer.Option(help="Where to write: .parquet, .csv or .arrow; with ray, a folder.")],
    layout: Annotated[
        str, typer.Option(help="long: a row per drug and gene; wide: a row per drug, a column per gene.")
    ] = "long",
    values: Annotated[
        str, typer.Option(help="What a wide table holds: label, z, p_down, p_none or p_up.")
    ] = "label",
    top: Annotated[
        int | None, typer.Option(min=1, help="Only so many genes of each drug, likeliest to change first.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of labels to answer; the others are 'unknown'.")
    ] = 0.8,
    smiles_column: Annotated[
        str | None, typer.Option(help="Column of the SMILES, if its name does not say so.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column (SDF: property) of the ids, if its name does not say so.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local, or ray: a cluster reads and writes partitioned parquet, also by URL.")
    ] = "local",
) -> None:
    """Predict every drug of a library x every gene; run again after a cut, it goes on.

    Rows that cannot be predicted go to OUT's .rejects.csv with the reason, those that repeat a structure to
    its .duplicates.csv.
    """
    from anchordrug.errors import LibraryError, near
    from anchordrug.prediction_tables import LAYOUTS, VALUES, TableShape
    from anchordrug.stages import predict as stage

    if math.isnan(coverage):
        raise LibraryError("--coverage nan: give a share between 0 and 1")
    if engine not in ENGINES:
        raise LibraryError(f"--engine {engine}: not one of {', '.join(ENGINES)}")
    if layout not in LAYOUTS:
        raise LibraryError(f"--layout {layout}: not one of {', '.join(LAYOUTS)}{near(layout, LAYOUTS)}")
    if values not in VALUES:
        raise LibraryError(f"--values {values}: not one of {', '.join(VALUES)}{near(values, VALUES)}")
    shape = TableShape(layout, values, top, coverage)
    if engine == "ray":
        from anchordrug.stages import predict_ray

        predict_ray.run(model, drugs, out, shape, smiles_column, id_column)
        return
    stage.run(model, Path(drugs), Path(out), shape, smiles_column, id_column)


@app.command(
    rich_help_panel=TOOLS,
    epilog="Example: anchordrug rank --model m.onnx --drugs library.csv --signature disease_de.csv "
    "--out ranking.csv"
    "\n\nanchordrug rank --model m.onnx --drugs library.csv --up up.txt --down down.txt --mimic "
    "--out like.csv",
)
def rank(
    model: Annotated[Path, typer.Option(help="An exported model, models/onnx/TARGET.onnx.")],
    drugs: Annotated[Path, typer.Option(help="Compounds, as for predict.")],
    out: Annotated[Path, typer.Option(help="Where to write: .csv, .parquet or .arrow.")],
    signature: Annotated[
        Path | None, typer.Option(help="A table of differential expression, or GCT.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Its column of values; default: a statistic, else log2 fold change.")
    ] = None,
    up: Annotated[Path | None, typer.Option(help="Instead: genes that go up, a symbol a line.")] = None,
    down: Annotated[Path | None, typer.Option(help="Genes that go down.")] = None,
    mimic: Annotated[
        bool, typer.Option("--mimic", help="Drugs that do the same first, not those that reverse it.")
    ] = False,
    permutations: Annotated[int, typer.Option(min=10, help="Permutations of the signature's genes.")] = 1000,
    seed: Seed = 0,
    smiles_column: Annotated[str | None, typer.Option(help="As for predict.")] = None,
    id_column: Annotated[str | None, typer.Option(help="As for predict.")] = None,
) -> None:
    """Rank drugs by how well their predicted responses reverse (or mimic) a signature."""
    from anchordrug.stages import rank as stage

    stage.run(
        model,
        drugs,
        out,
        signature,
        column,
        up,
        down,
        mimic=mimic,
        permutations=permutations,
        seed=seed,
        columns=(smiles_column, id_column),
    )


@app.command(rich_help_panel=TOOLS, epilog="Example: anchordrug inspect models/onnx/SIM-T1.onnx")
def inspect(
    model: Annotated[Path, typer.Argument(help="An exported model, models/onnx/TARGET.onnx.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole card as JSON.")] = False,
) -> None:
    """Show what a model is: target, genes, data, metrics, what it is for and where it ends."""
    from anchordrug.stages import inspect as stage

    stage.run(model, as_json=as_json)


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


@app.command(rich_help_panel=STAGES, epilog="Example: anchordrug report")
def report(params: Params = Path("params.yaml")) -> None:
    """Write metrics/report.html, one file that tells the whole run, and its figures as SVG."""
    settings = _settings(params)
    from anchordrug.stages import report as stage

    stage.run(settings)


@app.command(rich_help_panel=TOOLS, epilog="Example: anchordrug simulate --out datasets/demo --seed 0")
def simulate(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bundle.")] = 0,
) -> None:
    """Write a simulated raw bundle in the release's formats: real molecules, invented responses."""
    from anchordrug.raw import simulate as simulator

    simulator.simulate(out, seed)


@app.command(
    rich_help_panel=TOOLS,
    epilog="Example: anchordrug panel --size 307 --compare ../shared/lincs/gene_panel_307.txt",
)
def panel(
    size: Annotated[int, typer.Option(min=1, help="How many genes the panel holds.")] = 307,
    out: Annotated[Path, typer.Option(help="The panel, a gene a line, best first.")] = Path("gene_panel.txt"),
    scores: Annotated[Path, typer.Option(help="The score of every gene: .csv, .tsv or .parquet.")] = Path(
        "gene_scores.csv"
    ),
    compare: Annotated[Path | None, typer.Option(help="Another panel, to count the genes in both.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds.")] = 0,
    params: Params = Path("params.yaml"),
) -> None:
    """Rank genes by how well source lines predict them, and write the best as a panel."""
    settings = _settings(params)
    from anchordrug.stages import panel as command

    command.run(settings, size, out, scores, compare, seed)


@app.command(rich_help_panel=RELEASE, epilog="Example: anchordrug fetch lincs2020_matrix")
def fetch(
    key: Annotated[str, typer.Argument(help="A file, by its key in the manifest.")],
    manifest: Annotated[Path, typer.Option(help="What lies where.")] = Path("manifest.yaml"),
    params: Params = Path("params.yaml"),
    into: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("downloads"),
) -> None:
    """Download a file of the release; run again after a cut, it goes on."""
    _require_packages("pydantic", "requests")
    from anchordrug.stages import fetch as stage

    stage.run(key, manifest, params, into)


@app.command(rich_help_panel=RELEASE, epilog="Example: anchordrug pack lincs2020")
def pack(
    release: Annotated[str, typer.Argument(help="lincs2020, gse92742 or gse70138.")],
    downloads: Annotated[Path, typer.Option(help="The folder of what was fetched.")] = Path("downloads"),
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: bundles/RELEASE.")] = None,
    params: Params = Path("params.yaml"),
) -> None:
    """Make a raw bundle of what was fetched: matrix, tables, expression, annotation."""
    _require_packages("pydantic", "obonet")
    from anchordrug.stages import pack as stage

    stage.run(release, downloads, out or Path("bundles") / release, params)


campaign_app = typer.Typer(
    name="campaign",
    help="A campaign at the bench: choose drugs, lay out plates, take results back, predict the library.",
    epilog="In this order: new, then next and ingest in turn, then finish; status says where it stands.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(campaign_app, rich_help_panel="At the bench")
Campaign = Annotated[Path, typer.Argument(help="The campaign's folder.", metavar="FOLDER")]


@campaign_app.command(
    epilog="Example: anchordrug campaign new campaigns/my-line --target MYLINE --library for_sale.csv "
    "--expression untreated.csv"
)
def new(
    folder: Campaign,
    target: Annotated[
        list[str], typer.Option(help="The cell line; give it again for one list for several lines.")
    ],
    library: Annotated[
        Path,
        typer.Option(help="Table of what can be bought: SMILES, InChIKey, drug_id or name; cost; stock."),
    ],
    predict: Annotated[
        Path | None, typer.Option(help="Table of the drugs to be predicted; default: the library.")
    ] = None,
    expression: Annotated[
        Path | None,
        typer.Option(
            help="Untreated expression of the target: counts, TPM or log2, by symbol or Ensembl id."
        ),
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="Drugs in all.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds they are spread over.")] = 3,
    strategy: Annotated[
        str | None, typer.Option(help="How drugs are chosen; default: select.strategy of the settings.")
    ] = None,
    seed: Seed = 0,
    rehearsal: Annotated[
        bool, typer.Option(help="Play with a cell line of the atlas as if nothing were measured in it.")
    ] = False,
    params: Params = Path("params.yaml"),
) -> None:
    """Make a campaign: resolve the library against the atlas, describe the target, learn its model."""
    settings = _settings(params)
    from anchordrug.stages.bench import new as command

    asked = command.NewCampaign(
        tuple(target), library, predict, expression, budget, rounds, strategy, seed, rehearsal
    )
    command.run(folder, asked, settings)


@campaign_app.command("next", epilog="Example: anchordrug campaign next campaigns/my-line")
def next_(folder: Campaign, params: Params = Path("params.yaml")) -> None:
    """Choose the drugs of the next round and lay out their plates."""
    settings = _settings(params)
    from anchordrug.stages.bench import next as command

    command.run(folder, settings)


@campaign_app.command(epilog="Example: anchordrug campaign ingest campaigns/my-line plate1_counts.csv")
def ingest(
    folder: Campaign,
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Counts, a DE table, z-scores, GCT or GCTX; default: what lies in FOLDER/results/."
        ),
    ] = None,
    round_: Annotated[
        int | None, typer.Option("--round", min=1, help="The round they are of; default: the last.")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="The plate or cell line, where a file does not say it itself.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept without asking.")] = False,
    params: Params = Path("params.yaml"),
) -> None:
    """Take results back: check wells and replicates, put them on the atlas' scale, show, and accept."""
    settings = _settings(params)
    from anchordrug.stages.bench import ingest as command

    def accept() -> bool:
        return yes or typer.confirm("accept these results?")

    command.run(folder, results or [], settings, number=round_, belongs_to=of, accept=accept)


@campaign_app.command(epilog="Example: anchordrug campaign status campaigns/my-line")
def status(folder: Campaign) -> None:
    """Show where a campaign stands and what to do next."""
    from rich.console import Console

    from anchordrug.stages.bench import status as command

    command.run(folder, Console())


@campaign_app.command(epilog="Example: anchordrug campaign finish campaigns/my-line")
def finish(folder: Campaign, params: Params = Path("params.yaml")) -> None:
    """Fit to everything measured, export ONNX, predict the library, write the report."""
    settings = _settings(params)
    from anchordrug.stages.bench import finish as command

    command.run(folder, settings)


@campaign_app.command(epilog="Example: anchordrug campaign rehearse campaigns/try --out counts.csv")
def rehearse(
    folder: Campaign,
    out: Annotated[Path, typer.Option(help="The table of counts to write: .csv, .tsv or .parquet.")],
    params: Params = Path("params.yaml"),
) -> None:
    """Play the bench in a rehearsal: make up the counts of every well from measured responses."""
    settings = _settings(params)
    from anchordrug.stages.bench import rehearse as command

    command.run(folder, out, settings)


def main() -> None:
    """Run the command line; a user's mistake prints one line and exits 2."""
    try:
        app()
    except AnchorDrugError as error:
        print(f"anchordrug: {error}", file=sys.stderr)
        sys.exit(2)
