"""Signatures read from a matrix into a file of their own, so that a killed reading goes on where it stood."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from anchordrug.files.digests import digest_of
from anchordrug.files.progress import stream
from anchordrug.raw.signature_matrix import SignatureMatrix


def spooled(matrix: SignatureMatrix, rows: np.ndarray, columns: np.ndarray, folder: Path) -> np.ndarray:
    """Return z-scores of `matrix`, float32 [rows, columns], mapped from a file in `folder`.

    What a killed process left there of the same matrix, rows and columns is not read again. `rows` are
    sorted, so that the values can be appended in the order of the matrix.

    Raises
    ------
    RawDataError
        The matrix cannot be read.
    """
    if not len(rows):
        return np.empty((0, len(columns)), np.float32)
    state = matrix.path.stat()
    source = (matrix.path.name, state.st_size, state.st_mtime_ns)
    path = folder / f"{digest_of(source, rows.tolist(), columns.tolist())}.float32"
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("*.float32"):
        if other != path:
            other.unlink()
    width = 4 * len(columns)
    with path.open("ab") as file:
        done = file.tell() // width
        file.truncate(done * width)
        blocks = _appended(matrix, rows[done:], columns, file)
        for _ in stream(blocks, "reading signatures", lambda: file.tell() / (width * len(rows))):
            pass
    return np.memmap(path, np.float32, "r", shape=(len(rows), len(columns)))


def _appended(
    matrix: SignatureMatrix, rows: np.ndarray, columns: np.ndarray, file: BinaryIO
) -> Iterator[tuple[list[int]]]:
    for positions, block in matrix.blocks(rows, columns):
        file.write(block.data)
        yield (positions.tolist(),)
