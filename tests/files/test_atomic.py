"""Files and folders written whole or not at all, whatever else writes them, and whatever was left."""

import errno
import fcntl
import os

import pytest

from anchordrug.files.atomic import PARTIAL, atomic_folder, atomic_path, write_bytes

OURS = f"{PARTIAL}a-abcd_123"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_write(tmp_path):
    others = [f"{PARTIAL}a-b-abcd_123.csv", f"{PARTIAL}a-abcd_123.txt", f"{PARTIAL}a-abcd.csv"]
    for name in (f"{OURS}.csv", *others):
        (tmp_path / name).write_text("half")
    write_bytes(b"whole", tmp_path / "a.csv")
    assert names(tmp_path) == sorted([*others, "a.csv"])


def test_what_a_killed_process_left_of_a_folder_goes_with_the_next_one(tmp_path):
    (tmp_path / OURS / "inner").mkdir(parents=True)
    with atomic_folder(tmp_path / "a") as temporary:
        (temporary / "b").touch()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["b"]


def test_what_another_process_is_writing_stays(tmp_path):
    path = tmp_path / "a.csv"
    # A lock of a file that is opened twice is as if there were two processes.
    with atomic_path(path) as slow:
        slow.write_text("slow")
        write_bytes(b"fast", path)
        assert path.read_text() == "fast"
    assert path.read_text() == "slow"
    with atomic_folder(tmp_path / "b") as slow:
        (slow / "c").touch()
        with atomic_folder(tmp_path / "b") as fast:
            assert names(slow) == ["c"]
        # The folder of the fast one is empty, so that the slow one can take its place.
        assert names(fast.parent / "b") == []
    assert names(tmp_path / "b") == ["c"]


def test_what_is_taken_for_left_over_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock, taken = fcntl.flock, []

    def late(handle, kind):
        if not taken:
            (other,) = tmp_path.iterdir()
            other.unlink()
            taken.append(other)
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    write_bytes(b"whole", tmp_path / "a")
    assert taken
    assert names(tmp_path) == ["a"]


def test_where_there_are_no_locks_files_are_written_and_nothing_is_taken_for_left_over(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / OURS).touch()
    write_bytes(b"whole", tmp_path / "a")
    assert names(tmp_path) == [OURS, "a"]


@pytest.mark.parametrize("call", ["chmod", "replace"])
def test_an_error_names_the_file_and_not_what_is_gone(tmp_path, monkeypatch, call):
    def fail(path, *_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(type(tmp_path), call, fail)
    path = tmp_path / "a.csv"
    with pytest.raises(OSError, match="Input/output") as error:
        write_bytes(b"whole", path)
    assert error.value.filename == str(path)
    assert names(tmp_path) == []


def test_an_error_is_told_even_if_what_is_half_written_cannot_be_removed(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(type(tmp_path), "unlink", fail)
    with pytest.raises(KeyError), atomic_path(tmp_path / "a.csv"):
        raise KeyError


def test_a_file_that_cannot_be_begun_is_named(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / f"{OURS}.csv"))

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(OSError, match="space") as error:
        write_bytes(b"", tmp_path / "a.csv")
    assert error.value.filename == str(tmp_path / "a.csv")
