"""The command that serves the local page, and the command of its runs."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import PARAMS, project_of, require_pipeline, root_of
from anchordrug.errors import SettingsError, require_packages
from anchordrug.project.turns import reading_atlas

app = typer.Typer()


@app.command(
    "app",
    rich_help_panel="In the lab",
    epilog="Example: anchordrug app campaigns/my-line\n\nanchordrug app --model models/onnx/SIM-T1.onnx",
)
def page(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of a campaign; default: all campaigns of the project.", metavar="FOLDER"),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Show only predictions with this exported model.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free port.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Open a page in your browser: a campaign from your files to predictions, on this computer only."""
    require_packages(("nicegui",), "this page", "app")
    if folder is not None and model is not None:
        raise SettingsError("FOLDER and --model exclude each other; give one of them")
    if model is None:
        require_pipeline()
        from anchordrug.settings import read_settings

        # Who starts it in another folder is told at once. Runs check the rest; torch takes seconds to import.
        read_settings(root_of() / PARAMS)
    from anchordrug.app.server import serve

    serve(root_of(), folder, model, port, browser=browser)


@app.command("app-work", hidden=True)
def work(folder: Annotated[Path, typer.Argument(help="The folder next to a campaign.")]) -> None:
    """Do a page's work in a process of its own."""
    from anchordrug.app.work import run

    run(folder, lambda: project_of(None), reading_atlas)
