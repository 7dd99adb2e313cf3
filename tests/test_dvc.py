"""The pipeline through DVC, on a fresh clone of what is in the working tree."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, small_params, write_params
from tests.documents import PIPELINE_STORY, play

# Modules of campaigns at the bench, whose folders have a dvc.yaml of their own.
BENCH = (
    *("stages/bench/", "assays/", "advice.py", "library.py"),
    *("plates.py", "plate_map.py", "plate_picture.py"),
)
# Commands that are no stages of the root's pipeline.
TOOLS = {
    "download.py",
    "stages/doctor.py",
    "stages/fetch.py",
    "stages/inspect.py",
    "stages/pack.py",
    "stages/panel.py",
    "stages/predict_ray.py",
    "stages/rank.py",
    "connectivity.py",
    "formulas.py",
}
# Columns that the templates in .dvc/plots read by name.
PLOTTED = {
    "pre-training": {"target"},
    "learning curve": {"strategy"},
    "predictors": {"target", "predictor", "low", "high"},
    "reliability": {"target"},
    "risk and coverage": {"target"},
}


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def clone(folder: Path) -> Path:
    """Copy what git tracks (or would track) into a repository of its own, without any ignored file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "clone")
    return folder


def stages_run(output: str) -> set[str]:
    """Return the names of the stages that `dvc repro` or `dvc exp run` executed, without matrix cells."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage")]
    return {line.split("'")[1].split("@")[0] for line in lines}


def test_lock_file_agrees_with_code_and_params(tmp_path):
    """Whoever changes code or params that a stage depends on runs `dvc repro` and commits dvc.lock."""
    output = run(clone(tmp_path), "dvc", "repro", "--dry", "--allow-missing")
    assert stages_run(output) == set(), output


def test_every_module_of_the_pipeline_is_a_dependency_of_some_stage():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = {dep.replace("${code}/", "") for stage in stages.values() for dep in stage["deps"]}
    code = ROOT / "src/anchordrug"
    shared = {"__init__", "errors", "io", "progress", "schemas", "settings", "atlas"}
    for path in code.rglob("*.py"):
        name = path.relative_to(code).as_posix()
        if path.stem in shared or name in {"stages/paths.py", "stages/tables.py", "stages/predictors.py"}:
            continue  # every stage uses these
        if name.startswith(("cli/", *BENCH)) or name in TOOLS or name == "campaign_settings.py":
            continue
        covered = any(name == dep or name.startswith(dep.rstrip("/") + "/") for dep in named)
        assert covered or name in {"predictors/base.py", "raw/simulate.py"}, name


@pytest.fixture(scope="module")
def small_clone(tmp_path_factory) -> Path:
    folder = clone(tmp_path_factory.mktemp("clone"))
    params = small_params()
    params["raw"]["dir"] = "data"
    write_params(folder, params)
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "small run")
    return folder


def test_a_fresh_clone_runs_without_any_remote(small_clone):
    for path in (
        "models/onnx/SIM-T1.onnx",
        "tables/predictions/SIM-T1.parquet",
        "tables/selections/SIM-T1-0.csv",
        "metrics/summary.json",
    ):
        assert (small_clone / path).is_file(), path
    assert not (small_clone / "models/onnx/SIM-T2.onnx").exists()


def test_a_second_repro_changes_nothing_and_says_so(small_clone):
    output = run(small_clone, "dvc", "repro")
    assert stages_run(output) == set()
    assert "Data and pipelines are up to date." in output
    assert run(small_clone, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("finetune.balance=false", {"finetune"}),
        ("split.seed=1", {"split"}),
        ("curate.threshold=1.4", {"pretrain", "select", "compare", "finetune", "export", "evaluate"}),
        ("response_net.finetune_epochs=5", {"select", "compare", "finetune"}),
        ("select.batch=5", {"select", "compare"}),
        ("select.strategy=moa", {"select", "summarise"}),
    ],
)
def test_a_changed_param_touches_only_the_stages_that_read_it(small_clone, change, expected):
    """A dry run names the stages whose own params differ; what follows from them is run further below.

    The report shows all params, so it is always among them.
    """
    params = yaml.safe_load((small_clone / "params.yaml").read_text(encoding="utf-8"))
    section, value = change.split("=")
    head, key = section.split(".")
    params[head][key] = yaml.safe_load(value)
    before = (small_clone / "params.yaml").read_text(encoding="utf-8")
    write_params(small_clone, params)
    try:
        assert stages_run(run(small_clone, "dvc", "repro", "--dry")) == expected | {"report"}
    finally:
        (small_clone / "params.yaml").write_text(before, encoding="utf-8")


def test_metrics_plots_and_experiments_tell_the_story(small_clone):
    metrics = json.loads(run(small_clone, "dvc", "metrics", "show", "--json"))
    summary = metrics[""]["data"]["metrics/summary.json"]["data"]
    assert {"pretrained", "drugs-10", "drugs-20", "whole-pool", "consensus", "all_none"} <= set(
        summary["macro_f1"]
    )
    plots = json.loads(run(small_clone, "dvc", "plots", "show", "--json"))
    assert {"pre-training", "learning curve", "predictors"} <= set(plots["data"])
    # Each of our templates finds the columns that it names beside x and y.
    for plot, columns in PLOTTED.items():
        (drawn,) = plots["data"][plot]
        assert columns <= set(drawn["content"]["data"]["values"][0]), plot


def test_the_tutorials_of_the_demo_and_of_the_strategies(small_clone):
    """Last, as they change the clone."""
    said = play(PIPELINE_STORY, small_clone)
    assert "Data and pipelines are up to date." in said
    assert set(pd.read_csv(small_clone / "my_predictions.csv")["drug_id"]) == {
        "aspirin",
        "caffeine",
        "ibuprofen",
    }
    other_library, queue = said.split("Following logs for all queued experiments")
    assert stages_run(other_library) == {"predict", "report"}
    assert stages_run(queue) == {"select", "finetune", "export", "predict", "evaluate", "summarise", "report"}
    table = run(small_clone, "dvc", "exp", "show", "--csv")
    header, *rows = table.splitlines()
    assert "macro_f1.drugs-10.mean" in header
    for name, strategy in {"by-design": "a_optimal", "by-lottery": "random"}.items():
        assert any(name in row and strategy in row for row in rows), name
    # All is as it was.
    assert run(small_clone, "git", "diff", "--name-only") == ""
    assert len(pd.read_parquet(small_clone / "tables/predictions/SIM-T1.parquet")["drug_id"].unique()) > 300
