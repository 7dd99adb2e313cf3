"""A folder in which one process works at a time."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise SettingsError(f"{folder}: {_holder(file.read())}; wait until it ends") from error
        with naming(path):
            file.truncate(0)
            os.write(file.fileno(), f"{os.getpid()} {' '.join(sys.argv[1:3])}".encode("utf-8", "replace"))
        yield


def _holder(record: str) -> str:
    number, _, command = record.partition(" ")
    if not number.isdigit():
        return "another anchordrug command works in it"
    command = "".join(filter(str.isprintable, command[:60])).strip() or "Python"
    return f"another anchordrug command works in it ({command}, process {number})"
