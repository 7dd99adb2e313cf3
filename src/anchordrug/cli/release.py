"""The commands that turn the full release into a raw bundle."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import require_packages

PANEL = "The full LINCS release (in sources/lincs/pipeline)"
app = typer.Typer()
ReleaseParams = Annotated[Path, typer.Option(help="The settings beside the manifest.")]


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug fetch lincs2020_matrix")
def fetch(
    key: Annotated[str, typer.Argument(help="A file, by its key in the manifest.")],
    manifest: Annotated[Path, typer.Option(help="What lies where.")] = Path("manifest.yaml"),
    params: ReleaseParams = Path("params.yaml"),
    into: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("downloads"),
) -> None:
    """Download a file of the release; run again after a cut, it goes on."""
    require_packages("pydantic", "requests")
    from anchordrug.stages import fetch as stage

    stage.run(key, manifest, params, into)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug pack lincs2020")
def pack(
    release: Annotated[str, typer.Argument(help="lincs2020, gse92742 or gse70138.")],
    downloads: Annotated[Path, typer.Option(help="The folder of what was fetched.")] = Path("downloads"),
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: bundles/RELEASE.")] = None,
    params: ReleaseParams = Path("params.yaml"),
) -> None:
    """Make a raw bundle of what was fetched: matrix, tables, expression, annotation."""
    require_packages("pydantic", "obonet")
    from anchordrug.stages import pack as stage

    stage.run(release, downloads, out or Path("bundles") / release, params)


@app.command("slice", rich_help_panel=PANEL, epilog="Example: anchordrug slice")
def slice_(
    downloads: Annotated[
        Path, typer.Option(help="The folder of the fetched tables; what arrives is kept there.")
    ] = Path("downloads"),
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("bundles/slice"),
    manifest: Annotated[Path, typer.Option(help="What lies where.")] = Path("manifest.yaml"),
    params: ReleaseParams = Path("params.yaml"),
) -> None:
    """Make a raw bundle of some cell lines, by fetching their rows; run again after a cut, it goes on."""
    require_packages("pydantic", "requests", "obonet", "h5py")
    from anchordrug.stages import slice as stage

    stage.run(downloads, out, manifest, params)
