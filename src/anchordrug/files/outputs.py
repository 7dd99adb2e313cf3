"""Places that a command may write to: no input, folder, link or side file of another run."""

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from anchordrug.errors import OutputError
from anchordrug.files.atomic import PARTIAL

REJECTS, DUPLICATES = ".rejects.csv", ".duplicates.csv"
# Of a file being written, after `PARTIAL` and its name.
_RANDOM = "-12345678"


def side_files(out: Path) -> tuple[Path, Path]:
    """Return where the rejects and the duplicates of a run are written, next to its output."""
    return out.with_name(f"{out.name}{REJECTS}"), out.with_name(f"{out.name}{DUPLICATES}")


def require_outputs(
    outputs: Sequence[tuple[str, Path]], inputs: Iterable[Path | int], side: Sequence[Path] = ()
) -> None:
    """Check, before any work, that files can be written and overwrite nothing but an earlier output.

    Parameters
    ----------
    outputs
        Options, and the files to be written that they name.
    inputs
        Files that the command reads, or numbers of open files. A file of any name counts, also a hard link.
    side
        Side files, which are written too.

    Raises
    ------
    OutputError
        An output is an input, another output, a folder, a symbolic link, a device, or a side file of another
        run; or its folder cannot be written to.
    """
    inputs = list(inputs)
    for option, path in outputs:
        if path.name.endswith((REJECTS, DUPLICATES)):
            raise OutputError(
                f"{path}: is a name for rows that a run writes next to its output; name another {option}"
            )
    named = [*outputs, *((outputs[0][0], path) for path in side)]
    for place, (option, path) in enumerate(named):
        _require_writable(path, option)
        for given in inputs:
            if _is_same(path, given):
                which = "" if given == path or isinstance(given, int) else f" (it is {given})"
                raise OutputError(
                    f"{path}: is an input{which}, and would be overwritten; name another {option}"
                )
        for other, earlier in named[:place]:
            if _is_same(path, earlier) or path.absolute() == earlier.absolute():
                raise OutputError(f"{path}: is named by {other} and {option}; give two names")


def require_replaceable(folder: Path, inputs: Iterable[Path], option: str = "--out") -> None:
    """Check, before any work, that a folder can be written, and that its replacement removes no input.

    Raises
    ------
    OutputError
        The folder is a file, a link, or is or contains an input, or its own folder cannot be written to.
    """
    if folder.is_symlink():
        raise OutputError(f"{folder}: is a link to {folder.resolve()}; name the folder itself with {option}")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder with {option}")
    _require_place(folder, option)
    for given in inputs:
        if given.resolve().is_relative_to(folder.resolve()):
            raise OutputError(
                f"{folder}: has the input {given} in it, and would be replaced; name another {option}"
            )


def _require_writable(path: Path, option: str) -> None:
    try:
        os.lstat(path.with_name(f"{PARTIAL}{path.name}{_RANDOM}"))
    except ValueError as error:  # no name, as of "." and "/"
        raise OutputError(f"{path}: is a folder; name a file with {option}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(
                f"{path.parent}: the name of a file in it is too long; shorten {option}"
            ) from error
    if path.is_symlink():
        raise OutputError(f"{path}: is a link to {path.readlink()}; name the file itself with {option}")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file with {option}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe; name a file with {option}")
    _require_place(path, option)


def _require_place(path: Path, option: str) -> None:
    """Check that something can be made in the folder of `path`, which is made if need be."""
    there = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not there.is_dir():
        raise OutputError(f"{path}: {there} is not a folder; name another {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path}: {there} cannot be written to; have its permissions changed, or name another {option}"
        )


def _is_same(path: Path, other: Path | int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.stat(other))  # noqa: PTH116
    except OSError:
        return False
