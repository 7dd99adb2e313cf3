"""The part of a file that has arrived so far: locked, measured and checked, with its record."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anchordrug.errors import RawDataError
from anchordrug.files.progress import stream
from anchordrug.files.tables import read_json

_BLOCK = 2**22


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes
    ----------
    url
        Its address.
    path
        The file to write.
    size, checksum
        Bytes, and "algorithm:digest"; None where not known.
    """

    url: str
    path: Path
    size: int | None
    checksum: str | None

    @property
    def part(self) -> Path:
        """The file that grows until it is whole."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def record(self) -> Path:
        """The file with the url and the version of the file on the server."""
        return self.path.with_name(f"{self.path.name}.source.json")

    def known(self) -> dict:
        """Return the record of an earlier answer of the same url, empty if there was none."""
        with suppress(RawDataError):
            record = read_json(self.record)
            if record.get("url") == self.url:
                return record
        return {}


@contextmanager
def locked(part: Path) -> Iterator[BinaryIO]:
    """Open `part` to append, for this process alone; an empty part is removed at the end.

    Raises
    ------
    RawDataError
        Another process is fetching the same file.
    """
    while True:
        with part.open("a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RawDataError(
                    f"{part}: another process is fetching this file; wait until it has ended"
                ) from error
            # Between the two calls another process may have finished, and this would be its file.
            if not part.exists() or not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                continue
            try:
                yield file
            finally:
                if part.exists() and not length_of(file):
                    part.unlink()
            return


def length_of(file: BinaryIO) -> int:
    """Return the length of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def append(file: BinaryIO, blocks: Iterable[bytes], path: Path) -> None:
    """Write `blocks` at the end of an unbuffered file, the part of `path`.

    Raises
    ------
    RawDataError
        The disk is full.
    """
    try:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise RawDataError(
                f"{path}: no space left in {path.parent.resolve()}; make room and run it again"
            ) from error
        raise


def require_space(path: Path, needed: int) -> None:
    """Check that `needed` bytes fit on the disk of `path`.

    Raises
    ------
    RawDataError
        They do not fit.
    """
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise RawDataError(
            f"{path}: {(needed - free) / 1e9:,.2f} GB too little space in {path.parent.resolve()} "
            f"({needed / 1e9:,.2f} GB to come, {free / 1e9:,.2f} GB free); make room and run it again"
        )


def checksum_of(path: Path, checksum: str) -> str:
    """Return "algorithm:digest" of a file, with the algorithm of `checksum`."""
    algorithm = checksum.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for block in blocks_of(path, f"checking {path.name.removesuffix('.part')}"):
        digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def blocks_of(path: Path, what: str) -> Iterator[bytes]:
    """Yield the content of a file in blocks; `what` names the work in the progress line."""
    total = path.stat().st_size
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(_BLOCK), b"")
        for (block,) in stream(((block,) for block in blocks), what, lambda: file.tell() / total, "MB"):
            yield block
