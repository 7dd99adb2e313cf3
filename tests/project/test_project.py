"""A project is used from anywhere: all its files are below its folder."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from anchordrug.errors import RawDataError, TableError
from tests.conftest import project_at, run_cli


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_stages_run_from_another_folder_write_the_same_bytes(project, tmp_path):
    copy = Path(shutil.copytree(project, tmp_path / "project"))
    elsewhere = files_of(Path.cwd() / "tables") if Path("tables").is_dir() else {}
    for command in (
        ["split"],
        ["pretrain", "--target", "SIM-T1"],
        ["finetune", "--target", "SIM-T1"],
        ["evaluate", "--target", "SIM-T1"],
        ["export", "--target", "SIM-T1"],
        ["summarise"],
        ["report"],
    ):
        result = run_cli("--project", copy, *command)
        assert result.exit_code == 0, (command, result.output, result.exception)
    before, after = files_of(project), files_of(copy)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
    assert elsewhere == (files_of(Path.cwd() / "tables") if Path("tables").is_dir() else {})


def test_one_call_does_not_leave_its_project_to_the_next(project, tmp_path):
    assert run_cli("--project", tmp_path / "nowhere", "split").exit_code != 0
    told = str(run_cli("split", "--params", tmp_path / "params.yaml").exception)
    assert told.startswith(f"{tmp_path / 'params.yaml'}: no such file")
    assert run_cli("--project", project, "inspect", project / "models/onnx/SIM-T1.onnx").exit_code == 0


def test_a_missing_table_names_the_stage_that_writes_it(project, tmp_path):
    copy = Path(shutil.copytree(project, tmp_path / "project"))
    (copy / "tables/splits/splits.csv").unlink()
    made = project_at(copy)
    with pytest.raises(RawDataError, match=r"splits\.csv: no such file; run 'anchordrug split' first"):
        made.split(made.atlas(), "SIM-T1")


def test_a_target_without_a_split_is_named(project, tmp_path):
    copy = Path(shutil.copytree(project, tmp_path / "project"))
    made = project_at(copy)
    with pytest.raises(TableError, match="no row for target 'SIM-T2'; run split again"):
        made.split(made.atlas(), "SIM-T2")


def test_anchors_come_in_the_order_of_choice(project):
    made = project_at(project)
    atlas = made.atlas()
    table, rows = made.anchors(atlas, "SIM-T1", 0)
    assert table["rank"].tolist() == sorted(table["rank"])
    assert atlas.drugs["drug_id"].iloc[rows].tolist() == table["drug_id"].tolist()
    written = pd.read_csv(project / "tables/selections/SIM-T1-0.csv")
    assert set(written["drug_id"]) == set(table["drug_id"])
