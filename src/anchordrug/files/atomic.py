"""Files and folders written whole or not at all."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from anchordrug.errors import RawDataError
from anchordrug.files.disk import naming

# A file or folder that is being written has such a name until it is whole.
PARTIAL = ".partial-"
# The random part of it that `tempfile` gives.
_RANDOM = "?" * 8
_log = logging.getLogger(__name__)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name next to `path`; rename it to `path` if the block succeeds, else remove it.

    The temporary file keeps the suffix of `path`, because writers choose a format by it. Half-written
    files that killed processes left of `path` are removed.
    """

    def new() -> Path:
        handle, name = tempfile.mkstemp(prefix=f"{PARTIAL}{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        return Path(name)

    pattern = f"{PARTIAL}{escape(path.stem)}-{_RANDOM}{escape(path.suffix)}"
    with _replacing(path, pattern, new) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`, which must not exist; rename it if the block succeeds.

    Half-written folders that killed processes left of `path` are removed.
    """

    def new() -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent))

    with _replacing(path, f"{PARTIAL}{escape(path.name)}-{_RANDOM}", new) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())


@contextmanager
def _replacing(path: Path, pattern: str, new: Callable[[], Path]) -> Iterator[Path]:
    """Yield the file that `new` makes next to `path`, matching `pattern`; rename or remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(pattern):
        _remove_unless_held(left_over)
    with naming(path), _final_name(path):
        temporary, handle = _held(new)
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                remove(temporary)
            raise
        finally:
            os.close(handle)
    _log.info("wrote %s", path)


def _held(new: Callable[[], Path]) -> tuple[Path, int]:
    """Return the file that `new` makes, and a descriptor whose lock tells others of the living writer."""
    while True:
        temporary = new()
        with suppress(FileNotFoundError):
            handle = os.open(temporary, os.O_RDONLY)
            # Not all file systems have locks; a file without one is never taken for left over.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            # Another process may have taken it for left over before it was locked.
            if temporary.exists():
                return temporary, handle
            os.close(handle)


def _remove_unless_held(left_over: Path) -> None:
    """Remove a file or folder that no living process writes; leave it if that cannot be known."""
    with suppress(OSError):
        handle = os.open(left_over, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(left_over)
        finally:
            os.close(handle)


@contextmanager
def _final_name(path: Path) -> Iterator[None]:
    """Have errors of the system name `path` instead of a temporary name, which is gone when they are read."""
    try:
        yield
    except OSError as error:
        if PARTIAL in str(error.filename):
            error.filename = str(path)
            error.filename2 = None
        raise


def remove_partial(folder: Path) -> None:
    """Remove the half-written files that killed processes left in `folder` and below it."""
    for path in sorted(folder.rglob(f"{PARTIAL}*")):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
