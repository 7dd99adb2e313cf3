"""Download of one large file over HTTP: resumed after a cut, checked, in place whole or not at all."""

import email.utils
import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from anchordrug.errors import RawDataError
from anchordrug.files.atomic import require_file
from anchordrug.files.progress import stream
from anchordrug.files.tables import read_json, write_json

# Seconds before each further attempt; as many attempts in a row may bring no new byte.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_LONGEST_PAUSE = 600.0
_CONNECT_AND_READ_SECONDS = (30.0, 60.0)
# What is read but not yet written is lost by a cut: at most so many bytes.
_BLOCK = 2**16
_BLOCK_OF_A_FILE = 2**22
_REFUSED = {
    401: "asks for a login",
    403: "refuses it (some servers say so of a file that is gone, too)",
    404: "has no such file",
    410: "says that the file is gone for good",
}
_REMEDY = "look up where it lies now and correct its url in the manifest, or take it from a mirror"


@dataclass(frozen=True)
class _Source:
    """What is wanted: where it lies, under which name, and what is known of it."""

    url: str
    path: Path
    size: int | None
    checksum: str | None

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.source.json")

    def known(self) -> dict:
        """Return what an earlier answer of the same url told, empty if there was none."""
        with suppress(RawDataError):
            record = read_json(self.record)
            if record.get("url") == self.url:
                return record
        return {}


class _CutError(Exception):
    """An attempt that failed in a way that another may mend."""

    def __init__(self, what: str, wait: float = 0.0):
        super().__init__(what)
        self.wait = wait


def download(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    mirror: Path | None = None,
    pauses: Sequence[float] = PAUSES,
) -> bool:
    """Fetch `url` to `path` and return True; return False if the file is there already and is the right one.

    What has arrived lies in ``path.part``; run again after a kill, it goes on from there. Beside it,
    ``path.source.json`` keeps the url and the server's version of the file, and stays.

    Parameters
    ----------
    size
        Bytes; None if not known.
    checksum
        "md5:", "sha256:" or "sha512:" and the digest in hexadecimal; None if not known.
    mirror
        A folder that has a file of this name: it is copied, and the net is not asked.
    pauses
        Seconds before each further attempt; as many attempts in a row may bring no new byte.

    Raises
    ------
    RawDataError
        The server does not give the file, gives another one than is wanted, or cannot be reached; the disk is
        too small; another process is fetching the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    source = _Source(url, path, size, checksum)
    with _locked(source.part) as file:
        if _is_there(source):
            file.truncate(0)
            return False
        if mirror is None:
            _fetch_right(source, file, pauses)
        else:
            _copy(source, mirror, file)
        os.fsync(file)
        source.part.replace(path)
    return True


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open `part` to append, for this process alone; leave no empty one behind."""
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
                if part.exists() and not _length(file):
                    part.unlink()
            return


def _length(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _is_there(source: _Source) -> bool:
    if not source.path.is_file():
        return False
    length = source.path.stat().st_size
    if source.checksum is not None:
        return source.size in (None, length) and _digest(source.path, source.checksum) == source.checksum
    return length == (source.size or source.known().get("total"))


def _fetch_right(source: _Source, file: BinaryIO, pauses: Sequence[float]) -> None:
    """Fetch and compare the checksum; a file made of several pieces gets a second chance in one."""
    resumed = _fetch(source, file, pauses)
    found = _found(source)
    if resumed and found != source.checksum:
        file.truncate(0)
        _fetch(source, file, pauses)
        found = _found(source)
    _require_right(source, found, file, source.url)


def _found(source: _Source) -> str | None:
    """Return the checksum of what has arrived, None if there is none to compare it with."""
    return None if source.checksum is None else _digest(source.part, source.checksum)


def _require_right(source: _Source, found: str | None, file: BinaryIO, origin: str) -> None:
    if found != source.checksum:
        file.truncate(0)
        raise RawDataError(
            f"{origin}: has checksum {found}, expected {source.checksum}; the file is damaged or has been "
            "changed: try again later, or correct the checksum in the manifest if a new release says so"
        )


def _digest(path: Path, checksum: str) -> str:
    """Return the checksum of a file in the manner of `checksum`."""
    algorithm = checksum.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for block in _blocks_of(path, f"checking {path.name.removesuffix('.part')}"):
        digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def _blocks_of(path: Path, what: str) -> Iterator[bytes]:
    total = path.stat().st_size
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(_BLOCK_OF_A_FILE), b"")
        for (block,) in stream(((block,) for block in blocks), what, lambda: file.tell() / total, "MB"):
            yield block


