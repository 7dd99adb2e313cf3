"""Drugs as rows of a table that a page shows some at a time, and the drawings of their structures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from anchordrug.chem.drawing import drawing
from anchordrug.evidence_group import GROUPS
from anchordrug.report.predictions import OF_DRUG, Predictions, Responses, Strongest

WIDTH, HEIGHT = 150, 100
# Of one page. Each takes about 2 kB.
MOST_DRAWINGS = 1500


@dataclass
class Drawings:
    """The structures that a page draws, each once, by SMILES."""

    places: dict[str, int] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    def add(self, smiles: object) -> int | None:
        """Return the place of a structure among those drawn; None without one, or if it is not drawn."""
        if not isinstance(smiles, str) or not smiles:
            return None
        if smiles not in self.places:
            if len(self.drawn) >= MOST_DRAWINGS:
                self.left_out.add(smiles)
                return None
            try:
                self.drawn.append(drawing(smiles, WIDTH, HEIGHT))
            except ValueError:
                # The table says that it is not drawn; a page is worth more than one drawing.
                return None
            self.places[smiles] = len(self.drawn) - 1
        return self.places[smiles]


@dataclass(frozen=True)
class PagedTable:
    """A table of a page's data, in the order in which it is shown first.

    Attributes
    ----------
    columns
        Name and kind of each. Kinds are structure (place of a drawing); drug (name, id, mechanism); text;
        near (similarity, nearest drug or None, source lines); genes (their number, then place and score of
        the strongest); or the number of decimals.
    rows
        One list of cells per drug.
    genes
        The names that cells of kind genes refer to.
    choices
        The texts of the column `filtered` to choose from.
    """

    columns: list[tuple[str, str | int]]
    rows: list[list[object]]
    genes: Sequence[str]
    choices: Sequence[str] = ()
    filtered: str = ""

    def data(self) -> dict[str, object]:
        """Return the data for the page's script, as plain lists and texts."""
        return {
            "columns": [list(column) for column in self.columns],
            "rows": self.rows,
            "genes": list(self.genes),
            "choices": list(self.choices),
            "filtered": self.filtered,
        }


def predicted_table(
    predictions: Predictions, about: pd.DataFrame, left_out: Sequence[str], drawings: Drawings
) -> PagedTable:
    """Return the predicted drugs: by evidence group, and within it those that change most genes first.

    Parameters
    ----------
    about
        smiles, name and moa by drug_id; drugs that it lacks have no drawing.
    left_out
        Ids of drugs that were measured, which have a table of their own.
    """
    drugs, responses = predictions.drugs, predictions.responses
    groups = drugs["evidence"].map(GROUPS.index).to_numpy()
    order = np.lexsort((np.arange(len(drugs)), -responses.changed, groups))
    order = order[~drugs["drug_id"].isin(left_out).to_numpy()[order]]
    names = about["name"].fillna(pd.Series(about.index, about.index)).to_dict()
    known = about.reindex(drugs["drug_id"])
    texts = [*(drugs[name].tolist() for name in OF_DRUG), known["moa"].tolist(), known["smiles"].tolist()]
    cells = list(zip(*texts, _gene_cells(responses, "up"), _gene_cells(responses, "down"), strict=True))
    rows: list[list[object]] = []
    for place in order.tolist():
        drug_id, name, evidence, similarity, nearest, lines, confidence, moa, smiles, up, down = cells[place]
        near = [round(similarity, 2), None if nearest == drug_id else names.get(nearest, nearest), lines]
        drawn, drug = drawings.add(smiles), _drug_cell(name, drug_id, moa)
        rows.append([drawn, drug, evidence, near, round(confidence, 2), up, down])
    columns: list[tuple[str, str | int]] = [
        ("structure", "structure"),
        ("drug", "drug"),
        ("evidence", "text"),
        ("most similar known drug", "near"),
        ("confidence", 2),
        ("genes up", "genes"),
        ("genes down", "genes"),
    ]
    return PagedTable(columns, rows, predictions.genes, GROUPS, "evidence")


def measured_table(
    drugs: pd.DataFrame, responses: Responses, genes: Sequence[str], drawings: Drawings
) -> PagedTable:
    """Return the measured drugs in their order.

    Parameters
    ----------
    drugs
        drug_id, name, moa, smiles; every further column is shown: text, or numbers with two decimals.
    responses
        Their measured responses.
    """
    fixed = ["drug_id", "name", "moa", "smiles"]
    further = [name for name in drugs.columns if name not in fixed]
    down, up = (_gene_cells(responses, name) for name in ("down", "up"))
    rows = []
    for place, own in enumerate(drugs.to_dict("records")):
        cells = [_cell(own[name]) for name in further]
        rows.append(
            [
                drawings.add(own["smiles"]),
                _drug_cell(own["name"], own["drug_id"], own["moa"]),
                *cells,
                up[place],
                down[place],
            ]
        )
    kinds = [(name.replace("_", " "), _kind(drugs[name])) for name in further]
    columns = [
        ("structure", "structure"),
        ("drug", "drug"),
        *kinds,
        ("genes up", "genes"),
        ("genes down", "genes"),
    ]
    return PagedTable(columns, rows, genes)


def _kind(column: pd.Series) -> str | int:
    if pd.api.types.is_integer_dtype(column):
        return 0
    return 2 if pd.api.types.is_numeric_dtype(column) else "text"


def _cell(value: object) -> object:
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, (int, np.integer)):
        return int(value)
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else str(value)


def _drug_cell(name: object, drug_id: str, moa: object) -> list[str]:
    """Return name, id and mechanism; the id is empty where it is the name, and texts at the end may lack."""
    title = name if isinstance(name, str) and name else drug_id
    cell = [title, "" if title == drug_id else drug_id, moa if isinstance(moa, str) else ""]
    while not cell[-1]:
        cell.pop()
    return cell


def _gene_cells(responses: Responses, direction: str) -> list[list[float]]:
    counts: np.ndarray = getattr(responses, direction)
    strongest: Strongest = getattr(responses, f"strongest_{direction}")
    scores = np.round(strongest.scores.astype(np.float64), 2)
    return [
        [
            count,
            *(part for gene, score in zip(genes, values, strict=True) if gene >= 0 for part in (gene, score)),
        ]
        for count, genes, values in zip(
            counts.tolist(), strongest.genes.tolist(), scores.tolist(), strict=True
        )
    ]
