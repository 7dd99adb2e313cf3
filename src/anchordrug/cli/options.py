"""Parts that commands share: options, their checks, and the completion of targets."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchordrug.errors import LibraryError, SettingsError, require_packages

# pydantic takes as long to import as all of the help takes to show.
if TYPE_CHECKING:
    from anchordrug.project.project import Project


def targets_in_params(context: typer.Context, incomplete: str) -> list[str]:
    """Return the targets in the settings that begin with `incomplete`, for the shell's completion."""
    try:
        from anchordrug.files.yaml_values import read_yaml

        path = context.params.get("params") or context.find_root().params["project"] / PARAMS
        targets = map(str, read_yaml(Path(path))["targets"])
        return [target for target in targets if target.startswith(incomplete) and target.isprintable()]
    except Exception:
        # A shell that completes has no place for a message; the command itself reports the fault.
        return []


PARAMS = "params.yaml"
# The folder that --project names.
ROOT: ContextVar[Path] = ContextVar("root", default=Path())
Params = Annotated[
    Path | None, typer.Option(help="Settings file; default: params.yaml in the folder of the project.")
]
Target = Annotated[
    str,
    typer.Option(
        help="Target cell line, one of 'targets' in the settings.", autocompletion=targets_in_params
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Device = Annotated[
    str, typer.Option(help="Device that trains networks: cpu, cuda (a GPU), or auto (a GPU if present).")
]
IdColumn = Annotated[
    str | None,
    typer.Option(help="Column (SDF: property) of the compounds' ids; default: detected."),
]
Layer = Annotated[
    str | None,
    typer.Option(help="Matrix of an .h5ad (X, raw or a layer) or of a folder; default: detected."),
]


@contextmanager
def options_of_columns() -> Iterator[None]:
    """Tell which option names a column that a table of compounds does not have."""
    from anchordrug.raw.compound_columns import ColumnError

    try:
        yield
    except ColumnError as error:
        raise LibraryError(f"{error} (--{error.argument.replace('_', '-')})") from error


def root_of() -> Path:
    """Return the folder of the project that the running command is for."""
    return ROOT.get()


def require_pipeline() -> None:
    """Check that the packages for work with a project are installed.

    Raises
    ------
    AnchorDrugError
        One is missing.
    """
    require_packages(("pydantic", "pandera", "torch", "h5py", "onnx"), "this command", "pipeline")


def project_of(params: Path | None) -> "Project":
    """Open the project of a command that needs the whole pipeline installed.

    Its settings are `params`, or else params.yaml in its folder.
    """
    require_pipeline()
    from anchordrug.predictors.registry import check_predictors
    from anchordrug.project.project import Project
    from anchordrug.settings import read_settings

    root = root_of()
    path = params or root / PARAMS
    settings = read_settings(path)
    check_predictors(settings, path)
    return Project(root, settings)


def require_target(project: "Project", target: str) -> None:
    """Raise an error that names the targets there are, where `target` is none of them."""
    if target not in project.settings.targets:
        from anchordrug.raw.line_names import near_line

        raise SettingsError(
            f"--target {target}: not one of 'targets' in the settings ({', '.join(project.settings.targets)})"
            f"{near_line(target, project.settings.targets)}"
        )
