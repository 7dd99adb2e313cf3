"""The commands that turn the full release into a raw bundle."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import require_packages

PANEL = "The full LINCS release (in sources/lincs/pipeline)"
app = typer.Typer()
ProfileTable = Annotated[
    Path | None,
    typer.Option(
        help="Input in place of a release: a long table (drug, SMILES, cell line, gene, z, dose, time), a "
        "sheet of contrasts (file, drug, SMILES, ...) or AnnData."
    ),
]
TableExpression = Annotated[
    Path | None, typer.Option(help="Table only: untreated expression of its cell lines.")
]
TableAnnotation = Annotated[
    Path | None, typer.Option(help="Table only: gene annotation, .csv, .gmt or .gaf.")
]
TableDose = Annotated[float | None, typer.Option(help="Table without doses: the dose of all rows in uM.")]
TableTime = Annotated[float | None, typer.Option(help="Table without times: the time of all rows in hours.")]
CentreLines = Annotated[
    bool, typer.Option("--centre-lines", help="Table only: subtract each line's mean over drugs.")
]
ReleaseParams = Annotated[Path, typer.Option(help="Settings file of the release.")]


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug fetch lincs2020_matrix")
def fetch(
    key: Annotated[str, typer.Argument(help="Key of the file in the manifest.")],
    manifest: Annotated[Path, typer.Option(help="List of files with their addresses.")] = Path(
        "manifest.yaml"
    ),
    params: ReleaseParams = Path("params.yaml"),
    into: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("downloads"),
) -> None:
    """Download a file of the release. An interrupted download resumes when repeated."""
    require_packages(("pydantic", "requests"), "this command", "pipeline")
    from anchordrug.stages import fetch as stage

    stage.run(key, manifest, params, into)


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: anchordrug pack lincs2020"
    "\n\nExample: anchordrug pack --table profiles.csv --out bundles/mine --dose-um 10 --time-h 24",
)
def pack(
    release: Annotated[str | None, typer.Argument(help="lincs2020, gse92742 or gse70138.")] = None,
    table: ProfileTable = None,
    downloads: Annotated[Path, typer.Option(help="Folder of the downloaded files.")] = Path("downloads"),
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: bundles/RELEASE or the table's name.")
    ] = None,
    expression: TableExpression = None,
    annotation: TableAnnotation = None,
    assay: Annotated[str, typer.Option(help="Table only: the kind of assay, as free text.")] = "z-scores",
    dose_um: TableDose = None,
    time_h: TableTime = None,
    centre_lines: CentreLines = False,
    layer: Annotated[str | None, typer.Option(help="AnnData only: the matrix of z-scores.")] = None,
    params: ReleaseParams = Path("params.yaml"),
) -> None:
    """Make a raw bundle from a downloaded release, or from a table of your own profiles."""
    if (release is None) == (table is None):
        raise typer.BadParameter("give either the name of a release or --table")
    if table is not None:
        require_packages(("h5py",), "this command", "pipeline")
        from anchordrug.raw.profile_columns import Usual
        from anchordrug.release.pack_profiles import Beside
        from anchordrug.stages import pack_profiles

        pack_profiles.run(
            table,
            out or Path("bundles") / table.name.split(".")[0],
            Beside(expression, annotation),
            Usual(dose_um, time_h),
            assay=assay,
            centre_lines=centre_lines,
            layer=layer,
        )
        return
    assert release is not None
    require_packages(("pydantic", "obonet"), "this command", "pipeline")
    from anchordrug.stages import pack as stage

    stage.run(release, downloads, out or Path("bundles") / release, params)


@app.command("slice", rich_help_panel=PANEL, epilog="Example: anchordrug slice")
def slice_(
    downloads: Annotated[
        Path, typer.Option(help="Folder of the downloaded tables; received data are kept there.")
    ] = Path("downloads"),
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("bundles/slice"),
    manifest: Annotated[Path, typer.Option(help="List of files with their addresses.")] = Path(
        "manifest.yaml"
    ),
    params: ReleaseParams = Path("params.yaml"),
) -> None:
    """Make a raw bundle of some cell lines by downloading only their rows. An interrupted run resumes."""
    require_packages(("pydantic", "requests", "obonet", "h5py"), "this command", "pipeline")
    from anchordrug.stages import slice as stage

    stage.run(downloads, out, manifest, params)
