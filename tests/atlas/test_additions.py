"""Additions are read as they were written, and a damaged one is named."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.additions import addition_names, read_additions, require_name, write_addition
from anchordrug.errors import AnchorDrugError, SettingsError
from tests.atlas.additions_made import GENES, addition_of

EXPRESSION = pd.DataFrame([[1.5, 2.0, 0.25]], index=["NEW"], columns=GENES, dtype=np.float32)


@pytest.fixture
def written(tmp_path):
    addition = addition_of("mine", {"X": "C", "Y": "D"}, [("X", "NEW"), ("Y", "NEW")], expression=EXPRESSION)
    addition.z[0, 1] = np.nan
    write_addition(addition, tmp_path)
    return addition


def test_an_addition_is_read_as_it_was_written(written, tmp_path):
    (found,) = read_additions(tmp_path)
    for name in ("name", "assay", "dose_um", "time_h", "source", "genes"):
        assert getattr(found, name) == getattr(written, name), name
    np.testing.assert_array_equal(found.z, written.z)
    pd.testing.assert_frame_equal(found.responses, written.responses, check_dtype=False)
    pd.testing.assert_frame_equal(found.expression, EXPRESSION, check_names=False)
    assert found.drugs["inchikey"].tolist() == written.drugs["inchikey"].tolist()
    assert found.drugs["name"].isna().all()


def test_the_same_addition_gives_the_same_bytes(written, tmp_path):
    write_addition(replace(written, name="again"), tmp_path)
    for path in sorted((tmp_path / "mine").iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_genes_that_nobody_measured_are_left_out(written, tmp_path):
    z = written.z.copy()
    z[:, 0] = np.nan
    write_addition(replace(written, name="part", z=z), tmp_path)
    found = read_additions(tmp_path)[1]
    assert found.genes == GENES[1:]
    np.testing.assert_array_equal(found.z, z[:, 1:])


def test_other_files_and_half_written_folders_are_no_additions(written, tmp_path):
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").rename(tmp_path / ".partial-mine")
    assert addition_names(tmp_path) == []
    assert addition_names(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "my line", "a\n"])
def test_a_name_must_be_fit_for_a_file(name):
    with pytest.raises(SettingsError, match="cannot be a name; use letters, digits and"):
        require_name(name, "addition")


def test_a_value_that_breaks_its_schema_is_named(written, tmp_path):
    path = tmp_path / "mine/addition.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dose_um": -1}))
    with pytest.raises(AnchorDrugError, match=r"mine/addition.json: row 0 column 'dose_um'.*add it again"):
        read_additions(tmp_path)


@pytest.mark.parametrize("name", ["responses.parquet", "drugs.csv", "expression.parquet"])
def test_a_missing_file_is_named_with_the_remedy(written, tmp_path, name):
    (tmp_path / "mine" / name).unlink()
    with pytest.raises(AnchorDrugError, match=rf"mine/{name}: no such file; restore it, or add it again"):
        read_additions(tmp_path)


def test_a_response_of_a_drug_that_is_not_described_is_named(written, tmp_path):
    path = tmp_path / "mine/drugs.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(AnchorDrugError, match=r"responses.parquet: drug_id Y \(row 1\) not in .*drugs.csv"):
        read_additions(tmp_path)


def test_expression_that_is_not_finite_is_refused(written, tmp_path):
    path = tmp_path / "mine/expression.parquet"
    pd.read_parquet(path).replace(2.0, np.inf).to_parquet(path, index=False)
    with pytest.raises(AnchorDrugError, match=r"expression.parquet: holds values that are not finite"):
        read_additions(tmp_path)
