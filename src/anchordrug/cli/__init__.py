"""The command line: the commands of the other modules, the global options, and `main`."""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli import atlas, bench, page, pipeline, prediction, release, tools
from anchordrug.cli.group import PlainGroup
from anchordrug.cli.home import give_matplotlib_a_home
from anchordrug.cli.options import ROOT
from anchordrug.cli.screen import FAILED, INTERRUPTED, Screen, be_quiet, be_verbose, explained, interrupted
from anchordrug.cli.streams import flush_output, open_streams, require_readable, say

app = typer.Typer(
    name="anchordrug",
    cls=PlainGroup,
    help="Choose which drugs to test in a new cell line, and predict how drugs change its gene expression.",
    epilog="Examples, one of each group (anchordrug COMMAND --help shows more):"
    "\n\n  anchordrug select --target SIM-T1 --seed 0"
    "\n\n  anchordrug predict --model models/onnx/SIM-T1.onnx --drugs drugs.csv --out predictions.csv"
    "\n\n  anchordrug campaign status campaigns/my-line"
    "\n\n  anchordrug fetch lincs2020_matrix"
    "\n\n  anchordrug doctor"
    "\n\nFirst steps: 'anchordrug doctor' checks the installation. In the lab, see 'anchordrug campaign "
    "new --help'; with an exported model, see 'anchordrug predict --help'.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# The groups of --help, in its order.
app.add_typer(pipeline.app)
app.add_typer(prediction.app)
app.add_typer(bench.app, name="campaign", rich_help_panel="In the lab")
app.add_typer(page.app)
app.add_typer(atlas.app, name="atlas", rich_help_panel="In the lab")
app.add_typer(release.app)
app.add_typer(tools.app)


@app.callback()
def global_options(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors (and --json output).")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print which files are read and written, with times.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the Python traceback of an error.")] = False,
    project: Annotated[
        Path,
        typer.Option(
            "--project",
            help="Folder of the project; default: the current folder.",
            exists=True,
            file_okay=False,
            show_default=False,
        ),
    ] = Path(),
) -> None:
    """Apply the options before the command."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other; give one of them")
    ROOT.set(project)
    screen = context.ensure_object(Screen)
    screen.debug, screen.quiet, screen.command = debug, quiet, context.invoked_subcommand or ""
    # Help is asked for, and is printed before a command could say that it is.
    if quiet and "--help" not in sys.argv:
        be_quiet(context)
    if verbose:
        be_verbose(context)


def main() -> None:
    """Run the command line; every error is one line on standard error, the exit code says of which kind."""
    open_streams()
    give_matplotlib_a_home()
    code = _run()
    error = flush_output()
    if isinstance(error, BrokenPipeError):
        # Who reads it has had enough.
        code = code or FAILED
    elif error is not None and not code:
        line, code = explained(error)
        say(f"anchordrug: {line}")
    sys.exit(code)


def _run() -> int | str | None:
    screen = Screen()
    try:
        require_readable(sys.argv[1:])
        app(obj=screen)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            say(f"anchordrug: {interrupted(screen.command)}")
        return end.code
    except Exception as error:
        if screen.debug:
            traceback.print_exc()
        line, code = explained(error)
        say(f"anchordrug: {line}")
        return code
    return 0
