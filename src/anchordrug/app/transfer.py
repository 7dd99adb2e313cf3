"""Files from and to a browser: one that is dropped is kept, one that is asked for is given."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from anchordrug.app.beside import MOST_BYTES, dropped, made, safe_name
from anchordrug.errors import AnchorDrugError, message_line
from anchordrug.files.atomic import atomic_path

_log = logging.getLogger(__name__)
# A report's script may sort its tables, and reach nothing of this address; its links may save files.
SANDBOX = {
    "content-security-policy": "sandbox allow-scripts allow-downloads; default-src 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
}


async def taken(request: Request, folder: Path, then: Callable[[], None], several: bool) -> Response:
    """Keep the body of a request as a file, whole or not at all; answer with a line for people.

    Parameters
    ----------
    then
        Called when the file is there.
    several
        Whether other files of the folder stay.
    """
    path = folder / safe_name(request.query_params.get("name", ""))
    free = shutil.disk_usage(_existing(folder)).free
    if int(request.headers.get("content-length", 0)) > min(MOST_BYTES, free):
        return PlainTextResponse(f"{path.name}: the disk has no room for a file of this size.", 413)
    try:
        made(folder.parent)
        with atomic_path(path) as temporary, temporary.open("wb") as out:
            async for chunk in request.stream():
                out.write(chunk)
    except ClientDisconnect:
        return PlainTextResponse(f"{path.name}: was cut off, or is too large.", 400)
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else "it cannot be written"
        return PlainTextResponse(message_line(f"{path.name}: was not kept; {said}."), 507)
    if not several:
        for other in dropped(folder.parent, folder.name):
            if other != path:
                other.unlink(missing_ok=True)
    try:
        then()
    except AnchorDrugError as error:
        _log.info("%s", error)
    return PlainTextResponse(f"{path.name}: received.")


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())


def answer(path: Path | None, *, show: bool = False) -> Response:
    """Return a file to be saved, or with `show` a report to be looked at, which reaches nothing."""
    if path is None or not path.is_file():
        return PlainTextResponse("There is no such file.", 404)
    if path.suffix == ".svg":
        return FileResponse(path, media_type="image/svg+xml", headers=SANDBOX)
    if show and path.suffix == ".html":
        return FileResponse(path, media_type="text/html", headers=SANDBOX)
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")
