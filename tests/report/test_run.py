"""The report: its numbers are those of the tables, and a browser shows it as it should."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_table, write_table
from anchordrug.report.drug_panel import Measured, drug_panel, groups_table
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.page import write_page
from anchordrug.report.predictions import read_predictions
from tests.conftest import FROM_PRETRAIN, copied, project_at, run_cli, run_stages, small_params, write_params
from tests.report.made_up import about_of, gene_names, made_up_predictions, write_predictions

DATA = ("measured-1", "predicted-1", "drawings")
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def reported(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project with two targets and a drug of a hostile name among the anchors of the first."""
    folder = tmp_path_factory.mktemp("reported")
    for name in ("curated", "atlas", "features"):
        shutil.copytree(project / "tables" / name, folder / "tables" / name)
    params = small_params()
    params["targets"] = ["SIM-T1", "SIM-T2"]
    params["select"]["budget"] = 10
    write_params(folder, params)
    # What it learned for the first target does not depend on the budget.
    for name in ("models/pretrained", "metrics/pretrain"):
        shutil.copytree(project / name, folder / name)
    stages = ("pretrain", "select", "compare", "finetune", "evaluate", "hidden")
    commands = [command for command in FROM_PRETRAIN if command[0] in stages]
    second = [[part.replace("SIM-T1", "SIM-T2") for part in command] for command in commands]
    run_stages(folder, (["split"], *commands[1:], *second, ["summarise"]))
    # The library is predicted in the first target alone.
    run_stages(folder, (["export", "--target", "SIM-T1"],))
    made = project_at(folder)
    drugs = read_table(made.drugs)
    first = read_table(made.selection("SIM-T1", 0))["drug_id"].iloc[0]
    drugs.loc[drugs["drug_id"] == first, "name"] = HOSTILE
    write_table(drugs, made.drugs)
    predict = ["predict", "--model", made.onnx("SIM-T1"), "--drugs", made.drugs]
    run_stages(folder, ([*predict, "--out", made.predictions("SIM-T1")], ["report"]))
    return folder


@pytest.fixture
def page(reported: Path) -> str:
    """The report's text."""
    return (reported / "metrics/report.html").read_text(encoding="utf-8")


