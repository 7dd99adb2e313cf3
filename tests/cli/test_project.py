"""--project: the project of a command is in that folder, wherever its user is."""

import json
from pathlib import Path

import pytest

from tests.conftest import FROM_PRETRAIN, copied, run_cli, run_stages
from tests.tiny import write_tiny_project

TO_SPLIT = (["curate"], ["grow"], ["featurize"], ["split"])
WRITTEN = ("tables", "models", "metrics")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def files_of(project: Path) -> dict[str, bytes]:
    """Return what stages have written, but not predictions."""
    found = (path for name in WRITTEN for path in sorted((project / name).rglob("*")) if path.is_file())
    names = {path.relative_to(project).as_posix(): path for path in found}
    return {name: path.read_bytes() for name, path in names.items() if "predictions" not in name}


def well(*words: object) -> str:
    """Return what a command prints, which has to succeed."""
    result = run_cli(*words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


def test_every_stage_writes_the_same_bytes_from_another_folder(tmp_path, elsewhere):
    """Also where its raw data is in its own folder."""
    commands = (*TO_SPLIT, *FROM_PRETRAIN)
    for name in ("here", "home"):
        write_tiny_project(tmp_path / name)
    run_stages(tmp_path / "here", commands)
    said = "".join(well("--project", "../home", *command) for command in commands)
    ours, expected = files_of(tmp_path / "home"), files_of(tmp_path / "here")
    assert "metrics/report.html" in expected
    assert ours.keys() == expected.keys()
    assert [name for name in expected if ours[name] != expected[name]] == []
    assert list(elsewhere.iterdir()) == []
    # Whoever reads where a file is finds it from where they are.
    assert "../home/metrics/report.html: " in said
    assert "../home/models/onnx/SIM-T1.onnx: " in said


def test_without_the_option_the_project_is_in_the_current_folder(project, elsewhere, monkeypatch):
    """In the same process, after a command that had the option."""

    def found(*words: object) -> dict[str, str]:
        said = json.loads(well(*words, "doctor", "--json"))
        return {finding["what"]: finding["found"] for finding in said["findings"]}

    assert found("--project", project)["stages"] == "all have run"
    here = found()
    assert here["project"].startswith("no params.yaml here; ")
    assert "stages" not in here
    assert str(run_cli("split").exception).startswith("params.yaml: no such file; ")
    monkeypatch.chdir(project)
    assert found()["stages"] == "all have run"


def test_settings_of_another_file_are_of_the_project_all_the_same(project, tmp_path, elsewhere):
    """--params is relative to where the user is, and names no project."""
    home = copied(project, tmp_path / "home")
    (home / "params.yaml").rename(elsewhere / "own.yaml")
    before = (home / "tables/splits/splits.csv").read_bytes()
    (home / "tables/splits/splits.csv").unlink()
    well("--project", home, "split", "--params", "own.yaml")
    assert (home / "tables/splits/splits.csv").read_bytes() == before


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    result = run_cli("doctor", folder=tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "Invalid value for '--project'" in result.output
    # The box around an error breaks lines anywhere, by the length of the path.
    assert "does not exist" in " ".join(result.output.replace("│", " ").split())
