"""What commands share: options, their checks, and the completion of targets."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchordrug.errors import AnchorDrugError, SettingsError, near

# pydantic takes as long to import as all of the help takes to show.
if TYPE_CHECKING:
    from anchordrug.settings import Settings


def targets_in_params(context: typer.Context, incomplete: str) -> list[str]:
    """Return the targets in the settings that begin with `incomplete`, for the shell's completion."""
    try:
        import yaml

        values = yaml.safe_load(Path(context.params.get("params") or "params.yaml").read_text("utf-8"))
        return [target for target in map(str, values["targets"]) if target.startswith(incomplete)]
    except Exception:
        # A shell that completes has no place for a message; the command itself says what is wrong.
        return []


Params = Annotated[Path, typer.Option(help="The settings.")]
Target = Annotated[
    str,
    typer.Option(
        help="The target cell line, one of 'targets' in the settings.", autocompletion=targets_in_params
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="The seed of this campaign.")]
Device = Annotated[
    str, typer.Option(help="Where networks are trained: cpu, cuda (a GPU), or auto: a GPU if there is one.")
]


def require_packages(*names: str) -> None:
    """Raise an error that says what to install, where a package is missing."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise AnchorDrugError(
            f"this command needs {missing[0]}, which is not installed; "
            "run: pip install 'anchordrug[pipeline]'"
        )


def settings_of(params: Path) -> "Settings":
    """Read the settings of a command that needs the whole pipeline installed."""
    require_packages("pydantic", "pandera", "torch", "h5py", "onnx")
    from anchordrug.settings import read_settings

    return read_settings(params)


def require_target(settings: "Settings", target: str) -> None:
    """Raise an error that names the targets there are, where `target` is none of them."""
    if target not in settings.targets:
        raise SettingsError(
            f"--target {target}: not one of 'targets' in the settings ({', '.join(settings.targets)})"
            f"{near(target, settings.targets)}"
        )
