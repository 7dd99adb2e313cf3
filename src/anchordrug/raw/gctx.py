"""GCTX: CMap's HDF5 matrix. /0/DATA/0/matrix is [signature, gene], /0/META/COL describes signatures."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted
from anchordrug.files.atomic import write_bytes
from anchordrug.files.kinds import HDF5
from anchordrug.raw.hdf5 import ANNDATA_SUFFIX, DAMAGE, damaged, open_hdf5, require_written
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.text import LATIN1_BYTES, MISSING_NUMBER, clean_text, require_readable
from anchordrug.raw.unpacked import require_sane_size

_MATRIX = "0/DATA/0/matrix"
_SIGNATURES = "0/META/COL"
_GENES = "0/META/ROW"
_CHUNK_BYTES = 2**20  # HDF5's default chunk cache, which CMap's own writer uses

# Ids and descriptions are read whole.
_MOST_BYTES = 2**29
# A piece of the matrix that is compressed is unpacked whole.
_MOST_CHUNK_BYTES = 2**28


@contextmanager
def open_gctx(path: Path) -> Iterator[SignatureMatrix]:
    """Open a GCTX file; only ids and metadata are read before blocks are asked for.

    Raises
    ------
    RawDataError
        The file is missing, cut, not HDF5, without the GCTX layout, or holds an id twice.
    """
    kind = require_readable(path, (HDF5,), "check the name and the raw data folder")
    if kind is not HDF5 or not h5py.is_hdf5(path):
        raise RawDataError(f"{path}: is not an HDF5 file, so not GCTX; download it again")
    with open_hdf5(path) as file:
        yield _describe(path, file)


@contextmanager
def open_gctx_of(path: Path, file: io.RawIOBase) -> Iterator[SignatureMatrix]:
    """Open a GCTX file of the name `path` whose bytes are read from `file`; errors as `open_gctx`.

    Only the rows and columns that are asked for are read, and no rows between those that are wanted.
    """
    with open_hdf5(path, file) as opened:
        yield replace(_describe(path, opened), cheap_gap=0)


def is_gctx(path: Path) -> bool:
    """Return whether an HDF5 file has the layout of GCTX, or cannot be read, as `open_gctx` says.

    By its name, a file that cannot be read may be AnnData instead.
    """
    try:
        with open_hdf5(path) as file:
            return _MATRIX in file
    except (RawDataError, *DAMAGE):
        return path.suffix.lower() != ANNDATA_SUFFIX


def write_gctx(path: Path, z: np.ndarray, signatures: pd.DataFrame, genes: pd.DataFrame) -> None:
    """Write a GCTX file that CMap's own readers open, byte-identical from run to run.

    Parameters
    ----------
    path
        The file, written whole or not at all.
    z
        z-scores float32 [signatures, genes].
    signatures, genes
        Metadata, a row per row and per column of `z`; the first column is the id. Missing text is written
        as -666, as CMap does, missing numbers as NaN.

    Raises
    ------
    RawDataError
        The matrix is empty or its shape is not that of the metadata.
    """
    if z.shape != (len(signatures), len(genes)) or not z.size:
        raise RawDataError(
            f"{path}: matrix is {z.shape}, expected one or more signatures x genes, "
            f"here {(len(signatures), len(genes))}"
        )
    chunk_rows = max(1, min(len(z), _CHUNK_BYTES // (4 * z.shape[1])))
    # HDF5 crashes where it cannot write, so it writes to memory. The earliest format, because readers of
    # GCTX come with old versions of it.
    with h5py.File(path.name, "w", driver="core", backing_store=False, libver="earliest") as file:
        file.attrs["version"] = np.bytes_(b"GCTX1.0")
        file.create_dataset(
            _MATRIX,
            data=np.asarray(z, dtype=np.float32),
            chunks=(chunk_rows, z.shape[1]),
            compression="gzip",
            shuffle=True,
            track_times=False,
        )
        for group, table in ((_SIGNATURES, signatures), (_GENES, genes)):
            for position, (name, column) in enumerate(table.items()):
                dataset = f"{group}/{name if position else 'id'}"
                file.create_dataset(dataset, data=_encoded(column), track_times=False)
        file.flush()
        image = file.id.get_file_image()
    write_bytes(image, path)


def _encoded(column: pd.Series) -> np.ndarray:
    """Return numbers as they are and text as fixed-length UTF-8, which every reader of GCTX knows."""
    if column.dtype.kind in "fiu":
        return column.to_numpy()
    filled = column.astype("str").fillna(str(MISSING_NUMBER))
    return np.array([text.encode() for text in filled], dtype="S")


def _describe(path: Path, file: h5py.File) -> SignatureMatrix:
    try:
        matrix = file.get(_MATRIX)
        if not isinstance(matrix, h5py.Dataset) or matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            raise RawDataError(f"{path}: has no matrix of numbers at /{_MATRIX}; {_other_than_gctx(file)}")
        signatures = _metadata(path, file, _SIGNATURES, "sig_id")
        genes = _metadata(path, file, _GENES, "gene_id")
        require_written(path, matrix)
        if matrix.chunks and np.prod(matrix.chunks, dtype=float) * matrix.dtype.itemsize > _MOST_CHUNK_BYTES:
            raise RawDataError(
                f"{path}: the matrix is stored in chunks over {_MOST_CHUNK_BYTES // 2**20} MiB; write the "
                "file again with smaller chunks"
            )
    except DAMAGE as error:
        raise damaged(path, error) from error
    if matrix.shape != (len(signatures), len(genes)):
        raise RawDataError(
            f"{path}: the matrix is {matrix.shape}, but there are {counted(len(signatures), 'signature id')} "
            f"and {counted(len(genes), 'gene id')}; write the file again"
        )

    def read(rows: slice, columns: slice) -> np.ndarray:
        try:
            return matrix[rows, columns]
        except DAMAGE as error:
            raise damaged(path, error) from error

    def places(rows: np.ndarray, columns: slice) -> list[tuple[int, int]]:
        try:
            return _places(matrix, rows, columns)
        except DAMAGE as error:
            raise damaged(path, error) from error

    chunk_rows = matrix.chunks[0] if matrix.chunks else 1
    return SignatureMatrix(path, signatures, genes, chunk_rows, read, places)


def _places(matrix: h5py.Dataset, rows: np.ndarray, columns: slice) -> list[tuple[int, int]]:
    """Return where the file has some rows of a span of columns: first byte, and the byte after the last."""
    if matrix.chunks is None:
        start, width, size = matrix.id.get_offset(), matrix.shape[1], matrix.dtype.itemsize
        if start is None:  # inside the header, which is read in any case
            return []
        return [
            (start + (row * width + columns.start) * size, start + (row * width + columns.stop) * size)
            for row in rows.tolist()
        ]
    high, wide = matrix.chunks
    wanted = set(
        product(np.unique(rows // high).tolist(), range(columns.start // wide, -(-columns.stop // wide)))
    )
    found: list[tuple[int, int]] = []

    def look(chunk: Any) -> None:
        top, left = chunk.chunk_offset
        if (top // high, left // wide) in wanted:
            found.append((chunk.byte_offset, chunk.byte_offset + chunk.size))

    matrix.id.chunk_iter(look)
    return found


def _other_than_gctx(file: h5py.File) -> str:
    """Return the kind of an HDF5 file without GCTX's layout, as far as its groups tell, with a remedy."""
    groups = set(file)
    if {"obs", "var"} <= groups:
        return "it is AnnData, which has no signatures: save adata.to_df().T as CSV, genes x samples"
    if "matrix" in groups or {"barcodes", "genes", "data"} <= groups:
        return "it looks like a matrix of 10x: write one table with its names, genes x samples"
    return "is it a GCTX file?"


