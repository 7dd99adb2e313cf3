"""--project: the project of a command is in that folder, wherever its user is."""

import json
from pathlib import Path

import pytest

from tests.conftest import FROM_PRETRAIN, copied, run_cli
from tests.terminal import Ended, Terminal

TO_SPLIT = (["curate"], ["grow"], ["featurize"], ["split"])
WRITTEN = ("tables", "models", "metrics")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def files_of(project: Path) -> dict[str, bytes]:
    """Return what stages have written, but not predictions."""
    found = (path for name in WRITTEN for path in sorted((project / name).rglob("*")) if path.is_file())
    names = {path.relative_to(project).as_posix(): path for path in found}
    return {name: path.read_bytes() for name, path in names.items() if "predictions" not in name}


def well(ended: Ended) -> str:
    assert ended.code == 0, (ended.printed, ended.error)
    return ended.printed


def test_every_stage_writes_the_same_bytes_from_another_folder(project, tmp_path, elsewhere):
    copied(project, tmp_path / "home")
    for path in files_of(tmp_path / "home"):
        (tmp_path / "home" / path).unlink()
    with Terminal(elsewhere) as terminal:
        said = "".join(
            well(terminal.run("--project", "../home", *command)) for command in (*TO_SPLIT, *FROM_PRETRAIN)
        )
    ours, expected = files_of(tmp_path / "home"), files_of(project)
    assert ours.keys() == expected.keys()
    assert [name for name in expected if ours[name] != expected[name]] == []
    assert list(elsewhere.iterdir()) == []
    # Whoever reads where a file is finds it from where they are.
    assert "../home/metrics/report.html: " in said
    assert "../home/models/onnx/SIM-T1.onnx: " in said


def test_without_the_option_the_project_is_in_the_current_folder(project, elsewhere):
    """In the same process, after a command that had the option."""

    def found(*words: object) -> dict[str, str]:
        said = json.loads(well(terminal.run(*words, "doctor", "--json")))
        return {one["what"]: one["found"] for one in said["findings"]}

    with Terminal(elsewhere) as terminal:
        assert found("--project", project)["stages"] == "all have run"
        here = found()
        assert here["project"].startswith("no params.yaml here; ")
        assert "stages" not in here
        assert terminal.run("split").error.startswith("params.yaml: no such file; ")
    with Terminal(project) as terminal:
        assert found()["stages"] == "all have run"


def test_settings_of_another_file_are_of_the_project_all_the_same(project, tmp_path, elsewhere):
    """--params is relative to where the user is, and names no project."""
    home = copied(project, tmp_path / "home")
    (home / "params.yaml").rename(elsewhere / "own.yaml")
    before = (home / "tables/splits/splits.csv").read_bytes()
    (home / "tables/splits/splits.csv").unlink()
    with Terminal(elsewhere) as terminal:
        well(terminal.run("--project", home, "split", "--params", "own.yaml"))
    assert (home / "tables/splits/splits.csv").read_bytes() == before


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    result = run_cli("doctor", folder=tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "Invalid value for '--project'" in result.output
    assert "does not exist" in result.output
