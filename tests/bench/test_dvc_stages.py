"""The DVC stages of a campaign: a copy has its own; those of another place or version are renewed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anchordrug.bench.dvc_stages import write_stages
from anchordrug.errors import SettingsError
from tests.bench.conftest import must
from tests.conftest import run_cli

# As version 0.1 wrote it.
FORMER = """# A new file in results/NN/ and `dvc repro campaigns/a/dvc.yaml:next` give the next plate;
# `dvc repro campaigns/a/dvc.yaml` also predicts the library with what is measured so far.
stages:
  next:
    wdir: ../..
    cmd:
      - anchordrug campaign ingest campaigns/a --yes
      - anchordrug campaign next campaigns/a
    deps:
      - campaigns/a/library.csv
      - campaigns/a/model
      - campaigns/a/results
      - campaigns/a/campaign.yaml
    outs:
      - campaigns/a/rounds:
          cache: false
          persist: true
  finish:
    wdir: ../..
    cmd: anchordrug campaign finish campaigns/a
    deps:
      - campaigns/a/rounds
    outs:
      - campaigns/a/finish
"""


def dvc(home: Path, *words: str) -> str:
    """Run DVC in `home`, which has to succeed; return what it printed."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(["dvc", *words], cwd=home, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def campaign(played: Path) -> Path:
    """A campaign in campaigns/a of its project, whose round 1 waits for results."""
    (played.parent / "campaigns").mkdir()
    folder = played.rename(played.parent / "campaigns/a")
    write_stages(played.parent, folder)
    return folder


def test_a_copy_has_stages_of_its_own(campaign, monkeypatch):
    home = campaign.parents[1]
    dvc(home, "init", "--no-scm", "-q")
    before = dvc(home, "repro", "--all-pipelines", "--dry")
    assert "> anchordrug --project ../.. campaign next .\n" in before
    shutil.copytree(campaign, campaign.with_name("backup"))
    shutil.copytree(campaign, campaign.parent / "old/deep")
    both = dvc(home, "repro", "--all-pipelines", "--dry")
    for name in ("a", "backup", "old/deep"):
        assert f"Running stage 'campaigns/{name}/dvc.yaml:next'" in both
    # The command as DVC runs it, in the copy.
    commands = yaml.safe_load((campaign.with_name("backup") / "dvc.yaml").read_text())["stages"]["next"][
        "cmd"
    ]
    words = commands[1].split()
    assert words[:2] == ["anchordrug", "--project"]
    monkeypatch.chdir(campaign.with_name("backup"))
    assert "round 1 waits for its results" in must(*words[1:]).output


@pytest.mark.parametrize("place", ["a", "moved", "deeper/moved"])
def test_stages_of_another_place_or_version_are_renewed_and_edited_ones_are_not(campaign, place):
    home = campaign.parents[1]
    written = (campaign / "dvc.yaml").read_text()
    folder = campaign.parent / place
    if folder != campaign:
        shutil.copytree(campaign, folder)
    up = "../.." if place != "deeper/moved" else "../../.."
    for text, changes in ((FORMER, True), (written, up != "../.."), (FORMER + "# mine\n", False)):
        (folder / "dvc.yaml").write_text(text)
        said = must("campaign", "next", folder, folder=home).output
        assert ("dvc.yaml: renewed" in said) == changes
        expected = written.replace("../..", up) if changes else text
        assert (folder / "dvc.yaml").read_text() == expected


def test_dvc_finds_the_file_that_it_runs_unchanged(campaign, monkeypatch):
    (campaign / "dvc.yaml").write_text(FORMER)
    monkeypatch.setenv("DVC_STAGE", "next")
    assert "renewed" not in must("campaign", "next", campaign, folder=campaign.parents[1]).output
    assert (campaign / "dvc.yaml").read_text() == FORMER


def test_files_of_somebody_else_stay(tmp_path, capsys):
    folder = tmp_path / "campaigns/a"
    folder.mkdir(parents=True)
    (folder / ".gitignore").write_text("*.tmp\n/model\n")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    write_stages(tmp_path, folder)
    assert (folder / "dvc.yaml").read_text() == "stages: {}\n"
    assert "is not of a campaign and stays as it is" in capsys.readouterr().out
    assert (folder / ".gitignore").read_text() == "*.tmp\n/model\n/.lock\n.partial-*\n/finish\n"


def test_the_projects_own_folder_is_no_campaigns(played):
    home = played.parent
    before = own_files(home)
    library = home / "tables/atlas/drugs.parquet"
    result = run_cli("campaign", "new", home, "--target", "SIM-T1", "--library", library, folder=home)
    assert isinstance(result.exception, SettingsError)
    assert "is the project's own folder" in str(result.exception)
    assert own_files(home) == before


def own_files(home):
    """All that is in a project but its locks."""
    return sorted(path.name for path in home.iterdir() if path.name != ".anchordrug")
