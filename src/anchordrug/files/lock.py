"""A folder in which one process works at a time."""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from anchordrug.errors import SettingsError
from anchordrug.files.disk import naming

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, which is made if need be; the system lets go of it when the process ends.

    Raises
    ------
    SettingsError
        Another process holds it; the message names its command and its number.
    """
    with ExitStack() as stack:
        while True:
            file = stack.enter_context(_opened(folder))
            _take(file, folder, fcntl.LOCK_EX)
            # Who held it before may have removed the file.
            if _is_at(file, folder / NAME):
                break
        yield


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _opened(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / NAME).open("a+", encoding="utf-8", errors="replace")


def _take(file: TextIO, folder: Path, kind: int) -> None:
    """Lock the file of `folder`, and write into it who does."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise SettingsError(f"{folder}: {_holder(file.read())}; wait until it ends") from error
    _record(file)


def _record(file: TextIO) -> None:
    """Write who holds a lock; past the buffer, which would be written again, and fail again, at the end."""
    with naming(Path(file.name)):
        file.truncate(0)
        os.write(file.fileno(), f"{os.getpid()} {' '.join(sys.argv[1:3])}".encode("utf-8", "replace"))


def _holder(record: str) -> str:
    who = f" ({_command(record)})" if record.partition(" ")[0].isdigit() else ""
    return f"another anchordrug command works in it{who}"


def _command(record: str) -> str:
    number, _, command = record.partition(" ")
    command = "".join(filter(str.isprintable, command[:60])).strip() or "Python"
    return f"{command}, process {number}"


def holder(folder: Path) -> str | None:
    """Return command and process of who holds the lock of `folder`; None if nobody does.

    The lock is tried only while the process that took it last is alive, so whoever takes it meanwhile is not
    refused.
    """
    try:
        file = (folder / NAME).open(encoding="utf-8", errors="replace")
    except OSError:
        return None
    with file:
        record = file.read()
        if not _is_alive(record.partition(" ")[0]):
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _command(record)
    return None


def _is_alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except PermissionError:
        return True
    except (ValueError, OSError, OverflowError):
        return False
    return True


def hold(folder: Path) -> int:
    """Make `folder` if need be and hold it, by itself rather than by a file in it, so that it can be removed.

    Returns
    -------
    int
        A descriptor. Who closes it lets go of the folder; the system does when the process ends.

    Raises
    ------
    SettingsError
        Another process holds it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            # Whoever held it has removed it.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError as error:
            os.close(descriptor)
            raise SettingsError(f"{folder}: {_holder('')}; wait until it ends") from error
        os.close(descriptor)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep others from holding the lock of `folder`, as many others as may do the same.

    Where this process may not write, it reads without a lock.

    Raises
    ------
    SettingsError
        Another process holds it; the message names its command and its number.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_opened(folder))
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise
        else:
            # A writer that waits is told the last reader.
            _take(file, folder, fcntl.LOCK_SH)
        yield
