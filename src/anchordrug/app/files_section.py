"""Step 1 of a page: the cell line, the dropped files, and how they were read."""

from collections.abc import Callable

import pandas as pd
from nicegui import ui

from anchordrug.app.beside import (
    EXPRESSION,
    LIBRARY,
    LOOK,
    PREDICT,
    SEEN,
    dropped,
    forget,
    read_form,
    read_seen,
    write_form,
)
from anchordrug.app.job_panel import refuse
from anchordrug.app.place import Place, after_drop
from anchordrug.app.plan import filled
from anchordrug.app.widgets import (
    button,
    chips,
    drop_zone,
    file_url,
    link,
    note,
    paged_table,
    plain_table,
    prose,
    stamp,
    text,
    within,
)
from anchordrug.app.words import size_in_words
from anchordrug.errors import AnchorDrugError
from anchordrug.evidence_group import FAR, NEAR
from anchordrug.evidence_group import SEEN as KNOWN
from anchordrug.files.tables import read_table

_CALLED = {
    "drug_id": "id",
    "smiles": "structure (SMILES)",
    "inchikey": "InChIKey",
    "moa": "mechanism",
    "source_plate": "source plate",
    "source_well": "source well",
}
_ROLES = {LIBRARY: "Compounds", EXPRESSION: "Expression", PREDICT: "Drugs to predict"}
GROUP_WORDS = {
    KNOWN: "seen: measured in another cell line",
    NEAR: "near: not seen, but similar to a known drug",
    FAR: "far: not seen, and similar to no known drug",
}


def depends(place: Place) -> object:
    """Return a value that changes when the section has to be drawn again."""
    here = place.beside
    folders = [here / role for role in (LIBRARY, PREDICT, EXPRESSION)]
    return place.is_made, stamp(*folders, here / SEEN), place.busy()


def field(place: Place, name: str, change: Callable[[], None] | None = None) -> Callable:
    """Return a function that keeps a changed field of the form."""

    def keep(event) -> None:
        write_form(place.beside, {**read_form(place.beside), name: event.value})
        if change:
            change()

    return keep


def draw(place: Place) -> None:
    """Draw the section."""
    if place.is_made:
        return
    form = filled(read_form(place.beside))
    with within("section", "card"):
        text("h2", "1. Your cell line and your compounds")
        prose(
            "Name the cell line first; then drop the files. They stay on this computer.",
            "soft",
        )
        with within("div", "row-of"):
            ui.input(
                "Name of the cell line", value=str(form["target"]), on_change=field(place, "target")
            ).props("outlined dense debounce=300 autocomplete=off").classes("field").on(
                "blur", lambda: _look(place)
            )
            ui.checkbox(
                "Rehearse with a cell line of the atlas, as if nothing were measured in it",
                value=bool(form["rehearsal"]),
                on_change=field(place, "rehearsal", lambda: _look(place)),
            ).classes("field")
        with within("div", "row-of"):
            url = f"/drop/{place.name}/"
            drop_zone(
                "Compounds for sale",
                "A table (CSV, Excel, parquet) with SMILES, InChIKeys, ids or names; also costs and stocks.",
                url + LIBRARY,
            )
            drop_zone(
                "Untreated expression of the cell line",
                "Counts, TPM or log2 by gene symbol or Ensembl id. Not needed for a line of the atlas.",
                url + EXPRESSION,
            )
            drop_zone(
                "Drugs to predict",
                "Optional: a table of the same kind. Without it, the compounds for sale are predicted.",
                url + PREDICT,
            )
        _dropped(place)
        _understood(place)


def _look(place: Place) -> None:
    try:
        after_drop(place, LIBRARY)
    except AnchorDrugError as error:
        refuse(error, place.beside)


def _dropped(place: Place) -> None:
    kept = [(role, path) for role in (LIBRARY, EXPRESSION, PREDICT) for path in dropped(place.beside, role)]
    if not kept:
        return
    for role, path in kept:
        with within("div", "row-of"):
            text("p", f"{_ROLES[role]}: {path.name} ({size_in_words(path.stat().st_size)})")

            def remove(role=role) -> None:
                forget(place.beside, role)
                (place.beside / SEEN).unlink(missing_ok=True)
                _look(place)

            button("Remove", remove).props["aria-label"] = f"Remove {path.name}"
    if read_seen(place.beside) is None:
        button("Read the files", lambda: _look(place), main=True, reason=place.busy())


def _understood(place: Place) -> None:
    about = read_seen(place.beside)
    if about is None:
        return
    text("h3", f"How your files were read, for {about['target']}")
    chips(
        [
            (about["usable"], "usable compounds"),
            (about["matches"].get("new", 0), "new to the atlas"),
            (about["rejects"], "rejected"),
        ]
    )
    rows = [(_CALLED.get(ours, ours), theirs) for ours, theirs in about["columns"].items()]
    plain_table(pd.DataFrame(rows, columns=["read as", "column of your file"]), "Columns")
    found = ", ".join(f"{count} by {name}" for name, count in about["matches"].items() if name != "new")
    text("p", f"Found in the atlas: {found or 'none'}.")
    for line in about["notes"]:
        text("p", line, "soft")
    if about["untreated"]:
        note(about["untreated"], lead="Expression")
    if about["is_new"]:
        text("p", f"{about['target']} is new to the atlas.")
    text("h3", "Evidence for the drugs to predict")
    prose("The evidence group of a drug tells how much is known about it.", "soft")
    chips([(about["groups"][group], words) for group, words in GROUP_WORDS.items()])
    if about["measured"]:
        text("p", f"{about['measured']} others are already measured in {about['target']}.")
    _rejects(place, about["rejects"])


def _rejects(place: Place, count: int) -> None:
    path = place.beside / LOOK / "library.rejects.csv"
    if not count or not path.exists():
        return
    table = read_table(path, ("drug_id", "name", "smiles", "inchikey", "reason"))
    with within("details"):
        text("summary", f"{count} rejected compounds, with reasons")
        shown = table[["line", "drug_id", "name", "reason"]].dropna(axis=1, how="all")
        shown = shown.rename(columns={"drug_id": "id"})
        paged_table(shown, "Rejected compounds")
        link("Download all rejected compounds", file_url(place.name, f".app/{LOOK}/library.rejects.csv"))
