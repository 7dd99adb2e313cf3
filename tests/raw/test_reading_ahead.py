"""The beginning of a file is asked for beside other work, whose results and errors it leaves alone."""

import os
import threading

import pytest

from anchordrug.raw import reading_ahead as module
from anchordrug.raw.reading_ahead import reading_ahead


@pytest.fixture
def asked(monkeypatch):
    """Ranges that the system was asked for, of files that are large from 50 bytes on."""
    ranges = []
    monkeypatch.setattr(module, "MOST_BYTES", 50)
    monkeypatch.setattr(module, "_BYTES_AT_ONCE", 20)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, length, __: ranges.append((start, length)))
    return ranges


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


@pytest.mark.parametrize(("size", "starts"), [(0, []), (10, [0]), (45, [0, 20, 40]), (1000, [0, 20, 40])])
def test_no_more_than_the_beginning_is_asked_for(asked, tmp_path, size, starts):
    path = tmp_path / "matrix"
    path.write_bytes(bytes(size))
    with reading_ahead(path):
        for thread in threads():
            thread.join()
    assert asked == [(start, 20) for start in starts]


def test_a_missing_file_and_an_error_of_the_block_are_told_by_others(asked, tmp_path):
    with reading_ahead(tmp_path / "missing"):
        pass
    path = tmp_path / "matrix"
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="the caller's"), reading_ahead(path):
        raise ValueError("the caller's")
    assert threads() == []


def test_a_system_without_advice_reads_as_before(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise")
    with reading_ahead(tmp_path / "missing"):
        assert threads() == []
