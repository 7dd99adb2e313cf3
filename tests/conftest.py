"""Fixtures: the real LINCS subset, the demo bundle, and a small project whose stages have run."""

import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "datasets/demo"


@pytest.fixture(scope="session")
def lincs() -> Path:
    """The folder of the real LINCS subset; without it the test is skipped."""
    folder = Path(os.environ.get("ANCHORDRUG_LINCS", ROOT.parent / "shared/lincs"))
    if not folder.is_dir():
        pytest.skip(f"no real LINCS subset at {folder}; set ANCHORDRUG_LINCS to run this test")
    return folder


def small_params() -> dict:
    """The shipped params.yaml on the demo bundle with a small network and few epochs."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["raw"]["dir"] = str(DEMO)
    params["targets"], params["seeds"] = ["SIM-T1"], [0]
    params["featurize"]["cell"] |= {"dim": 16, "epochs": 20}
    params["pretrain"] |= {"hidden": [64, 32, 16], "epochs": 2}
    params["select"] |= {"budget": [10, 20], "batch": 10}
    params["finetune"] |= {"epochs": 2}
    return params


def write_params(folder: Path, params: dict) -> None:
    """Write `params` as the params.yaml of `folder`."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def run_cli(*arguments: object):
    """Run the command line in this process; errors of the project come out as `result.exception`."""
    from anchordrug.cli import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which every stage has run once. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("project")
    write_params(folder, small_params())
    here = Path.cwd()
    os.chdir(folder)
    try:
        for command in (
            ["curate"],
            ["featurize"],
            ["split"],
            ["pretrain", "--target", "SIM-T1"],
            ["select", "--target", "SIM-T1", "--seed", "0"],
            ["finetune", "--target", "SIM-T1", "--seed", "0"],
            ["export", "--target", "SIM-T1"],
            [
                *("predict", "--model", "models/onnx/SIM-T1.onnx", "--drugs", "tables/curated/drugs.parquet"),
                *("--out", "tables/predictions/SIM-T1.parquet"),
            ],
            ["evaluate", "--target", "SIM-T1", "--seed", "0"],
            ["summarise"],
        ):
            result = run_cli(*command)
            assert result.exit_code == 0, (command, result.output, result.exception)
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project as the current folder."""
    monkeypatch.chdir(project)
    return project
