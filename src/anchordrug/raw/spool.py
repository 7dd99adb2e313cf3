"""Signatures read from a matrix into a file of their own, so that an interrupted read resumes."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from anchordrug.files.digests import digest_of
from anchordrug.files.disk import naming
from anchordrug.files.progress import stream
from anchordrug.raw.signature_matrix import SignatureMatrix

SUFFIXES = (".float32", ".blocks")


def spooled(matrix: SignatureMatrix, rows: np.ndarray, columns: np.ndarray, folder: Path) -> np.ndarray:
    """Return z-scores of `matrix`, float32 [rows, columns], mapped from a file in `folder`.

    Values of the same matrix, rows and columns that a killed process left there are not read again, as far as
    they are whole: a second file holds the checksum of every block, because after a power cut the end of a
    file may hold zeros. `rows` are sorted, so that the values can be appended in the order of the matrix. The
    caller holds the lock of `folder`.

    Raises
    ------
    RawDataError
        The matrix cannot be read.
    """
    if not len(rows):
        return np.empty((0, len(columns)), np.float32)
    state = matrix.path.stat()
    source = (matrix.path.name, state.st_size, state.st_mtime_ns)
    path = folder / f"{digest_of(source, rows.tolist(), columns.tolist())}{SUFFIXES[0]}"
    record = path.with_suffix(SUFFIXES[1])
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.iterdir():
        if other.suffix in SUFFIXES and other.stem != path.stem:
            other.unlink()
    width = 4 * len(columns)
    with naming(path), path.open("a+b") as file, record.open("a+", encoding="ascii") as blocks:
        done = _whole(file, blocks, width)
        appended = _appended(matrix, rows[done:], columns, file, blocks)
        for _ in stream(appended, "reading signatures", lambda: file.tell() / (width * len(rows))):
            pass
    return np.memmap(path, np.float32, "r", shape=(len(rows), len(columns)))


def _whole(file: BinaryIO, blocks: TextIO, width: int) -> int:
    """Cut both files after the last block that is as it was written; return its end in rows."""
    file.seek(0)
    blocks.seek(0)
    rows, kept = 0, ""
    for line in blocks.read().splitlines(keepends=True):
        if _is_whole(file, line, width):
            kept += line
            rows += int(line.split()[0])
        else:
            break
    file.truncate(rows * width)
    file.seek(0, 2)
    blocks.truncate(len(kept))
    return rows


def _is_whole(file: BinaryIO, line: str, width: int) -> bool:
    count, _, checksum = line.partition(" ")
    if not line.endswith("\n") or not count.isdigit():
        return False
    block = file.read(int(count) * width)
    return len(block) == int(count) * width and f"{zlib.crc32(block)}\n" == checksum


def _appended(
    matrix: SignatureMatrix, rows: np.ndarray, columns: np.ndarray, file: BinaryIO, blocks: TextIO
) -> Iterator[tuple[list[int]]]:
    for positions, block in matrix.blocks(rows, columns):
        file.write(block.data)
        file.flush()
        blocks.write(f"{len(positions)} {zlib.crc32(block.data)}\n")
        blocks.flush()
        yield (positions.tolist(),)
