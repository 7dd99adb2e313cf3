"""Files are written whole or not at all."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import RawDataError, TableError
from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import read_json, read_matrix, read_table, write_matrix, write_table


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_text("")
    with atomic_path(atomic) as temporary:
        temporary.write_text("")
    assert atomic.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.tsv"])
def test_tables_come_back(tmp_path, name):
    table = pd.DataFrame({"drug_id": ["a", "b"], "score": [0.5, np.nan], "rank": [1, 2]})
    write_table(table, tmp_path / name)
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table, check_dtype=False)


def test_the_same_table_gives_the_same_bytes(tmp_path):
    table = pd.DataFrame({"a": np.arange(1000) / 7})
    for name in ("x.parquet", "y.parquet"):
        write_table(table, tmp_path / name)
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "y.parquet").read_bytes()


def test_matrices_come_back_with_their_index(tmp_path):
    index = pd.DataFrame({"drug_id": ["a", "b"]})
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_matrix(tmp_path / "m.parquet", index, ["x", "y", "z"], matrix)
    back, columns, values = read_matrix(tmp_path / "m.parquet", ["drug_id"])
    pd.testing.assert_frame_equal(back, index, check_dtype=False)
    assert columns == ["x", "y", "z"]
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, matrix)


def test_matrices_of_many_blocks_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr("anchordrug.files.tables._VALUES_A_ROW_GROUP", 7)
    matrix = np.arange(30, dtype=np.float32).reshape(10, 3)
    index = pd.DataFrame({"drug_id": [f"d{k}" for k in range(10)], "lines": range(10)})
    write_matrix(tmp_path / "m.parquet", index, ["x", "y", "z"], matrix)
    back, _, values = read_matrix(tmp_path / "m.parquet", ["drug_id", "lines"])
    pd.testing.assert_frame_equal(back, index, check_dtype=False)
    np.testing.assert_array_equal(values, matrix)
    matrix[9, 2] = np.nan
    with pytest.raises(TableError, match="1 value is not finite"):
        write_matrix(tmp_path / "m.parquet", index, ["x", "y", "z"], matrix)
    np.testing.assert_array_equal(
        read_matrix(tmp_path / "m.parquet", ["drug_id", "lines"])[2][:9], matrix[:9]
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_matrix_with_values_that_are_not_finite_is_refused(tmp_path, bad):
    with pytest.raises(TableError, match="1 value is not finite"):
        write_matrix(tmp_path / "m.parquet", pd.DataFrame({"i": ["a"]}), ["x", "y"], np.array([[1.0, bad]]))
    assert not (tmp_path / "m.parquet").exists()


def test_missing_values_are_kept_where_they_are_allowed_and_refused_elsewhere(tmp_path):
    index, matrix = pd.DataFrame({"i": ["a", "b"]}), np.array([[1, np.nan], [np.nan, 2]], np.float32)
    path = tmp_path / "m.parquet"
    write_matrix(path, index, ["x", "y"], matrix, missing=True)
    np.testing.assert_array_equal(read_matrix(path, ["i"], missing=True)[2], matrix)
    with pytest.raises(TableError, match=r"m.parquet: holds values that are not finite numbers"):
        read_matrix(path, ["i"])
    with pytest.raises(TableError, match="1 value is not finite"):
        write_matrix(path, index, ["x", "y"], np.array([[1, np.inf], [np.nan, 2]]), missing=True)


def test_a_matrix_of_another_shape_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"\(1, 2\), expected \(1, 1\)"):
        write_matrix(tmp_path / "m.parquet", pd.DataFrame({"i": ["a"]}), ["x"], np.zeros((1, 2)))


@pytest.mark.parametrize("name", ["t.parquet", "t.json"])
def test_damaged_and_missing_files_name_themselves(tmp_path, name):
    read = read_json if name.endswith("json") else read_table
    with pytest.raises(RawDataError, match=f"{name}: no such file; run the stage"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x00garbage")
    with pytest.raises(RawDataError, match=f"{name}: .*delete it and run its stage again"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "a key occurs twice"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": -Infinity}', "-Infinity is not a finite number"),
        (b'{"a": 1e999}', "1e999 is not a finite number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"a": 1.' + b"9" * 5000 + b"e999}", "is not a finite number"),
        ('{"a": "\u00e9"}'.encode("cp1252"), "is not JSON"),
        ('{"a": 1}'.encode("utf-16"), "is not JSON"),
        (b'{"a": "\x00"}', "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b'{"b": 1}', "lacks 'a'"),
        (b"", "is not JSON"),
    ],
    ids=range(15),
)
def test_hostile_json_is_refused_in_one_line(tmp_path, data, reason):
    path = tmp_path / "t.json"
    path.write_bytes(data)
    with pytest.raises(RawDataError) as error:
        read_json(path, "a")
    told = str(error.value)
    assert told.startswith(f"{path}: ")
    assert reason in told
    assert told.endswith("delete it and run its stage again")
    assert told.isprintable()
    assert len(told) < len(str(path)) + 300


def test_json_of_windows_is_read(tmp_path):
    (tmp_path / "t.json").write_bytes(b'\xef\xbb\xbf{"a":\r\n 1}')
    assert read_json(tmp_path / "t.json", "a") == {"a": 1}


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(TableError, match=r"cannot write '\.xlsx' files"):
        write_table(pd.DataFrame(), tmp_path / "t.xlsx")
