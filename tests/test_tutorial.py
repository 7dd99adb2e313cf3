"""The tutorials' commands, word for word."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def commands(page: Path) -> list[str]:
    """The fenced bash blocks of a page, in order."""
    return re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)


@pytest.fixture
def fresh_project(project: Path, tmp_path: Path) -> Path:
    """The finished demo project in a git and DVC repository of its own."""
    for name in ("tables", "models"):
        shutil.copytree(project / name, tmp_path / name)
    shutil.copy(project / "params.yaml", tmp_path)
    return tmp_path


def run(script: str, folder: Path) -> str:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_tutorial_of_the_bench(fresh_project):
    run("git init -q . && dvc init -q", fresh_project)
    said = [run(block, fresh_project) for block in commands(ROOT / "docs/tutorial_bench.md")]
    campaign = fresh_project / "campaigns/rehearsal"
    shown = "\n".join(said)
    assert "round 1 waits for its results" in shown
    assert "round 2, SIM-T1: 6 ok, 0 failed, 0 missing" in shown
    assert "12 of 12 drugs measured" in shown
    assert (campaign / "finish/report.html").exists()
    assert (campaign / "rounds/01/R01-SIM-T1-P1.svg").exists()
    assert "next" in (campaign / "dvc.lock").read_text(encoding="utf-8")
    assert (fresh_project / "more.parquet").exists()
