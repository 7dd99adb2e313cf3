"""The package without its extras, on the newest Python at hand: enough to predict, to rank and to inspect."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, run_cli

NEWEST_WITH_WHEELS = 14
MODEL = "models/onnx/SIM-T1.onnx"
# What only the pipeline needs.
UNWANTED = {"torch", "deepchem", "dvc", "pandera", "scikit-learn", "onnx", "h5py"}


def newest_python() -> str:
    for minor in range(NEWEST_WITH_WHEELS, 10, -1):
        versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        managed = (str(one) for one in versions.glob(f"3.{minor}.*/bin/python"))
        for name in (f"python3.{minor}", *managed):
            found = shutil.which(name)
            # A shim may stand for a version that is not installed.
            if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
                return found
    return sys.executable


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([newest_python(), "-m", "venv", folder], check=True)
    # Built from a copy: setuptools leaves its traces where it builds.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    pip = [folder / "bin/pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        # Compiled is what is imported.
        [*pip, "install", "--no-compile", "-c", source / "constraints.txt", source],
        capture_output=True,
        text=True,
    )
    if done.returncode and "No matching distribution found for setuptools" in done.stderr:
        pytest.skip("no package registry is reachable")
    assert done.returncode == 0, done.stderr
    return folder


def anchordrug(environment: Path, *words: object) -> subprocess.CompletedProcess:
    command = [environment / "bin/anchordrug", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_installs_nothing_of_the_pipeline(environment):
    command = [environment / "bin/pip", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    installed = {line.split("==")[0].lower() for line in listed.splitlines()}
    assert "onnxruntime" in installed
    assert not installed & UNWANTED


def test_it_predicts_what_the_whole_installation_predicts(environment, project, tmp_path):
    library = tmp_path / "drugs.csv"
    library.write_text("name,smiles\naspirin,CC(=O)Oc1ccccc1C(=O)O\nbad,C(C\nethanol,CCO\n")
    words = ["predict", "--model", project / MODEL, "--drugs", library, "--out"]
    done = anchordrug(environment, *words, tmp_path / "alone.parquet")
    assert done.returncode == 0, done.stderr
    assert run_cli(*words, tmp_path / "whole.parquet").exit_code == 0
    alone, whole = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("alone", "whole"))
    pd.testing.assert_frame_equal(alone, whole)
    assert alone["drug_id"].unique().tolist() == ["aspirin", "ethanol"]


def test_it_inspects_and_ranks(environment, project, tmp_path):
    shown = anchordrug(environment, "inspect", project / MODEL)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[1].split() == ["target", "SIM-T1"]
    genes = pd.read_parquet(project / "tables/atlas/genes.parquet")["gene"].tolist()
    (tmp_path / "up.txt").write_text("\n".join(genes[:12]))
    (tmp_path / "drugs.smi").write_text("CCO ethanol\nCC(=O)Oc1ccccc1C(=O)O aspirin\n")
    out = tmp_path / "ranking.csv"
    files = ("--drugs", tmp_path / "drugs.smi", "--up", tmp_path / "up.txt", "--out", out)
    done = anchordrug(environment, "rank", "--model", project / MODEL, *files)
    assert done.returncode == 0, done.stderr
    assert sorted(pd.read_csv(out)["drug_id"]) == ["aspirin", "ethanol"]


def test_a_command_of_the_pipeline_says_what_to_install(environment, project):
    done = anchordrug(environment, "--project", project, "split")
    assert done.returncode == 2
    assert done.stderr.startswith("anchordrug: this command needs ")
    assert "pip install 'anchordrug[pipeline]'" in done.stderr


def test_doctor_finds_it_well(environment, project):
    done = anchordrug(environment, "--project", project, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prediction only" in done.stdout
    assert "0 problems" in done.stdout