def _copy(source: _Source, mirror: Path, file: BinaryIO) -> None:
    """Copy the file from a folder, checked as a download is."""
    origin = require_file(
        mirror / source.path.name, f"copy it there from {source.url}, or set 'mirror: null' to fetch it"
    )
    length = origin.stat().st_size
    if source.size not in (None, length):
        raise RawDataError(
            f"{origin}: has {length:,} bytes, expected {source.size:,}; copy it to the mirror again"
        )
    file.truncate(0)
    _require_space(source.path, length)
    _append(file, _blocks_of(origin, f"copying {origin.name}"), source.path)
    _require_right(source, _found(source), file, str(origin))
    write_json({"url": source.url, "total": length}, source.record)


def _fetch(source: _Source, file: BinaryIO, pauses: Sequence[float]) -> bool:
    """Bring `file` to its full length, in as many attempts as it takes; return whether it took several."""
    farthest, failures, resumed = _length(file), 0, False
    while True:
        try:
            return _attempt(source, file) or resumed
        except _CutError as cut:
            resumed = True
            failures = 0 if _length(file) > farthest else failures + 1
            farthest = max(farthest, _length(file))
            if failures > len(pauses):
                raise RawDataError(
                    f"{source.url}: {cut}; gave up after {failures} attempts without a new byte; run it "
                    f"again later (it goes on after {_length(file):,} bytes), or take it from a mirror"
                ) from cut
            time.sleep(max(pauses[max(0, failures - 1)] if pauses else 0.0, cut.wait))


def _attempt(source: _Source, file: BinaryIO) -> bool:
    """Ask once for what is missing of `file` and append it; return whether there was something before."""
    known, headers = source.known(), {"Accept-Encoding": "identity"}
    validator = known.get("etag") or known.get("last_modified")
    if not known or not (validator or source.checksum):
        file.truncate(0)
    have = _length(file)
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
    with _answer(source, headers) as response:
        if response.status_code == 416 and _is_complete(source, response, have, known):
            return True
        start, total = _extent(source, response, have, known)
        file.truncate(start)
        write_json(
            {
                "url": source.url,
                "etag": _strong(response.headers.get("ETag")),
                "last_modified": response.headers.get("Last-Modified"),
                "total": total,
            },
            source.record,
        )
        _require_space(source.path, (total or start) - start)
        _receive(source, response, file, total)
    return start > 0


