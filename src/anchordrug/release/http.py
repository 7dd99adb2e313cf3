"""Fetching over HTTP in several attempts, each of which resumes where the last was cut."""

import email.utils
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO, TypeVar

import requests
import urllib3

from anchordrug.errors import RawDataError
from anchordrug.files.progress import stream
from anchordrug.files.tables import write_json
from anchordrug.release.part import RemoteFile, append, length_of, require_space

_LONGEST_PAUSE = 600.0
_CONNECT_AND_READ_SECONDS = (30.0, 60.0)
# Bytes read but not yet written are lost by an interruption: at most so many bytes.
_BLOCK = 2**16
_REFUSED = {
    401: "asks for a login",
    403: "refuses it (some servers refuse a file that is gone, too)",
    404: "has no such file",
    410: "says that the file is gone for good",
}
_REMEDY = "look up its new address and correct its url in the manifest, or take it from a mirror"


Result = TypeVar("Result")


class CutError(Exception):
    """An attempt that failed in a way that another attempt may cure."""

    def __init__(self, what: str, wait: float = 0.0):
        super().__init__(what)
        self.wait = wait


def fetch(source: RemoteFile, file: BinaryIO, pauses: Sequence[float]) -> bool:
    """Bring `file` to its full length; return whether it was put together from several answers.

    Parameters
    ----------
    pauses
        Seconds before each further attempt; as many attempts in a row may bring no new byte.

    Raises
    ------
    RawDataError
        The server does not give the file, gives another file than is wanted, or cannot be reached; the disk
        is too small.
    """
    continued, cut = with_patience(
        lambda: _attempt(source, file), lambda: length_of(file), source.url, pauses
    )
    return continued or cut


def with_patience(
    attempt: Callable[[], Result], arrived: Callable[[], int], url: str, pauses: Sequence[float]
) -> tuple[Result, bool]:
    """Return the result of the first attempt that is not cut, and whether one was cut before it.

    Parameters
    ----------
    attempt
        Asks the server, and raises a `CutError` where another attempt may succeed.
    arrived
        Returns how many bytes there are so far.
    pauses
        Seconds before each further attempt; as many attempts in a row may bring no new byte.

    Raises
    ------
    RawDataError
        One attempt more than there are pauses has brought nothing; and as `attempt`.
    """
    farthest, failures, was_cut = arrived(), 0, False
    while True:
        try:
            return attempt(), was_cut
        except CutError as cut:
            was_cut = True
            failures = 0 if arrived() > farthest else failures + 1
            farthest = max(farthest, arrived())
            if failures > len(pauses):
                raise RawDataError(
                    f"{url}: {cut}; gave up after {failures} attempts without a new byte; run it "
                    f"again later (it resumes after {arrived():,} bytes), or take it from a mirror"
                ) from cut
            time.sleep(max(pauses[max(0, failures - 1)] if pauses else 0.0, cut.wait))


def _attempt(source: RemoteFile, file: BinaryIO) -> bool:
    """Ask once for the missing part of `file` and append it; return whether there was something before."""
    known, headers = source.known(), {"Accept-Encoding": "identity"}
    validator = known.get("etag") or known.get("last_modified")
    if not known or not (validator or source.checksum):
        file.truncate(0)
    have = length_of(file)
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
    with answer(source.url, headers) as response:
        if response.status_code == 416 and _is_complete(source, response, have, known):
            return True
        start, total = _extent(source, response, have, known)
        file.truncate(start)
        write_json(
            {
                "url": source.url,
                "etag": strong(response.headers.get("ETag")),
                "last_modified": response.headers.get("Last-Modified"),
                "total": total,
            },
            source.record,
        )
        require_space(source.path, (total or start) - start)
        _receive(source, response, file, total)
    return start > 0


def answer(
    url: str, headers: dict[str, str], get: Callable[..., requests.Response] = requests.get
) -> requests.Response:
    """Return the answer of the server if it can be of use; `get` may be that of a session.

    Raises
    ------
    RawDataError
        The server does not give the file, or gives a web page.
    CutError
        It may give the file later.
    """
    try:
        response = get(url, headers=headers, stream=True, timeout=_CONNECT_AND_READ_SECONDS)
    except requests.TooManyRedirects as error:
        raise RawDataError(f"{url}: the server redirects in a circle; {_REMEDY}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise CutError(f"cannot be reached ({error})") from error
    except requests.RequestException as error:
        raise RawDataError(f"{url}: cannot be asked for ({error}); {_REMEDY}") from error
    status = response.status_code
    if status in {200, 206, 416}:
        if status != 416 and response.headers.get("Content-Type", "").startswith("text/html"):
            raise _is_a_page(url)
        return response
    response.close()
    if status == 429 or status >= 500:
        raise CutError(f"the server answers {status}", _retry_after(response))
    raise RawDataError(f"{url}: the server {_REFUSED.get(status, 'refuses it')} ({status}); {_REMEDY}")


def _is_a_page(url: str) -> RawDataError:
    return RawDataError(
        f"{url}: the server sends a web page instead of the file; open the address in a browser to "
        f"see the reason, then {_REMEDY}"
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


def strong(etag: str | None) -> str | None:
    """Return `etag` unless it is weak: that promises the same meaning, not the same bytes."""
    return None if etag is None or etag.startswith("W/") else etag


def _is_complete(source: RemoteFile, response: requests.Response, have: int, known: dict) -> bool:
    """Return whether nothing is missing where the server has nothing from byte `have` on."""
    told = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    total = int(told[1]) if told else known.get("total")
    return have > 0 and have == total and source.size in (None, total)


def _extent(
    source: RemoteFile, response: requests.Response, have: int, known: dict
) -> tuple[int, int | None]:
    """Return the byte with which the answer starts and the length of the whole file, None if not known."""
    if response.status_code == 416:
        raise _over_again(source, "the server has nothing from there on")
    start, total = 0, None
    if response.status_code == 206:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        etag = strong(response.headers.get("ETag"))
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


def _over_again(source: RemoteFile, why: str) -> CutError:
    source.record.unlink(missing_ok=True)
    return CutError(why)


def _receive(source: RemoteFile, response: requests.Response, file: BinaryIO, total: int | None) -> None:
    """Append the body of the answer to `file`, up to `total` bytes."""
    begun = length_of(file)
    what = f"fetching {source.path.name}" + (f" from {begun / 1e6:,.0f} MB on" if begun else "")
    blocks = ((block,) for block in response.raw.stream(_BLOCK, decode_content=False))
    try:
        for (block,) in stream(blocks, what, lambda: length_of(file) / total if total else None, "MB"):
            if not length_of(file) and re.match(rb"\s*<(!doctype )?html", block[:100], re.IGNORECASE):
                raise _is_a_page(source.url)
            if total is not None and length_of(file) + len(block) > total:
                file.truncate(0)
                raise RawDataError(
                    f"{source.url}: the server sends more than the {total:,} bytes it should have; {_REMEDY}"
                )
            append(file, [block], source.path)
    except urllib3.exceptions.HTTPError as error:
        raise CutError(f"the connection was cut ({error})") from error
    if total is not None and length_of(file) < total:
        raise CutError(f"the server promises {total:,} bytes and ends after {length_of(file):,}")
