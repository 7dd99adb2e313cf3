"""The pages of a project's campaigns, or of one."""

from collections.abc import Callable
from pathlib import Path

from nicegui import ui

from anchordrug.app import campaign_page, start_page
from anchordrug.app.place import Places
from anchordrug.app.routes import add_routes
from anchordrug.app.widgets import link, text, within
from anchordrug.errors import AnchorDrugError


def add_campaign_pages(root: Path, campaign: Path | None, reading: str) -> None:
    """Add the pages of all campaigns of the project in `root`, or of `campaign` alone.

    `reading` is the key of addresses that are only read.
    """
    places = Places(root, campaign)
    add_routes(places, reading)

    @ui.page("/")
    def start() -> None:
        if places.only is None:
            start_page.draw(places)
        else:
            campaign_page.draw(places.called(places.only.name), back=False)

    @ui.page("/campaign/{name}")
    def of_campaign(name: str) -> None:
        _with_errors(lambda: campaign_page.draw(places.called(name), back=places.only is None))


def _with_errors(draw: Callable[[], None]) -> None:
    """Draw a page, or say in one line why it cannot be."""
    try:
        draw()
    except AnchorDrugError as error:
        with within("div", "page"):
            text("h1", "AnchorDrug")
            text("p", error)
            link("Back", "/")
