"""Files and folders of results, as they are given and as a campaign keeps them under results/."""

import shutil
from pathlib import Path

import typer

from anchordrug.bench import folder as files
from anchordrug.bench.assays.request import ResultFile
from anchordrug.errors import AssayError, RawDataError
from anchordrug.files.atomic import atomic_folder, atomic_path, require_file
from anchordrug.files.digests import digest_of, sha256
from anchordrug.raw.matrix_market import is_matrix_folder
from anchordrug.raw.text import require_readable


def kept_files(folder: Path, number: int) -> dict[str, Path]:
    """Return the files and folders of matrices under results/ of a round, by their name there."""
    here = files.results_of(folder, number)
    found = sorted(path for path in here.rglob("*") if path.is_file()) if here.is_dir() else []
    found = [path for path in found if not path.name.startswith(".")]
    folders = {parent for parent in {path.parent for path in found} - {here} if is_matrix_folder(parent)}
    places = dict.fromkeys(path.parent if path.parent in folders else path for path in found)
    return {path.relative_to(here).as_posix(): path for path in places}


def new_files(
    folder: Path, number: int, given: list[ResultFile], kept: dict[str, Path]
) -> dict[str, ResultFile]:
    """Return the given files by the name that they have, or will have, under results/.

    Raises
    ------
    AssayError
        A file is missing or unreadable, gave the results of another round, or has the name of another file.
    """
    rounds = files.round_numbers(folder)
    known = {digest(path): (n, name) for n in rounds for name, path in kept_files(folder, n).items()}
    named: dict[str, ResultFile] = {}
    for file in given:
        path = file.path
        _require_readable(path)
        key = digest(path)
        name = f"{file.belongs_to}/{path.name}" if file.belongs_to else path.name
        other, name = known.get(key, (number, name))
        if other != number:
            raise AssayError(
                f"{path}: is the file that gave the results of round {other}; give the file of round {number}"
            )
        if key in known:
            typer.echo(f"{path}: was given before; counted once")
        elif name in kept or name in named:
            raise AssayError(
                f"{path}: round {number} has another file of this name; rename it, or, if it replaces "
                f"the other, delete {files.results_of(folder, number) / name}"
            )
        known[key] = number, name
        named[name] = file
    return named


def result_file(name: str, path: Path, layer: str | None) -> ResultFile:
    """Return a file by its name under results/NN/, whose folder is the plate or cell line it belongs to."""
    belongs_to = Path(name).parent.as_posix()
    return ResultFile(path, None if belongs_to == "." else belongs_to, layer)


def keep(path: Path, place: Path) -> None:
    """Copy a file or a folder of a matrix to `place`, whole or not at all."""
    if not path.is_dir():
        with atomic_path(place) as temporary:
            shutil.copyfile(path, temporary)
        return
    with atomic_folder(place) as temporary:
        for file in _files_in(path):
            shutil.copyfile(file, temporary / file.name)


def digest(path: Path) -> str:
    """Return a short name for the contents of a file, or of the files in a folder."""
    if not path.is_dir():
        return sha256(path)
    return digest_of({file.name: sha256(file) for file in _files_in(path)})


def inputs_of(path: Path) -> list[Path]:
    """Return the files that are read of a file or folder of results."""
    return _files_in(path) if path.is_dir() else [path]


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _require_readable(path: Path) -> None:
    if is_matrix_folder(path):
        return
    try:
        if path.is_dir():
            require_readable(path)
        require_file(path, "name the results of the round")
    except RawDataError as error:
        raise AssayError(str(error)) from error