def _answer(source: _Source, headers: dict[str, str]) -> requests.Response:
    """Return the answer of the server if it can be of use.

    Raises
    ------
    RawDataError
        The server does not give the file, or gives a web page.
    _CutError
        It may give the file later.
    """
    url = source.url
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=_CONNECT_AND_READ_SECONDS)
    except requests.TooManyRedirects as error:
        raise RawDataError(f"{url}: the server redirects in a circle; {_REMEDY}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _CutError(f"cannot be reached ({error})") from error
    except requests.RequestException as error:
        raise RawDataError(f"{url}: cannot be asked for ({error}); {_REMEDY}") from error
    status = response.status_code
    if status in {200, 206, 416}:
        if status != 416 and response.headers.get("Content-Type", "").startswith("text/html"):
            raise _is_a_page(source)
        return response
    response.close()
    if status == 429 or status >= 500:
        raise _CutError(f"the server answers {status}", _retry_after(response))
    raise RawDataError(f"{url}: the server {_REFUSED.get(status, 'refuses it')} ({status}); {_REMEDY}")


def _is_a_page(source: _Source) -> RawDataError:
    return RawDataError(
        f"{source.url}: the server sends a web page instead of the file; open the address in a browser to "
        f"see what it wants, then {_REMEDY}"
    )


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that the server asks to wait for."""
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return min(float(text), _LONGEST_PAUSE)
    with suppress(ValueError):
        when = email.utils.parsedate_to_datetime(text).timestamp()
        return min(max(0.0, when - time.time()), _LONGEST_PAUSE)
    return 0.0


def _strong(etag: str | None) -> str | None:
    """Return `etag` unless it is weak: that promises the same meaning, not the same bytes."""
    return None if etag is None or etag.startswith("W/") else etag


def _is_complete(source: _Source, response: requests.Response, have: int, known: dict) -> bool:
    """Return whether nothing is missing where the server has nothing from byte `have` on."""
    told = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    total = int(told[1]) if told else known.get("total")
    return have > 0 and have == total and source.size in (None, total)


def _extent(source: _Source, response: requests.Response, have: int, known: dict) -> tuple[int, int | None]:
    """Return the byte with which the answer starts and the length of the whole file, None if not known."""
    if response.status_code == 416:
        raise _over_again(source, "the server has nothing from there on")
    start, total = 0, None
    if response.status_code == 206:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        etag = _strong(response.headers.get("ETag"))
        if not given or int(given[1]) != have:
            raise _over_again(source, "the server answers with another piece than was asked for")
        same_length = known.get("total") in (None, int(given[2]))
        if not same_length or (etag or known.get("etag")) != (known.get("etag") or etag):
            raise _over_again(source, "the file has changed meanwhile")
        start, total = have, int(given[2])
    elif (length := response.headers.get("Content-Length", "")).isdigit():
        total = int(length)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity" and source.path.suffix != ".gz":
        raise RawDataError(f"{source.url}: the server sends it only in {encoding} coding; {_REMEDY}")
    if total is not None and source.size not in (None, total):
        raise RawDataError(
            f"{source.url}: has {total:,} bytes on the server, expected {source.size:,}: it has changed on "
            "the server; correct size and checksum in the manifest if that is right, or take the old one "
            "from a mirror"
        )
    if total is None and source.size is None and source.checksum is None:
        raise RawDataError(
            f"{source.url}: the server does not tell its length, so that a cut could not be noticed; add "
            "its size or checksum to the manifest, or take it from a mirror"
        )
    return start, source.size if total is None else total


def _over_again(source: _Source, why: str) -> _CutError:
    source.record.unlink(missing_ok=True)
    return _CutError(why)


def _require_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise RawDataError(
            f"{path}: {(needed - free) / 1e9:,.2f} GB too little space in {path.parent.resolve()} "
            f"({needed / 1e9:,.2f} GB to come, {free / 1e9:,.2f} GB free); make room and run it again"
        )


def _receive(source: _Source, response: requests.Response, file: BinaryIO, total: int | None) -> None:
    """Append the body of the answer to `file`, up to `total` bytes."""
    begun = _length(file)
    what = f"fetching {source.path.name}" + (f" from {begun / 1e6:,.0f} MB on" if begun else "")
    blocks = ((block,) for block in response.raw.stream(_BLOCK, decode_content=False))
    try:
        for (block,) in stream(blocks, what, lambda: _length(file) / total if total else None, "MB"):
            if not _length(file) and re.match(rb"\s*<(!doctype )?html", block[:100], re.IGNORECASE):
                raise _is_a_page(source)
            if total is not None and _length(file) + len(block) > total:
                file.truncate(0)
                raise RawDataError(
                    f"{source.url}: the server sends more than the {total:,} bytes it should have; {_REMEDY}"
                )
            _append(file, [block], source.path)
    except urllib3.exceptions.HTTPError as error:
        raise _CutError(f"the connection was cut ({error})") from error
    if total is not None and _length(file) < total:
        raise _CutError(f"the server promises {total:,} bytes and ends after {_length(file):,}")


def _append(file: BinaryIO, blocks: Iterable[bytes], path: Path) -> None:
    """Write `blocks` at the end of an unbuffered file."""
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
