"""The commands of a campaign in the lab."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import IdColumn, Layer, Params, Seed, options_of_columns, project_of
from anchordrug.cli.screen import print_json
from anchordrug.errors import AnchorDrugError, require_packages
from anchordrug.project.turns import reading_atlas

app = typer.Typer(
    help="A campaign in the lab: choose drugs, lay out plates, import results, predict the library.",
    epilog="Order: new once, next and ingest for each round, finish at the end. status shows the next step.",
    no_args_is_help=True,
)
Dose = Annotated[float | None, typer.Option(help="Dose in uM on the plates; default: from the settings.")]
Time = Annotated[float | None, typer.Option(help="Treatment time in hours; default: from the settings.")]
Rehearsal = Annotated[
    bool, typer.Option(help="Rehearse with a cell line of the atlas; its measured responses are hidden.")
]
Campaign = Annotated[Path, typer.Argument(help="Folder of the campaign.", metavar="FOLDER")]


@app.command(
    epilog="Example: anchordrug campaign new campaigns/my-line --target MYLINE --library for_sale.csv "
    "--expression untreated.csv"
)
def new(
    folder: Campaign,
    target: Annotated[
        list[str],
        typer.Option(help="Target cell line. Repeat it to choose one shared drug list for several lines."),
    ],
    library: Annotated[
        Path,
        typer.Option(help="Table of available compounds: SMILES, InChIKey, drug_id or name; cost; stock."),
    ],
    predict: Annotated[
        Path | None, typer.Option(help="Table of the drugs to be predicted; default: the library.")
    ] = None,
    expression: Annotated[
        Path | None,
        typer.Option(help="Untreated expression of the target: counts, TPM or log2; symbols or Ensembl ids."),
    ] = None,
    budget: Annotated[int, typer.Option(min=1, help="Total number of drugs to test.")] = 30,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = 3,
    strategy: Annotated[
        str | None,
        typer.Option(help="Strategy that chooses the drugs; default: select.strategy of the settings."),
    ] = None,
    seed: Seed = 0,
    rehearsal: Rehearsal = False,
    dose_um: Dose = None,
    time_h: Time = None,
    id_column: IdColumn = None,
    params: Params = None,
) -> None:
    """Make a campaign: match the library with the drugs of the atlas, and learn a model of the target."""
    project = project_of(params)
    from anchordrug.bench.commands import new as command

    asked = command.NewCampaign(
        tuple(target),
        library,
        predict,
        expression,
        budget,
        rounds,
        strategy,
        seed,
        rehearsal,
        dose_um,
        time_h,
        id_column,
    )
    with options_of_columns(), reading_atlas(project):
        command.run(folder, asked, project)


@app.command("next", epilog="Example: anchordrug campaign next campaigns/my-line")
def next_(folder: Campaign, params: Params = None) -> None:
    """Choose the drugs of the next round, lay out their plates and write the pack for the lab."""
    require_packages(("matplotlib", "openpyxl"), "this command", "pipeline")
    project = project_of(params)
    from anchordrug.bench.commands import next as command

    with reading_atlas(project):
        command.run(folder, project)


@app.command(epilog="Example: anchordrug campaign ingest campaigns/my-line plate1_counts.csv")
def ingest(
    context: typer.Context,
    folder: Campaign,
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Counts, a DE table, z-scores, GCT, GCTX, .h5ad or a folder with matrix.mtx; default: the "
            "files in FOLDER/results/."
        ),
    ] = None,
    round_: Annotated[
        int | None,
        typer.Option("--round", min=1, help="Round that the results belong to; default: the latest."),
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="Plate or cell line of a file that does not name it.")
    ] = None,
    layer: Layer = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept without asking.")] = False,
    params: Params = None,
) -> None:
    """Import results: check wells and replicates, scale changes to the atlas, and ask to accept them."""
    project = project_of(params)
    from anchordrug.bench.commands import ingest as command

    def accept(_: object) -> bool:
        if context.obj.quiet and not yes:
            raise AnchorDrugError(
                "--quiet hides the results that you would accept; add --yes, or leave --quiet out"
            )
        try:
            return yes or typer.confirm("accept these results?")
        except typer.Abort as error:
            # Ends the line of the question.
            typer.echo()
            raise AnchorDrugError(
                f"{folder}: the results are not accepted, because nobody answered; nothing was changed: run "
                "the same line in a terminal and answer, or add --yes"
            ) from error

    with reading_atlas(project):
        command.run(folder, results or [], project, number=round_, belongs_to=of, layer=layer, accept=accept)


@app.command(epilog="Example: anchordrug campaign status campaigns/my-line")
def status(
    context: typer.Context,
    folder: Campaign,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the progress of a campaign and its next step."""
    from anchordrug.bench.commands import status as command

    if as_json:
        print_json(context, command.as_values(folder))
        return
    from anchordrug.cli.console import PlainConsole

    command.run(folder, PlainConsole())


@app.command(epilog="Example: anchordrug campaign finish campaigns/my-line")
def finish(
    folder: Campaign,
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write the predictions as .h5ad, .xlsx, .csv or .arrow; repeat it for several."
        ),
    ] = None,
    params: Params = None,
) -> None:
    """Fit the model to all results, export ONNX, predict the library, write the report."""
    project = project_of(params)
    from anchordrug.bench.commands import finish as command

    with reading_atlas(project):
        command.run(folder, project, also or ())


@app.command(epilog="Example: anchordrug campaign rehearse campaigns/try --out counts.csv")
def rehearse(
    folder: Campaign,
    out: Annotated[Path, typer.Option(help="Table of counts to write: .csv, .tsv or .parquet.")],
    params: Params = None,
) -> None:
    """Simulate the assay of a rehearsal: make counts for every well from measured responses."""
    project = project_of(params)
    from anchordrug.bench.commands import rehearse as command

    with reading_atlas(project):
        command.run(folder, out, project)
