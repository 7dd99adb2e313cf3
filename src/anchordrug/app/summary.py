"""The predictions of a library as a page shows them: a row per drug, and a heatmap of the strongest."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.errors import AnchorDrugError
from anchordrug.files.atomic import write_bytes
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json, read_table, write_json, write_table
from anchordrug.prediction.inspect import card
from anchordrug.report.predictions import Responses, read_predictions

SUMMARISED = "summarised.json"


def summary_path(folder: Path, target: str) -> Path:
    """Return where the summary of a target is, in the folder next to a campaign; a picture is next to it."""
    return folder / f"summary-{target}.parquet"


def is_summarised(folder: Path, campaign: Path) -> bool:
    """Return whether the summaries are of the predictions that the campaign has now."""
    try:
        return read_json(folder / SUMMARISED) == _stamps(campaign)
    except AnchorDrugError:
        return False


def summarise(folder: Path, campaign: Path) -> None:
    """Write the summary of every target of a finished campaign into `folder`, the one next to it.

    Raises
    ------
    SettingsError
        It is not a campaign's folder.
    """
    from anchordrug.bench.settings import read_campaign

    here = campaign / files.FINISH
    compounds = read_table(here / files.COMPOUNDS, ("drug_id", "smiles"))
    structures = dict(zip(compounds["drug_id"], compounds["smiles"], strict=True))
    for target in read_campaign(campaign / files.SETTINGS).targets:
        path = summary_path(folder, target)
        summary_of(here / f"{target}.parquet", here / f"{target}.onnx", path, structures)
    write_json(_stamps(campaign), folder / SUMMARISED)


def _stamps(campaign: Path) -> dict[str, object]:
    return {path.name: sha256(path) for path in sorted((campaign / files.FINISH).glob("*.onnx"))}


def summary_of(predictions: Path, model: Path, out: Path, structures: Mapping[str, str]) -> None:
    """Write one row per drug: evidence, confidence, counts of changed genes, and the strongest genes.

    Where matplotlib is installed, a heatmap of the drugs that change most genes is written next to it.

    Parameters
    ----------
    predictions
        A long table as `anchordrug predict` writes it.
    model
        The exported model that made it.
    structures
        SMILES by drug_id.

    Raises
    ------
    TableError
        The table has another layout.
    """
    genes = card(model)["genes"]
    found = read_predictions(predictions, genes)
    responses = found.responses
    table = found.drugs[["name", "drug_id", "evidence", "confidence", "similarity"]].assign(
        confidence=found.drugs["confidence"].astype(float).round(3),
        similarity=found.drugs["similarity"].astype(float).round(2),
        up=responses.up,
        down=responses.down,
        strongest=_strongest(responses, genes),
    )
    table["smiles"] = table["drug_id"].map(structures)
    rows = np.argsort(-responses.changed, kind="stable")
    _draw(found.scores_of, table, rows, genes, found.score, out.with_suffix(".svg"))
    write_table(table.iloc[rows].reset_index(drop=True), out)


def _strongest(responses: Responses, genes: Sequence[str]) -> list[str]:
    sides = [("↑", responses.strongest_up.genes), ("↓", responses.strongest_down.genes)]
    return [
        ", ".join(
            f"{genes[gene]}\u00a0{arrow}"
            for arrow, places in ((arrow, places[row]) for arrow, places in sides)
            for gene in places
            if gene >= 0
        )
        for row in range(len(responses.up))
    ]


def _draw(
    scores_of, table: pd.DataFrame, rows: np.ndarray, genes: Sequence[str], score: str, out: Path
) -> None:
    """Draw the drugs that change most genes; remove an earlier picture where there is nothing to draw."""
    out.unlink(missing_ok=True)
    try:
        from anchordrug.report.heatmap import MOST_DRUGS, heatmap
    except ImportError:
        # Whoever only predicts with a model need not have the packages for figures.
        return
    most = rows[:MOST_DRUGS]
    names = table["name"].fillna(table["drug_id"]).iloc[most].astype(str).tolist()
    figure = heatmap(scores_of(most), names, genes, score)
    if figure is not None:
        write_bytes(figure.svg.encode(), out)
