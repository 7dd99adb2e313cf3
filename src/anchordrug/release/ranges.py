"""Ranges of bytes of one version of a file on a server."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import requests
import urllib3

from anchordrug.errors import RawDataError
from anchordrug.release.http import CutError, answer, strong, with_patience

_BLOCK = 2**16


@dataclass(frozen=True)
class Version:
    """A server's description of a file: its length, and marks of its version, or None."""

    total: int
    etag: str | None
    last_modified: str | None


class ChangedError(Exception):
    """The server has another version of the file than the version asked for."""


@dataclass
class Traffic:
    """How many requests were answered, and how many bytes came of them."""

    requests: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, requests: int, count: int) -> None:
        """Add a thread's requests and received bytes."""
        with self.lock:
            self.requests += requests
            self.bytes += count


class RemoteRanges:
    """Asks a server for ranges of the bytes of `url`; threads may share it.

    Parameters
    ----------
    pauses
        Seconds before each further attempt, as for `anchordrug.release.http.fetch`.
    """

    def __init__(self, url: str, pauses: Sequence[float]) -> None:
        self.url, self.pauses = url, pauses
        self.traffic = Traffic()
        # A session keeps its connections, and belongs to one thread.
        self._own = threading.local()

    def version(self) -> Version:
        """Return the version that the server has now.

        Raises
        ------
        RawDataError
            The server does not give the file, or gives no parts of it.
        """
        found, _ = with_patience(
            lambda: self._attempt(0, 1, bytearray(), None), lambda: 0, self.url, self.pauses
        )
        return found

    def read(self, start: int, stop: int, version: Version) -> bytes:
        """Return the bytes from `start` up to `stop` of the file, which has to be of `version`.

        Raises
        ------
        ChangedError
            The server has another version.
        RawDataError
            The server does not give the file, or cannot be reached.
        """
        got = bytearray()
        with_patience(
            lambda: self._attempt(start, stop, got, version), lambda: len(got), self.url, self.pauses
        )
        return bytes(got)

    def _attempt(self, start: int, stop: int, got: bytearray, version: Version | None) -> Version:
        """Ask once for the missing bytes, append it to `got`, and return the version of the answer."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        begin = start + len(got)
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={begin}-{stop - 1}"}
        mark = version and (version.etag or version.last_modified)
        with answer(
            self.url, headers | ({"If-Range": mark} if mark else {}), self._own.session.get
        ) as response:
            self.traffic.add(1, 0)
            found = self._version(response, begin, stop, version)
            if version not in (None, found):
                raise ChangedError
            self._receive(response, stop - start, got)
        return found

    def _version(self, response: requests.Response, begin: int, stop: int, known: Version | None) -> Version:
        """Return the version of an answer that is the piece that was asked for."""
        given = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        if response.status_code == 206 and given:
            if (int(given[1]), int(given[2])) != (begin, stop - 1):
                raise CutError("the server answers with another piece than was asked for")
            marks = strong(response.headers.get("ETag")), response.headers.get("Last-Modified")
            return Version(int(given[3]), *marks)
        # If-Range is answered with the whole of a changed file, and so is a range outside the file.
        if known is not None:
            raise ChangedError
        raise RawDataError(
            f"{self.url}: the server gives no parts of files; take the whole file: "
            "dvc repro pack@lincs2020, in sources/lincs/pipeline, or a mirror"
        )

    def _receive(self, response: requests.Response, length: int, got: bytearray) -> None:
        before = len(got)
        try:
            for block in response.raw.stream(_BLOCK, decode_content=False):
                got += block
        except urllib3.exceptions.HTTPError as error:
            raise CutError("the connection was cut") from error
        finally:
            self.traffic.add(0, len(got) - before)
        if len(got) != length:
            del got[length:]
            raise CutError(f"the server ends a piece of {length:,} bytes after {len(got):,}")
