"""Full disks: told with the file's name, before anything is mapped."""

import errno
import os

import numpy as np
import pytest

from anchordrug.files.atomic import atomic_path
from anchordrug.files.disk import allocated, naming


def refuse(number):
    def call(*_):
        raise OSError(number, os.strerror(number))

    return call


def test_an_array_is_as_large_as_asked_for_and_lies_on_the_disk(tmp_path):
    array = allocated(tmp_path / "a", (300, 7))
    array[:] = np.arange(7)
    array.flush()
    assert array.shape == (300, 7)
    assert (tmp_path / "a").stat().st_blocks * 512 >= 4 * 300 * 7
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a", np.float32).reshape(300, 7)[299], np.arange(7))
    assert allocated(tmp_path / "b", (0, 7)).shape == (0, 7)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_before_the_array_is_mapped(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "posix_fallocate", refuse(number))
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        allocated(tmp_path / "a", (3, 4))
    assert error.value.filename == str(tmp_path / "a")


def test_where_space_cannot_be_reserved_zeros_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
    array = allocated(tmp_path / "a", (1000, 700))
    assert array.shape == (1000, 700)
    assert not array.any()
    monkeypatch.setattr(os, "write", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="space") as error:
        allocated(tmp_path / "a", (3, 4))
    assert error.value.filename == str(tmp_path / "a")


def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(OSError, match="space") as error, atomic_path(path):
        refuse(errno.ENOSPC)()
    assert error.value.filename == str(path)
    assert not any(tmp_path.iterdir())


def test_a_name_that_is_there_stays(tmp_path):
    with pytest.raises(FileNotFoundError) as error, naming(tmp_path):
        (tmp_path / "absent").read_bytes()
    assert error.value.filename == str(tmp_path / "absent")
