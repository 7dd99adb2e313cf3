"""The addresses beside the pages: files that are dropped, files that are downloaded, and pictures."""

import logging
import os
import shutil
from pathlib import Path

import pandas as pd
from fastapi import Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from nicegui import app
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from anchordrug.app.beside import (
    EXPRESSION,
    LIBRARY,
    MOST_BYTES,
    PREDICT,
    SIGNATURE,
    dropped,
    results_role,
    safe_name,
)
from anchordrug.app.heatmap import drawn
from anchordrug.app.place import Place, Places, after_drop
from anchordrug.app.summary import MOST_DRUGS, heatmap, summary_path
from anchordrug.bench import folder as files
from anchordrug.errors import AnchorDrugError, message_line
from anchordrug.files.atomic import atomic_path

_log = logging.getLogger(__name__)
# A report's script may sort its tables, and reach nothing of this address.
_SANDBOX = {
    "content-security-policy": "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:"
}


def add_routes(places: Places) -> None:
    """Add the addresses of campaigns."""

    @app.put("/drop/{name}/{role}")
    async def drop(name: str, role: str, request: Request) -> Response:
        try:
            place = places.called(name)
            if role not in _roles(place):
                return PlainTextResponse("There is no such place for a file.", 404)
            return await taken(request, place.beside / role, lambda: after_drop(place, role), _several(role))
        except AnchorDrugError as error:
            return PlainTextResponse(str(error), 400)

    @app.get("/file/{name}/{path:path}")
    def file(name: str, path: str, show: int = 0) -> Response:
        try:
            found = places.called(name).offered().get(path)
        except AnchorDrugError:
            found = None
        return answer(found, show=bool(show))

    @app.get("/heatmap/{name}/{target}.svg")
    async def picture(name: str, target: str) -> Response:
        try:
            place = places.called(name)
            path = place.offered().get(f"{files.FINISH}/{target}.parquet")
        except AnchorDrugError:
            path = None
        if path is None:
            return PlainTextResponse("There is no such picture.", 404)
        svg = await run_in_threadpool(_heatmap, path, summary_path(place.beside, target))
        return Response(svg, media_type="image/svg+xml", headers=_SANDBOX)


def _heatmap(predictions: Path, summary: Path) -> str:
    table = pd.read_parquet(summary)
    changed = (table["down"] + table["up"]).sort_values(ascending=False, kind="stable").index[:MOST_DRUGS]
    most = table.loc[changed]
    names = dict(zip(most["drug_id"], most["name"].fillna(most["drug_id"]), strict=True))
    return drawn(heatmap(predictions, most["drug_id"].tolist()), names)


def _roles(place: Place) -> set[str]:
    if not place.is_made:
        return {LIBRARY, PREDICT, EXPRESSION}
    rounds = files.round_numbers(place.campaign)
    return {SIGNATURE, *(results_role(number) for number in rounds)}


def _several(role: str) -> bool:
    return role.startswith(results_role(0)[:-2])


async def taken(request: Request, folder: Path, then, several: bool) -> Response:
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
        return PlainTextResponse(f"{path.name}: there is no room for a file of this size.", 413)
    try:
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
    return PlainTextResponse(f"{path.name}: is here.")


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())


def answer(path: Path | None, *, show: bool = False) -> Response:
    """Return a file to be saved, or with `show` a report to be looked at, which reaches nothing."""
    if path is None or not path.is_file():
        return PlainTextResponse("There is no such file.", 404)
    if path.suffix == ".svg":
        return FileResponse(path, media_type="image/svg+xml", headers=_SANDBOX)
    if show and path.suffix == ".html":
        return FileResponse(path, media_type="text/html", headers=_SANDBOX)
    return FileResponse(path, filename=path.name, media_type="application/octet-stream")