def _metadata(path: Path, file: h5py.File, group: str, id_column: str) -> pd.DataFrame:
    """Return the datasets of `group` as columns, the ids first under the name `id_column`."""
    ids = file.get(f"{group}/id")
    if not isinstance(ids, h5py.Dataset) or ids.ndim != 1:
        raise RawDataError(f"{path}: has no ids at /{group}/id; is it a GCTX file?")
    columns = {id_column: _decoded(path, ids).astype("str")}
    for name, dataset in file[group].items():  # pyright: ignore[reportAttributeAccessIssue]
        # Some writers repeat the ids under the name of their column; /id names the rows and columns of the
        # matrix.
        if name in ("id", id_column) or not isinstance(dataset, h5py.Dataset):
            continue
        if dataset.shape != ids.shape:
            raise RawDataError(
                f"{path}: /{group}/{name} has shape {dataset.shape}, but there are "
                f"{counted(len(ids), 'id')}; write the file again"
            )
        columns[name] = _decoded(path, dataset)
    return pd.DataFrame(columns)


def _decoded(path: Path, dataset: h5py.Dataset) -> pd.Series:
    """Return numbers in their own type, or as float64 where some are missing, and all else as text."""
    require_sane_size(path, dataset.nbytes, dataset.file.id.get_filesize())
    if dataset.nbytes > _MOST_BYTES:
        raise RawDataError(
            f"{path}: {dataset.name} has {dataset.nbytes / 2**20:,.0f} MiB, more than "
            f"{_MOST_BYTES // 2**20} for names and descriptions; write the file again"
        )
    values = dataset[()]
    if values.dtype.kind in "fiub":
        numbers = pd.Series(values)
        return numbers.mask(numbers == MISSING_NUMBER) if (values == MISSING_NUMBER).any() else numbers
    decoded = [
        value.decode("utf-8", LATIN1_BYTES).rstrip("\0") if isinstance(value, bytes) else str(value)
        for value in values
    ]
    return clean_text(pd.Series(decoded, dtype="str"))
