"""Folders that a project names relatively, from its own folder and from DVC's copies of it."""

from pathlib import Path

import pytest

from anchordrug.files.experiments import outside_of_copies, seen_from


@pytest.mark.parametrize("copy", [".dvc/tmp/exps/tmpa1", ".dvc/tmp/exps/standalone/tmpb2"])
@pytest.mark.parametrize("folder", ["../bundle", "raw/mine"])
def test_a_copy_sees_the_folders_of_the_project(tmp_path, copy, folder):
    project = tmp_path / "project"
    (project / copy).mkdir(parents=True)
    (project / folder).mkdir(parents=True)
    for root in (project, project / copy):
        assert seen_from(root, Path(folder)).resolve() == (project / folder).resolve()


def test_a_project_may_be_a_folder_of_the_repository(tmp_path):
    project = tmp_path / "repository/sources/lincs"
    copy = tmp_path / "repository/.dvc/tmp/exps/tmpa1/sources/lincs"
    own = project / ".dvc/tmp/exps/tmpa1/sources/lincs"
    for folder in (project, copy, own, tmp_path / "repository/mirror"):
        folder.mkdir(parents=True)
    for root in (project, copy, own):
        assert seen_from(root, Path("../../mirror")).resolve() == tmp_path / "repository/mirror"


def test_what_is_nowhere_is_looked_for_below_the_root(tmp_path):
    assert seen_from(tmp_path, Path("data")) == tmp_path / "data"
    assert seen_from(tmp_path, Path("/nowhere/data")) == Path("/nowhere/data")
    copy = tmp_path / ".dvc/tmp/exps/tmpa1"
    copy.mkdir(parents=True)
    assert seen_from(copy, Path("data")) == copy / "data"


def test_a_copy_has_its_own_tracked_folder(tmp_path):
    copy = tmp_path / ".dvc/tmp/exps/tmpa1"
    for root in (tmp_path, copy):
        (root / "data").mkdir(parents=True)
    assert seen_from(copy, Path("data")) == copy / "data"


def test_a_relative_folder_outside_is_told_before_an_experiment(tmp_path):
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    said = outside_of_copies(root, Path("../bundle"), "raw.dir")
    assert said is not None
    assert said.startswith("raw.dir: ../bundle is outside of the project")
    assert said.endswith(f"; write {tmp_path / 'bundle'}")
    assert outside_of_copies(root, Path("data"), "raw.dir") is None
    assert outside_of_copies(root, tmp_path / "bundle", "raw.dir") is None
    (root / ".dvc").rmdir()
    assert outside_of_copies(root, Path("../bundle"), "raw.dir") is None
