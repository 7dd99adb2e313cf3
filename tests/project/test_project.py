"""A project's tables: what is missing is named, and anchors come in order."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from anchordrug import schemas
from anchordrug.errors import RawDataError, TableError
from tests.conftest import project_at


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


@pytest.mark.parametrize("names", [["5637"], ["0042", "697"], ["NA", "1E5"], ["Inf", "True"]])
def test_names_stay_as_they_are_written(project, tmp_path, names):
    made = replace(project_at(project), root=tmp_path)
    table = pd.DataFrame({"cell_line": names})
    made.write(table, schemas.CELL_LINES, made.cell_lines)
    assert made.read(made.cell_lines, schemas.CELL_LINES)["cell_line"].tolist() == names


def test_anchors_come_in_the_order_of_choice(project):
    made = project_at(project)
    atlas = made.atlas()
    table, rows = made.anchors(atlas, "SIM-T1", 0)
    assert table["rank"].tolist() == sorted(table["rank"])
    assert atlas.drugs["drug_id"].iloc[rows].tolist() == table["drug_id"].tolist()
    written = pd.read_csv(project / "tables/selections/SIM-T1-0.csv")
    assert set(written["drug_id"]) == set(table["drug_id"])
