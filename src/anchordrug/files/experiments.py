"""Folders named relative to a project, seen from the copies of it in which DVC runs experiments."""

from pathlib import Path

# `dvc exp run --temp` and `--queue` work in .dvc/tmp/exps/NAME and .dvc/tmp/exps/standalone/NAME.
_COPIES = (".dvc", "tmp", "exps")


def seen_from(root: Path, folder: Path) -> Path:
    """Return `folder` relative to `root`; where DVC's copy of a project lacks it, relative to the project."""
    here = root / folder
    parts = root.resolve().parts
    starts = [place for place in range(len(parts)) if parts[place : place + 3] == _COPIES]
    if folder.is_absolute() or here.exists() or not starts:
        return here
    project = Path(*parts[: starts[0]])
    below = parts[starts[0] + 3 :]
    below = Path(*below[2 if below[:1] == ("standalone",) else 1 :])
    # A copy is of the git repository, of which the project may be a folder.
    places = (base / below / folder for base in (project, *project.parents))
    return next((place for place in places if place.exists()), here)


def outside_of_copies(root: Path, folder: Path, key: str) -> str | None:
    """Return the message on a setting whose folder DVC's copies of the project cannot see, if any."""
    place = (root / folder).resolve()
    if folder.is_absolute() or place.is_relative_to(root.resolve()) or not (root / ".dvc").is_dir():
        return None
    return (
        f"{key}: {folder} is outside of the project, where experiments in a folder of their own ('dvc exp "
        f"run' with --temp or --queue) do not find it; write {place}"
    )
