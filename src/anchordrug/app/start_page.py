"""The first page of a project: its campaigns, and a new one."""

from urllib.parse import quote

from nicegui import ui

from anchordrug.app.beside import write_form
from anchordrug.app.job_panel import refuse
from anchordrug.app.place import Places
from anchordrug.app.widgets import button, link, text, within
from anchordrug.errors import AnchorDrugError


def draw(places: Places) -> None:
    """Draw the page."""
    with within("div", "page"):
        text("h1", "AnchorDrug")
        text("p", "Choose which drugs to measure in a new cell line, and predict all others.", "soft")
        names = places.names()
        with within("section", "card"):
            text("h2", "Campaigns")
            if not names:
                text("p", "There are none yet.")
            with within("ul"):
                for name in names:
                    with within("li"):
                        link(name, f"/campaign/{quote(name, safe='')}")
        with within("section", "card"):
            text("h2", "A new campaign")
            field = (
                ui.input("Its name, such as my-line")
                .props("outlined dense autocomplete=off")
                .classes("narrow")
            )
            field.on("keydown.enter", lambda: _begin(places, field.value))
            button("Begin", lambda: _begin(places, field.value), main=True)


def _begin(places: Places, name: str | None) -> None:
    try:
        place = places.called((name or "").strip())
        if not place.is_made and not place.beside.exists():
            write_form(place.beside, {})
    except (AnchorDrugError, OSError) as error:
        refuse(error)
        return
    ui.navigate.to(f"/campaign/{quote(place.name, safe='')}")