class TextOf(HTMLParser):
    """The text of a page without style and script, in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag in {"style", "script"}:
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside and data.strip():
            self.pieces.append(" ".join(data.split()))


def text_of(page: str) -> str:
    parser = TextOf()
    # Terms of the glossary are buttons within a text.
    parser.feed(re.sub(r'<button type="button" class="term"[^>]*>(.*?)</button>', r"\1", page))
    return "\n".join(parser.pieces)


def test_the_headline_is_what_the_scores_say(reported, page):
    text = text_of(page)
    headline = pd.read_csv(reported / "metrics/headline.csv").set_index(["target", "predictor"])
    for target in ("SIM-T1", "SIM-T2"):
        scores = pd.read_csv(reported / f"metrics/scores/{target}-0.csv").set_index("predictor")["macro_f1"]
        for predictor, score in scores.items():
            row = headline.loc[(target, predictor)]
            assert row["macro_f1"] == pytest.approx(score, abs=2e-6)
            assert row["low"] <= row["macro_f1"] <= row["high"]
            assert row["low"] < row["high"]
        ours = headline.loc[(target, "drugs-10")]
        assert f"{target}\n{ours['macro_f1']:.3f}\n" in text
        assert f"95% interval {ours['low']:.3f} to {ours['high']:.3f}" in text
        compared = pd.read_csv(reported / f"metrics/compared/{target}-0.csv")
        random = compared.query("drugs == 10")["macro_f1"].item()
        assert f"random instead\n{random:.3f}\n" in text
        assert f"consensus of other cell lines\n{scores['consensus']:.3f}\n" in text
        assert f"whole pool (ceiling)\n{scores['whole-pool']:.3f}" in text
    both = headline.loc["mean", "macro_f1"]["drugs-10"]
    assert both == pytest.approx(
        headline.loc[[("SIM-T1", "drugs-10"), ("SIM-T2", "drugs-10")], "macro_f1"].mean()
    )


def test_it_says_which_data_and_settings_were_run(reported, page):
    text = text_of(page)
    made = project_at(reported)
    for path in (made.responses, made.drugs, made.splits):
        assert f"{path.relative_to(reported).as_posix()}\n{sha256(path)}" in text
    for row in pd.read_csv(made.funnel).itertuples():
        assert f"{row.step}\n{row.unit}\n{row.kept}\n{row.dropped}" in text
    rejects = pd.read_csv(made.rejects)
    for (kind, reason), rows in rejects.groupby(["kind", "reason"]).size().items():
        assert f"{kind}\n{reason}\n{rows}" in text
    assert "strategy: a_optimal" in page
    assert "net_share: 0.4" in page


def test_every_anchor_is_in_the_table_and_on_the_map_if_another_line_has_measured_it(reported, page):
    text = text_of(page)
    responses = read_table(project_at(reported).responses)
    known = set(responses.loc[responses["cell_line"] != "SIM-T2", "drug_id"])
    selection = pd.read_csv(reported / "tables/selections/SIM-T2-0.csv")
    drugs = read_table(project_at(reported).drugs).set_index("drug_id")
    for row in selection.itertuples():
        assert f"{row.round}\n{row.name}\n" in text
        mechanism = drugs.loc[row.drug_id, "moa"]
        told = row.name if pd.isna(mechanism) else f"{row.name}, {mechanism}"
        assert (f'aria-label="{told} (round {row.round})"' in page) == (row.drug_id in known)
    missing = len(set(selection["drug_id"]) - known)
    assert missing
    assert f"are not on the map: {missing}." in text


def test_the_worst_drug_and_the_best_gene_are_those_of_the_tables(reported, page):
    text = text_of(page)
    counts = pd.read_csv(reported / "metrics/test_drugs/SIM-T1-0.csv").query("predictor == 'drugs-10'")
    changed = counts.filter(regex="^(down|up)_as_").sum(axis=1)
    strong = counts[changed >= changed.median()]
    scores = []
    for row in strong.itertuples():
        f1 = []
        for label in ("down", "none", "up"):
            others = [other for other in ("down", "none", "up") if other != label]
            right = getattr(row, f"{label}_as_{label}")
            missed = sum(getattr(row, f"{label}_as_{other}") for other in others)
            wrong = sum(getattr(row, f"{other}_as_{label}") for other in others)
            f1.append(2 * right / (2 * right + missed + wrong) if right + missed + wrong else 0)
        scores.append(np.mean(f1))
    worst = strong.iloc[int(np.argmin(scores))]["drug_id"]
    name = read_table(project_at(reported).drugs).set_index("drug_id").loc[worst, "name"]
    (place,) = [
        found.end() for found in re.finditer("lowest macro-F1, of the half that changes most genes", text)
    ][:1]
    assert text[place:].split("correlation\n", 1)[1].startswith(f"{name}\n")
    assert f"{min(scores):.3f}" in text[place : place + 400]


def test_it_is_one_file_that_opens_offline(page):
    assert len(page.encode()) < 5 * 2**20
    assert not re.search(r"<(link|img|iframe|script)[^>]*(src|href)\s*=", page)
    assert not re.search(r"url\(\s*['\"]?(https?:)?//", page)
    assert "@import" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', page):
        assert reference in ids


def test_names_are_text_wherever_they_stand(page):
    assert "owned" in text_of(page)
    data = [f'<script type="application/json" id="{name}">' for name in DATA]
    assert re.findall("<script[^>]*>", page) == [*data, "<script>"]


def test_the_predicted_drugs_are_those_of_the_table_and_the_anchors_apart(reported, page):
    found = re.search(r'id="predicted-1">(.*?)</script>', page)
    rows = json.loads(found[1])["rows"]
    predicted = pd.read_parquet(project_at(reported).predictions("SIM-T1"))
    anchors = pd.read_csv(reported / "tables/selections/SIM-T1-0.csv")["drug_id"]
    assert len(rows) == predicted["drug_id"].nunique() - len(anchors)
    assert not {row[1][-2] for row in rows if len(row[1]) > 1} & set(anchors)
    up = predicted[predicted["label"] == "up"].groupby("drug_id").size()
    first = next(row for row in rows if len(row[1]) > 1 and row[1][1])
    assert first[5][0] == up.get(first[1][1], 0)


def test_it_links_its_files_and_says_what_is_not_predicted_yet(reported, page):
    links = [link for link in re.findall(r'href="([^"#]+)"', page) if not link.startswith("data:")]
    assert "../tables/predictions/SIM-T1.parquet" in links
    assert all((reported / "metrics" / link).exists() for link in links)
    assert "The library is not predicted yet in SIM-T2;" in text_of(page)


def test_figures_are_files_too_and_the_same_bytes_again(reported, page):
    figures = {path.name: path.read_bytes() for path in (reported / "metrics/figures").iterdir()}
    assert {"predictors.svg", "learning_curve.svg", "reliability.svg", "map_SIM-T1.svg"} <= set(figures)
    result = run_cli("report", folder=reported)
    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in (reported / "metrics/figures").iterdir()} == figures
    assert (reported / "metrics/report.html").read_text(encoding="utf-8") == page


def test_without_its_tables_it_names_the_stage_to_run(reported, tmp_path):
    copied(reported, tmp_path)
    (tmp_path / "metrics/compared/SIM-T2-0.csv").unlink()
    result = run_cli("report", folder=tmp_path)
    assert "run 'anchordrug compare' first" in str(result.exception)


# In a browser


@pytest.fixture
def open_page(browser):
    """Open a file in a page of a browser; whatever goes wrong there, the test fails in the end."""
    troubles, contexts = [], []

    def opened(path: Path, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda asked: None if asked.url.startswith("file:") else troubles.append(asked.url)
        )
        page.goto(path.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def campaign_report(tmp_path_factory) -> Path:
    """The page of a finished campaign at the bench, with made-up predictions and hostile names."""
    folder = tmp_path_factory.mktemp("campaign")
    predicted = made_up_predictions(60, 45, name=HOSTILE)
    predictions = read_predictions(write_predictions(predicted, folder / "p.parquet"), gene_names(predicted))
    about, figures, drawings = about_of(predicted), Figures(), Drawings()
    z = np.random.default_rng(0).normal(0, 2, (3, 45)).astype(np.float32)
    measured = Measured(about.reset_index().iloc[:3].assign(round=1), z, 1.5)
    table = pd.DataFrame({"cell line": ["SIM-T1", HOSTILE], "value": [0.5, np.nan]})
    groups = groups_table(predictions, ["D00000"], pd.DataFrame({"macro_f1": [0.5]}, index=["seen"]))
    panel = drug_panel("SIM-T1", predictions, measured, about, figures, drawings)
    write_page(
        "campaign.html",
        folder / "report.html",
        targets="SIM-T1",
        anchors=[1, 2, 3],
        summary=HOSTILE,
        conditions=["Measured at 1 uM.", "dose and time: the campaign has 1 uM & <b>."],
        files=[("p.parquet", "p.parquet", "every prediction")],
        panels=[panel | {"groups": groups, "agreement": HOSTILE, "failed": table}],
        rounds=table,
        forecast=table,
        drawings=drawings,
    )
    return folder / "report.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
@pytest.mark.parametrize("kind", ["run", "campaign"])
def test_anyone_can_read_it(reported, campaign_report, open_page, kind, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(reported / "metrics/report.html" if kind == "run" else campaign_report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title() != "owned"
    found = axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}
    ] == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_tabs_work_by_mouse_and_by_keyboard(reported, open_page):
    page = open_page(reported / "metrics/report.html")
    first, second = page.get_by_role("tab").all()
    panels = [page.locator("#line-panel-1"), page.locator("#line-panel-2")]
    assert [panel.is_visible() for panel in panels] == [True, False]
    second.click()
    assert [panel.is_visible() for panel in panels] == [False, True]
    assert second.get_attribute("aria-selected") == "true"
    second.press("ArrowRight")
    assert [panel.is_visible() for panel in panels] == [True, False]
    assert first.evaluate("one => one === document.activeElement")
    page.emulate_media(media="print")
    assert [panel.is_visible() for panel in panels] == [True, True]


def test_points_tell_their_names_on_hover_and_focus(reported, open_page):
    page = open_page(reported / "metrics/report.html")
    tip = page.locator("#tip")
    assert not tip.is_visible()
    anchor = page.locator("#line-panel-1 [data-tip][tabindex]").first
    anchor.focus()
    assert tip.inner_text() == anchor.get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    gene = page.locator("#line-panel-1 figure").last.locator("[data-tip]").first
    gene.scroll_into_view_if_needed()
    gene.hover(force=True)
    assert tip.inner_text() == gene.get_attribute("data-tip")


def test_tables_sort_and_genes_are_found(reported, open_page):
    page = open_page(reported / "metrics/report.html")
    table = page.locator("#genes-1")
    table.get_by_role("button", name="changed").click()
    shown = [float(text) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    assert len(set(shown)) > 1
    gene = table.locator("tbody td").first.inner_text()
    page.get_by_label("Find a gene").first.fill(gene.lower())
    rows = table.locator("tbody tr")
    assert [row.is_visible() for row in rows.all()].count(True) == 1


def test_predicted_drugs_are_found_sorted_chosen_and_paged(campaign_report, open_page):
    page = open_page(campaign_report)
    box = page.locator("[data-paged=predicted-1]")
    names, rows = box.locator("tbody td.drug strong"), box.locator("tbody tr")
    said = box.get_by_role("status")
    assert said.inner_text() == "1 to 25 of 57"
    assert rows.count() == 25
    assert rows.first.locator("svg path").count() > 0
    assert HOSTILE in names.all_inner_texts()[0] + names.all_inner_texts()[1]
    box.get_by_role("button", name="Next").press("Enter")
    assert said.inner_text() == "26 to 50 of 57"
    box.get_by_role("button", name="confidence").click()
    shown = [float(text) for text in box.locator("tbody td:nth-child(5)").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    assert said.inner_text() == "1 to 25 of 57"
    box.get_by_label("Show evidence").select_option("far")
    assert set(box.locator("tbody td:nth-child(3)").all_inner_texts()) == {"far"}
    box.get_by_label("Find a drug").fill("D00009")
    everywhere = box.get_by_label("Show evidence")
    everywhere.select_option("")
    assert rows.count() == 1
    assert said.inner_text() == "1 to 1 of 1 found, of 57"
    box.get_by_label("Find a drug").fill("no such drug")
    assert said.inner_text() == "Nothing found"
