"""The addresses next to the pages: files that are dropped, files that are downloaded, and pictures."""

from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from nicegui import app

from anchordrug.app.beside import (
    EXPRESSION,
    LIBRARY,
    PREDICT,
    SIGNATURE,
    results_role,
)
from anchordrug.app.gate import READING
from anchordrug.app.place import Place, Places, after_drop
from anchordrug.app.transfer import answer, taken
from anchordrug.bench import folder as files
from anchordrug.errors import AnchorDrugError


def add_routes(places: Places, reading: str) -> None:
    """Add the addresses of campaigns; `reading` is the key of those that are only read."""

    @app.put("/drop/{name}/{role}")
    async def drop(name: str, role: str, request: Request) -> Response:
        try:
            place = places.called(name)
            if role not in _roles(place):
                return PlainTextResponse("There is no such place for a file.", 404)
            return await taken(request, place.beside / role, lambda: after_drop(place, role), _several(role))
        except AnchorDrugError as error:
            return PlainTextResponse(str(error), 400)

    def found(name: str, path: str) -> Path | None:
        try:
            return places.called(name).offered().get(path)
        except AnchorDrugError:
            return None

    @app.get("/file/{name}/{path:path}")
    def file(name: str, path: str) -> Response:
        return answer(found(name, path))

    @app.get("/report/{name}/{path:path}")
    def report(name: str, path: str) -> Response:
        return RedirectResponse(f"{READING}{reading}/{quote(name, safe='')}/{quote(path)}")

    @app.get(READING + "{_}/{name}/{path:path}")
    def read(_: str, name: str, path: str) -> Response:
        return answer(found(name, path), show=True)


def _roles(place: Place) -> set[str]:
    if not place.is_made:
        return {LIBRARY, PREDICT, EXPRESSION}
    rounds = files.round_numbers(place.campaign)
    return {SIGNATURE, *(results_role(number) for number in rounds)}


def _several(role: str) -> bool:
    return role.startswith(results_role(0)[:-2])
