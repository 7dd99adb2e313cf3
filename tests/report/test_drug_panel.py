"""The drugs of a page: who is measured, who is predicted, in which order, and what is drawn of them."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from anchordrug.report import drugs as page_drugs
from anchordrug.report.drug_panel import Measured, drug_panel, groups_table
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.heatmap import MOST_GENES, heatmap
from anchordrug.report.page import write_page
from anchordrug.report.predictions import read_predictions
from tests.report.made_up import SMILES, about_of, gene_names, made_up_predictions, write_predictions

HOSTILE = "</script><script>document.title='owned'</script>"


@pytest.fixture
def made(tmp_path):
    """Return a table of predictions, its panel, and the figures and drawings of the page."""
    table = made_up_predictions(40, 50)
    predictions = read_predictions(write_predictions(table, tmp_path / "t.parquet"), gene_names(table))
    about = about_of(table)
    drugs = about.reset_index().iloc[[3, 7]].assign(round=[1, 2], note=[np.nan, 0.5])
    z = np.random.default_rng(1).normal(0, 2, (2, 50)).astype(np.float32)
    z[0, 0] = np.nan
    figures, drawings = Figures(), Drawings()
    measured = Measured(drugs, z, 1.5)
    panel = drug_panel("SIM-T1", predictions, measured, about, figures, drawings)
    return table, predictions, measured, panel, figures, drawings


def id_of(row: list) -> str:
    """Return the id in the second cell: that next to the name, or the name of a drug without one."""
    return row[1][1] if len(row[1]) > 1 and row[1][1] else row[1][0]


def test_measured_drugs_are_apart_from_predicted_ones(made):
    table, _, measured, panel, _, _ = made
    assert [id_of(row) for row in panel["measured"].rows] == ["D00003", "D00007"]
    predicted = [id_of(row) for row in panel["predicted"].rows]
    assert sorted([*predicted, "D00003", "D00007"]) == table["drug_id"].unique().tolist()
    up = [row[-2][0] for row in panel["measured"].rows]
    assert up == (measured.z > 1.5).sum(axis=1).tolist()
    assert [row[3] for row in panel["measured"].rows] == [None, 0.5]


def test_predicted_drugs_are_listed_by_group_and_then_by_changed_genes(made):
    rows = made[3]["predicted"].rows
    keys = [(["seen", "near", "far"].index(row[2]), -row[5][0] - row[6][0]) for row in rows]
    assert keys == sorted(keys)
    assert len({group for group, _ in keys}) == 3


def test_each_structure_is_drawn_once(made):
    *_, panel, _, drawings = made
    assert len(drawings.drawn) == len(SMILES)
    assert {row[0] for row in panel["predicted"].rows} == set(range(len(SMILES)))


def test_beyond_the_most_only_the_first_are_drawn(monkeypatch):
    monkeypatch.setattr(page_drugs, "MOST_DRAWINGS", 2)
    drawings = Drawings()
    assert [drawings.add(smiles) for smiles in ("CCO", None, "C1CC", "CCC", "CCCC", "CCO")] == [
        *(0, None, None, 1, None, 0)
    ]
    assert drawings.left_out == {"CCCC"}


def test_groups_count_what_is_not_measured(made):
    table, predictions, *_ = made
    scores = pd.DataFrame({"macro_f1": [0.6]}, index=["seen"])
    found = groups_table(predictions, ["D00003"], scores).set_index("evidence")
    others = table[table["drug_id"] != "D00003"]
    called = others[others["label"].isin(["down", "up"])]
    p = np.where(called["label"] == "up", called["p_up"], called["p_down"])
    for group, own in others.groupby("evidence"):
        row, calls = found.loc[group], (called["evidence"] == group).to_numpy()
        assert row["drugs"] == own["drug_id"].nunique()
        assert row["genes called down or up, per drug"] == round(calls.sum() / row["drugs"])
        assert row["of 100 such calls, expected to be right"] == round(100 * p[calls].mean())
    assert found["macro_f1"].notna().tolist() == [True, False, False]


def test_the_map_names_every_drug_and_the_heatmap_every_cell(made):
    *_, panel, _, _ = made
    tips = re.findall(r'data-tip="([^"]*)"', panel["map"])
    assert len(tips) == 40
    assert sum(": measured, " in tip for tip in tips) == 2
    cells = re.findall(r'data-tip="([^"]*)"', panel["heatmap"])
    assert len(cells) == 40 * MOST_GENES
    assert sum(cell.startswith("\u25cf drug 3, ") for cell in cells) == MOST_GENES


def test_the_heatmap_has_like_drugs_and_genes_side_by_side():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(2, 30))
    scores = np.stack([kinds[place % 2] + rng.normal(0, 0.05, 30) for place in range(8)])
    figure = heatmap(
        scores, [f"drug{place}" for place in range(8)], [f"g{place}" for place in range(30)], "z"
    )
    assert figure is not None
    order = list(dict.fromkeys(int(label[4]) % 2 for label in figure.points[0].labels))
    assert len(order) == 2
    ElementTree.fromstring(figure.svg)
    runs = [int(label[4]) % 2 for label in figure.points[0].labels[::30]]
    assert runs in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4)


@pytest.mark.parametrize("scores", [np.zeros((0, 5)), np.zeros((1, 5)), np.ones((3, 1))])
def test_too_little_for_a_heatmap(scores):
    assert heatmap(scores, ["d"] * len(scores), ["g"] * scores.shape[1], "z") is None


def test_constant_and_unmeasured_rows_are_drawn_all_the_same():
    scores = np.array([[np.nan] * 4, [1, 1, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1]], float)
    figure = heatmap(scores, ["$a$", HOSTILE[:30], "\u6771", "d"], list("abcd"), "z")
    assert figure is not None
    assert sum("not measured" in label for label in figure.points[0].labels) == 4


def test_data_of_a_page_is_text_to_it_and_the_same_bytes_again(tmp_path):
    written = []
    for name in ("one", "other"):
        hostile = made_up_predictions(8, 12, name=HOSTILE)
        path = write_predictions(hostile, tmp_path / f"{name}.parquet")
        predictions = read_predictions(path, gene_names(hostile))
        about, figures, drawings = about_of(hostile), Figures(), Drawings()
        measured = Measured(about.reset_index().iloc[[1]], np.full((1, 12), np.nan, np.float32), 1.5)
        panel = drug_panel("SIM-T1", predictions, measured, about, figures, drawings)
        panel |= {
            "groups": groups_table(predictions, ["D00001"], pd.DataFrame()),
            "failed": [],
            "agreement": "",
        }
        values = {"targets": HOSTILE, "summary": HOSTILE, "anchors": [1], "conditions": [HOSTILE]}
        values |= {
            "files": [("a%20b", HOSTILE, "told")],
            "rounds": pd.DataFrame({"a": [1]}),
            "forecast": None,
        }
        write_page("campaign.html", tmp_path / name, **values, panels=[panel], drawings=drawings)
        written.append((tmp_path / name).read_text(encoding="utf-8"))
    assert written[0] == written[1]
    assert len(re.findall("</script", written[0])) == 4
    data = re.search(r'<script type="application/json" id="predicted-1">(.*?)</script>', written[0])
    assert f"{HOSTILE} 2" in {row[1][0] for row in json.loads(data[1])["rows"]}
