"""Tables of predicted drugs and of drugs ranked against a signature."""

from pathlib import Path

import pandas as pd
from nicegui import ui

from anchordrug.app.widgets import link, note, paged_table, text, within
from anchordrug.chem.drawing import drawing
from anchordrug.errors import AnchorDrugError
from anchordrug.files.tables import read_table

# The two kinds of ranking: whether drugs are to act as the signature does.
RANKINGS = {False: "Find drugs that reverse it", True: "Find drugs that mimic it"}


def drug_table(table: pd.DataFrame, label: str) -> None:
    """Show predicted drugs, most changed genes first."""
    table = table.assign(name=table["name"].fillna(table["drug_id"]))
    names = {"drug_id": "id", "similarity": "nearest known", "strongest": "strongest genes"}
    paged_table(table.rename(columns=names), label, find="Find a drug or gene", details=_structure)


def _structure(drug: pd.Series) -> None:
    try:
        picture = drawing(str(drug["smiles"]), 320, 200)
    except ValueError:
        text("p", "No structure to draw.")
        return
    with within("div", "drug"):
        ui.html(picture)


def ranking_table(path: Path, url: str) -> None:
    """Show a ranking, if there is one, and where the whole of it is."""
    if not path.exists():
        return
    try:
        table = read_table(path, ("drug_id", "name", "evidence"))
    except AnchorDrugError as error:
        note(str(error), "bad")
        return
    shown = ["rank", "name", "drug_id", "cosine", "fdr_cosine", "connectivity", "evidence", "confidence"]
    paged_table(table[[name for name in shown if name in table]], "Ranking", find="Find a drug")
    link("Download the ranking", url)
