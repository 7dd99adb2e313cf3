"""The portions of a parquet library: every row once, and a folder that tells what is missing."""

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anchordrug.errors import LibraryError
from anchordrug.prediction import portions
from anchordrug.prediction.portions import MARK, Output, library_at

LOCAL = fsspec.filesystem("file")


def library(folder: Path):
    return library_at(LOCAL, str(folder), "mine")


def output(folder: Path) -> Output:
    return Output(LOCAL, str(folder), "out")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Two files of 25 rows in row groups of 10, read 4 at a time, next to a file that is hidden."""
    monkeypatch.setattr(portions, "DRUGS_A_PORTION", 4)
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("b", "a"):
        rows = [f"{name}{row}" for row in range(25)]
        table = pa.table({"smiles": rows, "price": range(25)})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=10)
    (folder / "_SUCCESS").touch()
    return folder


def test_every_row_is_in_one_portion_in_order(folder):
    mine = library(folder)
    assert mine.headers[0] == ["smiles", "price"]
    read = [mine.read(number, ["smiles"]).to_pydict()["smiles"] for number in range(len(mine.portions))]
    assert [row for part in read for row in part] == [f"{name}{row}" for name in "ab" for row in range(25)]
    assert max(map(len, read)) == 4
    assert library(folder / "a.parquet").portions == mine.portions[: len(mine.portions) // 2]


def test_another_library_is_recognised(folder):
    before = library(folder).digest()
    assert library(folder).digest() == before
    pq.write_table(
        pa.table({"smiles": ["C"] * 26, "price": range(26)}), folder / "b.parquet", row_group_size=10
    )
    assert library(folder).digest() != before


@pytest.mark.parametrize("damage", ["none", "no_rows", "other", "column"])
def test_a_library_that_cannot_be_read_is_named(folder, damage):
    path = folder / "a.parquet"
    if damage == "none":
        with pytest.raises(LibraryError, match=r"mine: no such file or folder"):
            library(folder / "c")
    elif damage == "no_rows":
        pq.write_table(pa.table({"smiles": pa.array([], pa.string())}), path)
        with pytest.raises(LibraryError, match=r"mine: has no rows"):
            library(path)
    elif damage == "other":
        path.write_text("smiles\nC\n")
        with pytest.raises(LibraryError, match=r"cannot be read as parquet"):
            library(folder)
    else:
        pq.write_table(pa.table({"structure": ["C"]}), folder / "b.parquet")
        with pytest.raises(LibraryError, match=r"b\.parquet: has no column 'smiles', which .*a\.parquet has"):
            library(folder).require(["smiles"])


def parts(*values: int):
    return iter([pa.table({"x": [value]}) for value in values])


def test_a_run_that_was_broken_off_goes_on_with_what_is_missing(tmp_path):
    out = output(tmp_path / "out")
    assert out.begun("key") == set()
    out.write(3, parts(1, 2))

    def broken():
        yield from parts(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        out.write(4, broken())
    assert {name for name in tmp_path.joinpath("out").iterdir() if name.name.startswith("part-")} == {
        tmp_path / "out/part-000003.parquet"
    }
    assert pq.read_table(tmp_path / "out").to_pydict() == {"x": [1, 2]}
    assert out.begun("key") == {3}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MARK, "part-000003.parquet"}
    with pytest.raises(LibraryError, match=r"out: was begun with another library, model or option"):
        out.begun("other")
    out.finish()
    with pytest.raises(LibraryError, match=r"out: is not empty; give another folder"):
        out.begun("key")


def test_a_mark_that_is_not_whole_is_that_of_another_run(tmp_path):
    (tmp_path / MARK).write_text("{")
    with pytest.raises(LibraryError, match=r"out: was begun with another"):
        output(tmp_path).begun("key")


@pytest.mark.parametrize("step", ["begun", "write", "finish"])
def test_a_folder_that_cannot_be_written_to_is_blamed_itself(tmp_path, monkeypatch, step):
    out = output(tmp_path / "out")
    if step != "begun":
        out.begun("key")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied", "x")

    for name in ("makedirs", "_open", "rm", "mv"):
        monkeypatch.setattr(type(LOCAL), name, refused)
    work = {"begun": lambda: out.begun("key"), "write": lambda: out.write(0, parts(1)), "finish": out.finish}
    with pytest.raises(LibraryError, match=r"^out: cannot be written to \(.*Permission denied"):
        work[step]()
