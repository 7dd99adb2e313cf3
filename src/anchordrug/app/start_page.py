"""The first page of a project: its campaigns, and the form for a new campaign."""

import os
from urllib.parse import quote

from nicegui import ui

from anchordrug.app.beside import write_form
from anchordrug.app.place import Places
from anchordrug.app.widgets import button, link, prose, text, within
from anchordrug.errors import AnchorDrugError, SettingsError


def draw(places: Places) -> None:
    """Draw the page."""
    with within("div", "page"):
        text("h1", "AnchorDrug")
        prose(
            "Choose the drugs to measure in a new cell line, and predict the response to all others.",
            "soft",
        )
        names = places.names()
        with within("section", "card"):
            text("h2", "Campaigns")
            if not names:
                prose("None yet.")
            with within("ul"):
                for name in names:
                    with within("li"):
                        link(name, _address(name))
        with within("section", "card"):
            text("h2", "A new campaign")
            field = ui.input("Its name, such as my-line").props(
                "outlined dense autocomplete=off bottom-slots"
            )
            field.classes("field")
            begun: list[str] = []

            def begin() -> None:
                # A double click begins one campaign.
                if begun:
                    return
                try:
                    name = new_campaign(places, field.value)
                except AnchorDrugError as error:
                    field.error = str(error)
                else:
                    begun.append(name)
                    ui.navigate.to(_address(name))

            field.on("keydown.enter", begin)
            button("Begin", begin, main=True)


def _address(name: str) -> str:
    return f"/campaign/{quote(name, safe='')}"


def new_campaign(places: Places, name: str | None) -> str:
    """Begin a campaign; return its name.

    Raises
    ------
    SettingsError
        The name is none for a folder, or is taken, or the folder cannot be made.
    """
    if not (name or "").strip():
        raise SettingsError("Give it a name first")
    place = places.called((name or "").strip())
    if place.name in places.names() or place.campaign.exists():
        raise SettingsError(f"{place.name} exists already; open it above, or take another name")
    try:
        write_form(place.beside, {})
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else "it cannot be written"
        raise SettingsError(f"{place.name}: the folder was not made; {said}") from error
    return place.name
