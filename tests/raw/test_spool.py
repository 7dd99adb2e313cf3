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


class KilledError(Exception):
    pass


def left_by_a_kill(path, folder, blocks, rows=ROWS):
    """What a process leaves that is killed after it has written so many blocks of two rows of the matrix."""
    with open_matrix(path) as matrix:
        whole = matrix.blocks

        def cut(wanted, columns):
            for number, block in enumerate(whole(wanted, columns, block_rows=2)):
                if number == blocks:
                    raise KilledError
                yield block

        object.__setattr__(matrix, "blocks", cut)
        with pytest.raises(KilledError):
            spooled(matrix, rows, COLUMNS, folder)


def rows_read(path, folder):
    """Spool, and return the values and how many rows of the matrix were read for it."""
    with open_matrix(path) as matrix:
        whole, seen = matrix.blocks, []

        def counted(wanted, columns):
            seen.extend(wanted.tolist())
            return whole(wanted, columns)

        object.__setattr__(matrix, "blocks", counted)
        return spooled(matrix, ROWS, COLUMNS, folder), seen


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_what_was_read_is_not_read_again(bundle, tmp_path, blocks):
    path, z = bundle
    left_by_a_kill(path, tmp_path / "work", blocks)
    values, seen = rows_read(path, tmp_path / "work")
    np.testing.assert_array_equal(values, z[np.ix_(ROWS, COLUMNS)])
    # No two of these rows lie in one block.
    assert seen == ROWS[blocks:].tolist()


def zeros_at_the_end(data):
    return data[:-12] + bytes(12)


def one_bit(data):
    return bytes([data[0] ^ 1]) + data[1:]


DAMAGES = {
    "zeros after a power cut": (".float32", zeros_at_the_end),
    "a flipped bit": (".float32", one_bit),
    "cut within a row": (".float32", lambda data: data[:-5]),
    "more than recorded": (".float32", lambda data: data + bytes(20)),
    "empty values": (".float32", lambda _: b""),
    "empty record": (".blocks", lambda _: b""),
    "cut record": (".blocks", lambda data: data[:-3]),
    "record of zeros": (".blocks", lambda data: bytes(len(data))),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("blocks", [3, None])
def test_what_an_interrupted_run_left_damaged_is_read_again(bundle, tmp_path, damage, blocks):
    path, z = bundle
    work = tmp_path / "work"
    if blocks is None:
        read(path, work)
    else:
        left_by_a_kill(path, work, blocks)
    suffix, change = DAMAGES[damage]
    (file,) = work.glob(f"*{suffix}")
    file.write_bytes(change(file.read_bytes()))
    np.testing.assert_array_equal(read(path, work), z[np.ix_(ROWS, COLUMNS)])
    # The next run finds it whole.
    assert rows_read(path, work)[1] == []


def test_other_rows_columns_or_files_start_anew(bundle, tmp_path):
    path, z = bundle
    work = tmp_path / "work"
    read(path, work)
    np.testing.assert_array_equal(read(path, work, rows=ROWS[1:]), z[np.ix_(ROWS[1:], COLUMNS)])
    np.testing.assert_array_equal(read(path, work, columns=COLUMNS[:2]), z[np.ix_(ROWS, COLUMNS[:2])])
    read(path, work)
    assert {file.suffix for file in work.iterdir()} == {".float32", ".blocks"}
    assert len(list(work.iterdir())) == 2
    assert rows_read(path, work)[1] == []
    os.utime(path, (1, 1))
    values, seen = rows_read(path, work)
    assert seen == ROWS.tolist()
    np.testing.assert_array_equal(values, z[np.ix_(ROWS, COLUMNS)])
