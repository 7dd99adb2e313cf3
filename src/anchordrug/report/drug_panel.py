"""The drugs of one cell line as every report shows them: evidence groups, tables, a map and a heatmap."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.errors import printable
from anchordrug.evaluation.coverage import response_plane
from anchordrug.evidence_group import GROUPS, NEAR_SIMILARITY
from anchordrug.labels import labels_of
from anchordrug.report.drugs import Drawings, measured_table, predicted_table
from anchordrug.report.figures import Figures
from anchordrug.report.heatmap import MOST_DRUGS, heatmap
from anchordrug.report.plots import Figure, library_map
from anchordrug.report.predictions import Predictions, responses_of

# A plane of more drugs takes long, and shows no more.
MOST_ON_MAP = 1000
# Of a heatmap's drugs, if so many were measured.
MEASURED_SHARE = 0.3
LONGEST_NAME = 30
FEWEST_ON_MAP = 4
MARK = "\u25cf"
MEANING = {
    "seen": "measured in another cell line",
    "near": f"not measured, but like a known drug (Tanimoto similarity of {NEAR_SIMILARITY:g} or more)",
    "far": "not measured, and similar to no known drug",
}


@dataclass(frozen=True)
class Measured:
    """The drugs measured in a cell line.

    Attributes
    ----------
    drugs
        drug_id, name, moa, smiles, and further columns to be shown.
    z
        float32 [drugs, genes], NaN where a gene was not measured.
    threshold
        Of |z|, beyond which a gene has changed.
    note
        An explanation of the further columns.
    """

    drugs: pd.DataFrame
    z: np.ndarray
    threshold: float
    note: str = ""


def drug_panel(
    target: str,
    predictions: Predictions,
    measured: Measured,
    about: pd.DataFrame,
    figures: Figures,
    drawings: Drawings,
) -> dict[str, object]:
    """Return the parts of a page on the drugs of `target`.

    Parameters
    ----------
    about
        smiles, name and moa by drug_id.
    figures, drawings
        Of the page; those of this cell line are added.
    """
    ids = measured.drugs["drug_id"].tolist()
    changes = responses_of(labels_of(measured.z, measured.threshold), measured.z)
    is_anchor = predictions.drugs["drug_id"].isin(ids).to_numpy()
    anchors, others = np.flatnonzero(is_anchor), np.flatnonzero(~is_anchor)
    on_map = np.union1d(anchors, others[_spread(len(others), MOST_ON_MAP - len(anchors))])
    many = max(MOST_DRUGS - len(ids), int((1 - MEASURED_SHARE) * MOST_DRUGS))
    strongest = others[np.argsort(-predictions.responses.changed[others], kind="stable")[:many]]
    rows = np.union1d(on_map, strongest)
    scores = predictions.scores_of(rows)
    titles = _titles(predictions.drugs)
    plane = _map(predictions, about, on_map, is_anchor[on_map], scores[np.isin(rows, on_map)])
    warm = heatmap(
        *_strongest(
            predictions, measured, changes.changed, scores[np.isin(rows, strongest)], titles[strongest]
        ),
        predictions.genes,
        predictions.score,
    )
    return {
        "target": target,
        "score": predictions.score,
        "note": measured.note,
        # First, so that they are drawn whatever the number of drugs.
        "measured": measured_table(measured.drugs, changes, predictions.genes, drawings),
        "predicted": predicted_table(predictions, about, ids, drawings),
        "map": plane and figures.add(f"library_{target}", plane),
        "on_map": len(on_map),
        "of_drugs": len(predictions.drugs),
        "heatmap": warm and figures.add(f"heatmap_{target}", warm),
        "heatmap_shows": warm and warm.shows,
    }


def groups_table(predictions: Predictions, measured: list[str], scores: pd.DataFrame) -> pd.DataFrame:
    """Return the evidence groups that have drugs, the one to believe first first.

    Parameters
    ----------
    measured
        Ids of drugs that are not counted, as they do not need a prediction.
    scores
        Further columns, by group.
    """
    counted = ~predictions.drugs["drug_id"].isin(measured)
    drugs = pd.DataFrame(
        {
            "evidence": predictions.drugs["evidence"],
            "called": predictions.responses.changed,
            "right": predictions.right,
        }
    )[counted]
    by_group = drugs.groupby("evidence")
    own = by_group[["called", "right"]].sum().assign(drugs=by_group.size()).reindex(GROUPS).dropna()
    table = pd.DataFrame(
        {
            "evidence": own.index,
            "meaning": own.index.map(MEANING),
            "drugs": own["drugs"].astype(int),
            "genes called down or up, per drug": (own["called"] / own["drugs"]).round().astype(int),
            "of 100 such calls, expected to be right": (100 * own["right"] / own["called"])
            .round()
            .astype("Int64"),
        },
        index=own.index,
    )
    counts = {name: "Int64" for name in scores if str(name).endswith("drugs")}
    return table.join(scores).astype(counts)


def _spread(drugs: int, most: int) -> np.ndarray:
    """Return positions of `most` drugs at equal distances, or of all."""
    return np.arange(drugs) if drugs <= most else np.linspace(0, drugs - 1, max(most, 0)).astype(np.int64)


def _titles(drugs: pd.DataFrame) -> np.ndarray:
    """Return the names of drugs in figures: their names in one line, or else their ids."""
    names = drugs["name"].astype(object).where(drugs["name"].notna(), drugs["drug_id"])
    return np.array([printable(str(name), LONGEST_NAME) for name in names], object)


def _map(
    predictions: Predictions, about: pd.DataFrame, rows: np.ndarray, measured: np.ndarray, scores: np.ndarray
) -> Figure | None:
    """Return the drugs `rows` in a plane of their predicted responses; None for too few."""
    if len(rows) < FEWEST_ON_MAP:
        return None
    plane = response_plane(scores, seed=0)
    own, responses = predictions.drugs.iloc[rows], predictions.responses
    moa = about["moa"].reindex(own["drug_id"]).tolist()
    labels = [
        f"{title}{f', {printable(mechanism, 60)}' if isinstance(mechanism, str) else ''}: "
        f"{'measured' if known else f'{evidence}, confidence {confidence:.2f}'}, {up} genes up, {down} down"
        for title, mechanism, known, evidence, confidence, up, down in zip(
            _titles(own),
            moa,
            measured.tolist(),
            own["evidence"],
            own["confidence"],
            responses.up[rows].tolist(),
            responses.down[rows].tolist(),
            strict=True,
        )
    ]
    group = np.where(measured, "measured", own["evidence"].to_numpy(object))
    return library_map(pd.DataFrame({"x": plane[:, 0], "y": plane[:, 1], "group": group, "label": labels}))


def _strongest(
    predictions: Predictions, measured: Measured, changed: np.ndarray, scores: np.ndarray, titles: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return scores and names of the drugs of a heatmap; with z-scores, measured drugs are among them."""
    names = titles.tolist()
    if predictions.score != "z":
        return scores, names
    most = np.sort(np.argsort(-changed, kind="stable")[: MOST_DRUGS - len(names)])
    own = [f"{MARK} {title}" for title in _titles(measured.drugs)[most]]
    return np.concatenate([measured.z[most], scores]), own + names
