"""Pieces of a file on a server, kept on the disk: a piece that has arrived is not asked for again."""

import io
import json
import os
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from anchordrug.errors import RawDataError
from anchordrug.files.disk import naming
from anchordrug.files.lock import locked
from anchordrug.files.progress import stream
from anchordrug.release.download import PAUSES
from anchordrug.release.part import RemoteFile, require_space
from anchordrug.release.ranges import ChangedError, RemoteRanges, Version

# Reading over so many bytes costs less than one more request, of which so many are under way at once.
_GAP, _REQUESTS = 2**14, 16
# An interruption loses no more; and a reader that asks for single bytes gets so many.
_LONGEST, _BLOCK = 2**23, 2**16


class Pieces(io.RawIOBase):
    """A file on a server as a file to read from, of which only the parts that are read arrive.

    Next to the bytes, at their own places in a sparse file, is the checksum of every piece, because after a
    power cut a piece may hold zeros.
    """

    def __init__(self, folder: Path, source: RemoteFile, remote: RemoteRanges, version: Version) -> None:
        self.source, self.remote, self.version = source, remote, version
        self.position = 0
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.record = (folder / "pieces.txt").open("a+", encoding="ascii")
        self.content = os.open(folder / "bytes", os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(self.content, version.total)
        for start, stop in _whole(self.record, self.content):
            self._have(start, stop)

    def fetch(self, ranges: Iterable[tuple[int, int]], what: str) -> None:
        """Fetch the missing parts of some ranges, many at once; `what` names the work for the progress."""
        missing = [gap for start, stop in _joined(ranges, _GAP) for gap in self._gaps(start, stop)]
        asked = [
            (start, min(start + _LONGEST, stop))
            for first, stop in missing
            for start in range(first, stop, _LONGEST)
        ]
        total = sum(stop - start for start, stop in asked)
        if not total:
            return
        require_space(self.source.path, total)
        begun = self.remote.traffic.bytes
        with ThreadPoolExecutor(_REQUESTS) as pool:
            arriving = self._arriving(pool, asked)
            for _ in stream(arriving, what, lambda: (self.remote.traffic.bytes - begun) / total, "MB"):
                pass

    def _arriving(self, pool: ThreadPoolExecutor, asked: Sequence[tuple[int, int]]) -> Iterator[tuple[bytes]]:
        """Yield pieces as they arrive and are written; few wait in memory."""
        rest = iter(asked)
        waiting = {}
        try:
            while True:
                for start, stop in islice(rest, 2 * _REQUESTS - len(waiting)):
                    waiting[pool.submit(self.remote.read, start, stop, self.version)] = start
                if not waiting:
                    return
                done = next(as_completed(waiting))
                block = done.result()
                self._write(waiting.pop(done), block)
                yield (block,)
        finally:
            for future in waiting:
                future.cancel()

    def _write(self, start: int, block: bytes) -> None:
        with naming(self.source.path):
            rest, place = memoryview(block), start
            while rest:
                written = os.pwrite(self.content, rest, place)
                rest, place = rest[written:], place + written
            self.record.write(f"{start} {len(block)} {zlib.crc32(block)}\n")
            self.record.flush()
        self._have(start, start + len(block))

    def _have(self, start: int, stop: int) -> None:
        """Note that a piece is there, joined with those that it touches."""
        first = bisect_right(self.stops, start - 1)
        last = bisect_right(self.starts, stop)
        if first < last:
            start, stop = min(start, self.starts[first]), max(stop, self.stops[last - 1])
        self.starts[first:last], self.stops[first:last] = [start], [stop]

    def _gaps(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the missing parts of a range."""
        gaps = []
        for place in range(bisect_right(self.stops, start), len(self.starts)):
            if self.starts[place] >= stop:
                break
            if start < self.starts[place]:
                gaps.append((start, self.starts[place]))
            start = max(start, self.stops[place])
        return [*gaps, (start, stop)] if start < stop else gaps

    def read_range(self, start: int, stop: int) -> bytes:
        """Return a range of bytes; missing blocks are fetched whole."""
        stop = min(stop, self.version.total)
        for first, last in self._gaps(start, stop):
            begin, end = first - first % _BLOCK, min(-(-last // _BLOCK) * _BLOCK, self.version.total)
            for low, high in self._gaps(begin, end):
                self._write(low, self.remote.read(low, high, self.version))
        return os.pread(self.content, max(0, stop - start), start)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; the next `readinto` starts there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.version.total}[whence]
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self.position

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer` from the place on, and return how many bytes that are."""
        block = self.read_range(self.position, self.position + len(buffer))
        buffer[: len(block)] = block
        self.position += len(block)
        return len(block)

    def close(self) -> None:
        """Close the files on the disk."""
        if not self.closed:
            self.record.close()
            os.close(self.content)
        super().close()


@contextmanager
def pieces_of(
    url: str, path: Path, size: int | None = None, pauses: Sequence[float] = PAUSES
) -> Iterator[Pieces]:
    """Yield the file `url`; bytes that arrive are kept in the folder ``path.pieces``.

    An earlier run's pieces are used if the server still has the same version (length and ETag or
    Last-Modified) and their checksums are right.

    Raises
    ------
    RawDataError
        The server does not give the file in parts, or it is not `size` bytes long; also later, where the file
        changes while it is read.
    SettingsError
        Another process fetches it.
    """
    remote = RemoteRanges(url, pauses)
    folder = path.with_name(f"{path.name}.pieces")
    with locked(folder):
        version = remote.version()
        if size not in (None, version.total):
            raise RawDataError(
                f"{url}: has {version.total:,} bytes on the server, expected {size:,}: it has changed on the "
                "server; correct its size in the manifest if that is right, or take the old one from a mirror"
            )
        _keep_only(folder, url, version)
        with Pieces(folder, RemoteFile(url, path, size, None), remote, version) as pieces:
            try:
                yield pieces
            except ChangedError as error:
                raise RawDataError(f"{url}: has changed on the server meanwhile; run it again") from error


def _keep_only(folder: Path, url: str, version: Version) -> None:
    """Remove pieces of another version, or of one that nothing tells from others."""
    record = json.dumps([url, version.total, version.etag, version.last_modified])
    path = folder / "source.json"
    marked = version.etag or version.last_modified
    if not (marked and path.exists() and path.read_text(encoding="utf-8") == record):
        for name in ("pieces.txt", "bytes"):
            (folder / name).unlink(missing_ok=True)
        path.write_text(record, encoding="utf-8")


def _whole(record: Any, content: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the pieces that are as they were written."""
    record.seek(0)
    for line in record.read().splitlines(keepends=True):
        numbers = line.split()
        if line.endswith("\n") and len(numbers) == 3 and all(number.isdigit() for number in numbers):
            start, length, checksum = map(int, numbers)
            block = os.pread(content, length, start)
            if len(block) == length and zlib.crc32(block) == checksum:
                yield start, start + length


def _joined(ranges: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Return ranges in their order, those with no more than `gap` bytes between them as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
