"""Spooled signatures: equal to what the matrix holds, whatever was left by a killed process."""

import os

import numpy as np
import pandas as pd
import pytest

from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.spool import spooled

ROWS = np.array([0, 3, 4, 9, 11, 12, 19])
COLUMNS = np.array([5, 1, 2])


@pytest.fixture
def bundle(tmp_path):
    """A GCTX file and its values."""
    z = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)
    z[4, 1] = -666
    path = tmp_path / "level5.gctx"
    names = pd.DataFrame({"sig_id": [f"s{k}" for k in range(20)]})
    write_gctx(path, z, names, pd.DataFrame({"gene_id": [f"g{k}" for k in range(7)]}))
    return path, np.where(z == -666, np.nan, z)


def read(path, folder, rows=ROWS, columns=COLUMNS):
    with open_matrix(path) as matrix:
        return spooled(matrix, rows, columns, folder)


def test_values_are_those_of_the_matrix(bundle, tmp_path):
    path, z = bundle
    np.testing.assert_array_equal(read(path, tmp_path / "work"), z[np.ix_(ROWS, COLUMNS)])
    assert read(path, tmp_path / "work", rows=ROWS[:0]).shape == (0, 3)


@pytest.mark.parametrize("left", [0, 1, 12, 30, 83, 84])
def test_what_was_read_is_not_read_again(bundle, tmp_path, left):
    """The first whole rows of the file are kept, as a mark in them shows, and the rest is read."""
    path, z = bundle
    work = tmp_path / "work"
    read(path, work)
    (file,) = work.iterdir()
    marked = np.fromfile(file, np.float32).reshape(len(ROWS), 3)
    marked[:, 0] = 7
    file.write_bytes(marked.tobytes()[:left])
    expected = z[np.ix_(ROWS, COLUMNS)]
    expected[: left // 12, 0] = 7
    np.testing.assert_array_equal(read(path, work), expected)


def test_other_rows_columns_or_files_start_anew(bundle, tmp_path):
    path, z = bundle
    work = tmp_path / "work"
    read(path, work)
    np.testing.assert_array_equal(read(path, work, rows=ROWS[1:]), z[np.ix_(ROWS[1:], COLUMNS)])
    np.testing.assert_array_equal(read(path, work, columns=COLUMNS[:2]), z[np.ix_(ROWS, COLUMNS[:2])])
    read(path, work)
    assert len(list(work.iterdir())) == 1
    (file,) = work.iterdir()
    file.write_bytes(np.full(len(ROWS) * 3, 7, np.float32).tobytes())
    assert (read(path, work) == 7).all()
    os.utime(path, (1, 1))
    np.testing.assert_array_equal(read(path, work), z[np.ix_(ROWS, COLUMNS)])
