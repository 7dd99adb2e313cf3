"""Files and folders written whole or not at all."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from anchordrug.errors import RawDataError
from anchordrug.files.disk import naming

# What is being written has such a name until it is whole.
PARTIAL = ".partial-"
_log = logging.getLogger(__name__)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block succeeds, else remove it.

    The temporary file keeps the suffix of `path`, because writers choose a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{PARTIAL}{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _log.info("wrote %s", path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which must not exist; rename it if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(path)
        _log.info("wrote %s", path)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left half written in `folder` and below it."""
    for path in sorted(folder.rglob(f"{PARTIAL}*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_partial_of(path: Path) -> None:
    """Remove what killed processes left half written of the file `path`."""
    for partial in path.parent.glob(f"{PARTIAL}{escape(path.stem)}-*"):
        partial.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def require_file(path: Path, remedy: str) -> Path:
    """Return `path` if it is a file.

    Raises
    ------
    RawDataError
        Naming the path and the remedy; that is DVC's where the file's pointer is there.
    """
    if not path.is_file():
        pointer = path.with_name(f"{path.name}.dvc")
        if pointer.is_file():
            raise RawDataError(f"{path}: no such file, but {pointer.name} is there; run 'dvc pull {pointer}'")
        raise RawDataError(f"{path}: no such file; {remedy}")
    _log.info("reading %s", path)
    return path
