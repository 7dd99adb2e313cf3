"""benchmarks/paper on the small demo project: a grid of campaigns, its tables and its figures."""

import importlib.util
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from anchordrug.evaluation.statistics import holm, paired_difference
from anchordrug.labels import NONE, labels_of
from anchordrug.project.project import Project
from anchordrug.settings import read_settings
from scripts.dvc_dependencies import CodeGraph, code_of
from tests.conftest import ROOT
from tests.forks import python

SCRIPTS = ("campaigns.py", "play.py", "analyse.py", "label_shift.py", "figures.py", "published.csv")
STRATEGIES = ["random", "least_confidence", "moa"]


def run(folder, script, *options):
    done = python(script, "per_target", *options, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def paper(mlp_project, tmp_path_factory):
    """The benchmark's scripts next to a scenario whose stages have run, played, analysed and drawn."""
    folder = tmp_path_factory.mktemp("paper")
    for name in SCRIPTS:
        shutil.copy2(ROOT / "benchmarks/paper" / name, folder / name)
    shutil.copytree(mlp_project, folder / "per_target")
    params = yaml.safe_load((folder / "per_target/params.yaml").read_text(encoding="utf-8"))
    params["seeds"] = [0, 1, 2]
    (folder / "per_target/params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    grid = {"strategies": STRATEGIES, "processes": 1, "growth": 30}
    (folder / "grid.yaml").write_text(yaml.safe_dump(grid), encoding="utf-8")
    for script in ("campaigns.py", "analyse.py", "label_shift.py", "figures.py"):
        run(folder, script)
    return folder


def cells_of(folder):
    return {path.name: json.loads(path.read_text()) for path in (folder / "cells/per_target").iterdir()}


def table(folder, name):
    return pd.read_csv(folder / "results/per_target" / f"{name}.csv")


def test_the_shares_of_changed_genes_are_those_of_the_labels(paper):
    shift = table(paper, "label_shift")
    assert set(zip(shift["strategy"], shift["fit"], strict=True)) == {
        (name, fit) for name in ("random", "least_confidence") for fit in ("natural", "balanced")
    }
    folder = paper / "per_target"
    project = Project(folder, read_settings(folder / "params.yaml"))
    atlas = project.atlas()
    test = project.split(atlas, "SIM-T1").test
    changed = (labels_of(atlas.of("SIM-T1").responses_of(test), 1.5) != NONE).mean()
    np.testing.assert_allclose(shift["test"], changed, atol=1e-6)
    assert shift["predicted"].between(0, 1).all()
    random = shift[shift["strategy"] == "random"]
    assert random["anchors"].nunique() == 1  # both fits have the same
    assert shift["anchors"].nunique() == 2


def test_every_campaign_of_the_grid_is_played(paper):
    cells = cells_of(paper)
    assert set(cells) == {f"SIM-T1-{name}-{seed}.json" for name in STRATEGIES for seed in range(3)}
    for cell in cells.values():
        assert len(set(cell["anchors"])) == 20
        assert [one["drugs"] for one in cell["rounds"]] == [10, 20]
        assert [one["drugs"] for one in cell["budgets"]] == [10, 20]
        assert ("whole_pool" in cell) == (cell["strategy"] == "random")
    grown = cells["SIM-T1-random-0.json"]
    sizes = [one["drugs"] for one in grown["growth"]]
    assert sizes[:2] == [50, 80]
    assert sizes[-1] == grown["pool"] == grown["whole_pool"]["drugs"]


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.long)])
def test_what_is_done_is_not_played_again_and_what_is_lost_comes_back_the_same(paper, tmp_path, engine):
    folder = tmp_path / "paper"
    shutil.copytree(paper, folder)
    cells = folder / "cells/per_target"
    before, times = cells_of(folder), {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    (cells / "SIM-T1-moa-1.json").unlink()
    (cells / "SIM-T9-gone-0.json").write_text("{}")
    run(folder, "campaigns.py", "--engine", engine)
    after = cells_of(folder)
    assert set(after) == set(before)
    played = {path.name for path in cells.iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert played == {"SIM-T1-moa-1.json"}
    for part in ("key", "anchors", "budgets"):
        assert after["SIM-T1-moa-1.json"][part] == before["SIM-T1-moa-1.json"][part]


def test_the_comparison_is_paired_by_target_and_seed_and_corrected(paper):
    cells = cells_of(paper)
    scores = {
        name: [cells[f"SIM-T1-{name}-{seed}.json"]["budgets"][0]["macro_f1"]["SIM-T1"] for seed in range(3)]
        for name in STRATEGIES
    }
    rows = table(paper, "strategies").query("fit == 'balanced' and drugs == 10").set_index("strategy")
    expected = {name: paired_difference(scores[name], scores["random"]) for name in STRATEGIES[1:]}
    for name, difference in expected.items():
        assert rows.loc[name, "mean"] == pytest.approx(np.mean(scores[name]), abs=1e-5)
        assert rows.loc[name, "sd SIM-T1"] == pytest.approx(np.std(scores[name], ddof=1), abs=1e-5)
        assert rows.loc[name, "to random"] == pytest.approx(difference.mean, abs=1e-5)
        assert rows.loc[name, "to random low"] == pytest.approx(difference.low, abs=1e-5)
    adjusted = holm([difference.p for difference in expected.values()])
    assert rows.loc[list(expected), "to random p Holm"].tolist() == pytest.approx(adjusted, abs=1e-4)
    assert pd.isna(rows.loc["random", "to random"])
    assert {"pretrained", "whole_pool"} <= set(rows.index)


def test_coverage_and_seconds_have_a_row_for_each_campaign_and_strategy(paper):
    coverage = table(paper, "coverage")
    assert len(coverage) == len(STRATEGIES) * 3 * 2
    assert coverage["hull_coverage"].between(0, 1).all()
    assert set(table(paper, "correlation")["measure"]) == {"hull_coverage", "distance_variance", "changed"}
    seconds = table(paper, "seconds").set_index("strategy")
    assert seconds.loc["random", "to random"] == 1
    assert (seconds["total"] - seconds[["query", "train", "evaluate"]].sum(axis=1)).abs().max() < 1e-5


def test_figures_are_drawn_in_both_formats(paper):
    names = {path.name for path in (paper / "results/per_target/figures").iterdir()}
    figures = ("differences", "curves", "growth", "planes", "coverage")
    assert names == {f"{name}{suffix}" for name in figures for suffix in (".png", ".svg")}


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/paper/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def analyse():
    return script("analyse")


@pytest.fixture(scope="module")
def graph():
    return CodeGraph()


def within(path, names):
    return any(path.is_relative_to(name) for name in names)


def test_a_campaign_is_played_again_after_a_change_of_any_module_that_its_course_depends_on(graph):
    modules = script("play").MODULES
    assert all((graph.code / name).exists() for name in modules)
    reached = graph.reached_from("anchordrug.acquisition.retrospective")
    # Records, files and messages; scaffolds make splits and additions the atlas, a campaign's tables.
    plumbing = {"__init__.py", "errors.py", "registry.py", "schemas.py", "settings.py", "files"}
    plumbing |= {"atlas/additions.py", "chem/scaffolds.py", "raw/line_names.py"}
    assert not {path for path in reached if not within(path, [*modules, *plumbing])}


def test_every_stage_names_the_code_that_it_reaches(graph):
    reached_by_scripts = {
        "campaigns": ["acquisition.retrospective"],
        "analyse": ["evaluation.coverage", "evaluation.statistics", "project.project"],
        "label_shift": ["acquisition.retrospective", "evaluation.coverage", "evaluation.statistics"],
        "figures": ["files.atomic"],
    }
    stages = yaml.safe_load((ROOT / "benchmarks/paper/dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        inside = stage.get("do", stage)
        names = [dep.split("}/")[-1].split("src/anchordrug/")[-1] for dep in inside["deps"]]
        reached = set()
        for module in reached_by_scripts.get(name, ()):
            reached |= graph.reached_from(f"anchordrug.{module}")
        if name not in reached_by_scripts:
            reached = code_of(inside["cmd"], graph)
        assert not {path for path in reached if not within(path, names)}, name


def test_other_cell_lines_are_not_set_beside_the_paper(paper, analyse):
    text = (paper / "results/per_target/tables.md").read_text(encoding="utf-8")
    assert "not comparable" in text
    assert "| paper |" not in text
    assert analyse.published("per_target", ("THP1", "JURKAT", "XC.L10")) is None


def test_the_papers_targets_are_set_beside_the_paper(analyse):
    targets = ("MCF7", "PC3", "A549")
    scores = pd.DataFrame(
        [
            (target, strategy, seed, drugs, fit, 0.5 + 0.01 * seed + 0.001 * len(strategy + target))
            for target in targets
            for strategy in ("random", "bald", "pretrained", "whole_pool")
            for seed in range(3)
            for drugs in (30, 100)
            for fit in ("balanced", "natural")
        ],
        columns=["target", "strategy", "seed", "drugs", "fit", "macro_f1"],
    )
    scores = scores[
        (scores["strategy"] != "pretrained") | ((scores["drugs"] == 30) & (scores["fit"] == "natural"))
    ]
    scores = scores[(scores["strategy"] != "whole_pool") | (scores["drugs"] == 30)]
    text = {
        scenario: analyse.markdown(
            analyse.strategies_of(scores, (30, 100), ["random", "bald"]),
            targets,
            analyse.published(scenario, targets),
        )
        for scenario in ("common", "per_target")
    }
    # Means of the paper's tables 1 and 2 over its targets.
    last = {
        scenario: [line.split("|")[-2].strip() for line in one.splitlines() if line.startswith("| bald")][:2]
        for scenario, one in text.items()
    }
    assert last == {"common": ["0.562", "0.581"], "per_target": ["0.554", "0.579"]}
    assert "not comparable" not in text["common"]
