"""One large file of the release: from its server or a mirror, checked, in place whole or not at all."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from anchordrug.errors import RawDataError
from anchordrug.files.atomic import require_file
from anchordrug.files.tables import write_json
from anchordrug.release.http import fetch
from anchordrug.release.part import RemoteFile, append, blocks_of, checksum_of, locked, require_space

# Seconds before each further attempt; as many attempts in a row may bring no new byte.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def download(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    mirror: Path | None = None,
    pauses: Sequence[float] = PAUSES,
) -> bool:
    """Fetch `url` to `path` and return True; return False if the right file is there already.

    The bytes that have arrived are in ``path.part``: the same call after a kill resumes there.
    ``path.source.json`` records the url and the server's version of the file, and is kept.

    Parameters
    ----------
    size
        Bytes; None if not known.
    checksum
        "md5:", "sha256:" or "sha512:" and the digest in hexadecimal; None if not known.
    mirror
        A folder with a file of this name, which is copied in place of a download.
    pauses
        Seconds before each further attempt; as many attempts in a row may bring no new byte.

    Raises
    ------
    RawDataError
        The server does not give the file, gives another file than is wanted, or cannot be reached; the disk
        is too small; another process is fetching the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    source = RemoteFile(url, path, size, checksum)
    with locked(source.part) as file:
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


def _is_there(source: RemoteFile) -> bool:
    if not source.path.is_file():
        return False
    length = source.path.stat().st_size
    if source.checksum is not None:
        return source.size in (None, length) and checksum_of(source.path, source.checksum) == source.checksum
    return length == (source.size or source.known().get("total"))


def _fetch_right(source: RemoteFile, file: BinaryIO, pauses: Sequence[float]) -> None:
    """Fetch and compare the checksum; a file made of several pieces gets a second chance in one."""
    resumed = fetch(source, file, pauses)
    found = _found(source)
    if resumed and found != source.checksum:
        file.truncate(0)
        fetch(source, file, pauses)
        found = _found(source)
    _require_right(source, found, file, source.url)


def _found(source: RemoteFile) -> str | None:
    """Return the checksum of the bytes that have arrived, None if there is none to compare it with."""
    return None if source.checksum is None else checksum_of(source.part, source.checksum)


def _require_right(source: RemoteFile, found: str | None, file: BinaryIO, origin: str) -> None:
    if found != source.checksum:
        file.truncate(0)
        raise RawDataError(
            f"{origin}: has checksum {found}, expected {source.checksum}; the file is damaged or has been "
            "changed: try again later, or correct the checksum in the manifest if a new release has another"
        )


def _copy(source: RemoteFile, mirror: Path, file: BinaryIO) -> None:
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
    require_space(source.path, length)
    append(file, blocks_of(origin, f"copying {origin.name}"), source.path)
    _require_right(source, _found(source), file, str(origin))
    write_json({"url": source.url, "total": length}, source.record)
