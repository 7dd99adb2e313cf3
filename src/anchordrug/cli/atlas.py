"""The commands of the additions to the atlas."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import IdColumn, Layer, Params, options_of_columns, project_of
from anchordrug.files.lock import reading
from anchordrug.project.turns import reading_atlas

app = typer.Typer(
    help="Additions to the atlas: further source lines, from campaigns and from tables of results.",
    epilog="After a change: anchordrug grow, or dvc repro.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="Name of the addition.", metavar="NAME")]


@app.command(
    epilog="Example: anchordrug atlas add my-line campaigns/my-line"
    "\n\nExample: anchordrug atlas add vcap vcap_z.csv --compounds vcap_library.csv --cell-line VCAP"
    "\n\nExample: anchordrug atlas add screen counts.csv --compounds library.csv --cell-line HT29 "
    "--plate-map plate_map.csv"
)
def add(
    name: Name,
    source: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a campaign; or z-scores, differential expression or counts, as for "
            "'campaign ingest'.",
            metavar="SOURCE",
        ),
    ],
    compounds: Annotated[
        Path | None, typer.Option(help="Tables only: the compounds, in the format of a campaign's library.")
    ] = None,
    cell_line: Annotated[str | None, typer.Option(help="Tables only: the cell line.")] = None,
    plate_map: Annotated[
        Path | None,
        typer.Option(help="Tables with wells, such as counts: the plate map. Single cells do not need one."),
    ] = None,
    expression: Annotated[
        Path | None, typer.Option(help="Tables only: untreated expression of a new cell line.")
    ] = None,
    assay: Annotated[
        str | None, typer.Option(help="Kind of assay, as free text; default: the kind of results.")
    ] = None,
    dose_um: Annotated[
        float | None,
        typer.Option(help="Dose in uM; default: from the campaign, the plate map or the settings."),
    ] = None,
    time_h: Annotated[
        float | None,
        typer.Option(help="Treatment time in hours; default: from the campaign or the settings."),
    ] = None,
    id_column: IdColumn = None,
    layer: Layer = None,
    params: Params = None,
) -> None:
    """Add the accepted responses of a campaign, or tables of results, to the atlas."""
    project = project_of(params)
    from anchordrug.bench.additions import command

    asked = command.NewAddition(
        name, source, compounds, cell_line, plate_map, expression, assay, dose_um, time_h, id_column, layer
    )
    with options_of_columns(), reading_atlas(project):
        command.add(asked, project)


@app.command("list", epilog="Example: anchordrug atlas list")
def list_(params: Params = None) -> None:
    """List the additions with their assay, dose, time and source."""
    project = project_of(params)
    from anchordrug.bench.additions import command

    with reading(project.checkpoints / "additions"):
        command.show(project)


@app.command(epilog="Example: anchordrug atlas remove my-line")
def remove(name: Name, params: Params = None) -> None:
    """Remove an addition; 'anchordrug grow' then restores the tables as they were without it."""
    project = project_of(params)
    from anchordrug.bench.additions import command

    command.remove(name, project)
