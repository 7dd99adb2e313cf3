"""Matrices as AnnData stores them in HDF5, dense, csr or csc, read in blocks that are checked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from anchordrug.errors import RawDataError, printable
from anchordrug.raw.hdf5 import DAMAGE, damaged, require_written
from anchordrug.raw.unpacked import require_sane_size

# Slices of samples and of genes, and the values there.
Block = tuple[slice, slice, Any]

_REMEDY = "open it with anndata in Python and write it again with adata.write_h5ad"
_BLOCK_VALUES = 2**22  # 32 MiB of float64
_MOST_CHUNK_BYTES = 2**28


class _Lists(NamedTuple):
    """The datasets of a sparse matrix `name`, whose lists are of rows (csr) or of columns (csc)."""

    path: Path
    name: str
    values: Any
    places: Any
    starts: Any
    by_columns: bool


def blocks_of(path: Path, thing: object, shape: tuple[int, int]) -> Callable[[], Iterator[Block]]:
    """Return a function that yields the blocks of a matrix [samples, genes] as `SampleMatrix` wants them.

    Parameters
    ----------
    thing
        The dataset or group of the matrix in an open file.

    Raises
    ------
    RawDataError
        It is not a matrix of numbers of this shape, or is cut, or unpacks to an absurd size; the blocks,
        where they are damaged.
    """
    if isinstance(thing, h5py.Dataset):
        _require_shape(path, thing.name, thing.shape, shape)
        _require_parts(path, [thing])
        return lambda: _guarded(path, _dense_blocks(thing))
    if not isinstance(thing, h5py.Group) or _encoding(thing) not in ("csr_matrix", "csc_matrix"):
        name = printable(str(getattr(thing, "name", "a matrix")), 60)
        raise RawDataError(f"{path}: {name} is not a matrix that is dense, csr or csc; {_REMEDY}")
    name = printable(str(thing.name), 60)
    parts: list[Any] = [thing.get(part) for part in ("data", "indices", "indptr")]
    values, places, starts = parts
    whole = all(isinstance(part, h5py.Dataset) and part.ndim == 1 for part in parts)
    if not whole or places.dtype.kind not in "iu" or starts.dtype.kind not in "iu":
        raise RawDataError(f"{path}: {name} lacks one of data, indices and indptr; {_REMEDY}")
    stated: Any = thing.attrs.get("shape", thing.attrs.get("h5sparse_shape", ()))
    _require_shape(path, name, tuple(np.ravel(stated).tolist()), shape)
    _require_parts(path, parts)
    lists = _Lists(path, name, values, places, starts, _encoding(thing) == "csc_matrix")
    return lambda: _guarded(path, _sparse_blocks(lists, shape))


def _encoding(group: h5py.Group) -> str:
    """Return the kind of a sparse matrix; before anndata 0.7 it was called 'csr'."""
    found = str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "")))
    return {"csr": "csr_matrix", "csc": "csc_matrix"}.get(found, found)


def _require_shape(path: Path, name: str | None, found: tuple, shape: tuple[int, int]) -> None:
    if found != shape:
        raise RawDataError(
            f"{path}: {name} is {found}, but obs and var have {shape} rows; write the file again"
        )


def _require_parts(path: Path, parts: list) -> None:
    """Check the type of the first of the parts of a matrix, and the sizes of all."""
    if parts[0].dtype.kind not in "fiub":
        raise RawDataError(
            f"{path}: {parts[0].name} has no numbers (its type is {parts[0].dtype}); {_REMEDY}"
        )
    for part in parts:
        require_written(path, part)
        if part.chunks and np.prod(part.chunks, dtype=float) * part.dtype.itemsize > _MOST_CHUNK_BYTES:
            raise RawDataError(
                f"{path}: {part.name} has chunks of more than {_MOST_CHUNK_BYTES // 2**20} MiB; write the "
                "file again with smaller chunks"
            )
    require_sane_size(path, sum(part.nbytes for part in parts), path.stat().st_size)


def _guarded(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    try:
        yield from blocks
    except DAMAGE as error:
        raise damaged(path, error) from error


def _dense_blocks(values: h5py.Dataset) -> Iterator[Block]:
    height, width = values.shape
    chunk = values.chunks[0] if values.chunks else 1
    rows = max(1, _BLOCK_VALUES // max(1, width) // chunk) * chunk
    for top in range(0, height, rows):
        part = slice(top, min(height, top + rows))
        yield part, slice(0, width), values[part].astype(np.float64)


def _sparse_blocks(lists: _Lists, shape: tuple[int, int]) -> Iterator[Block]:
    from scipy.sparse import csc_array, csr_array

    major, minor = shape[::-1] if lists.by_columns else shape
    starts = lists.starts[()].astype(np.int64)
    if len(starts) != major + 1 or starts[0] != 0 or (np.diff(starts) < 0).any():
        raise _wrong(lists, "indptr does not ascend from 0 with one entry per row or column")
    if not len(lists.places) == len(lists.values) == starts[-1]:
        raise _wrong(lists, "indices and data are not as long as indptr says")
    kind = csc_array if lists.by_columns else csr_array
    for top, end in _bands(starts):
        inner = slice(int(starts[top]), int(starts[end]))
        places = lists.places[inner].astype(np.int64)
        if len(places) and not (places.min() >= 0 and places.max() < minor):
            raise _wrong(lists, "indices are outside of it")
        values = lists.values[inner].astype(np.float64)
        size = (minor, end - top) if lists.by_columns else (end - top, minor)
        block = kind((values, places, starts[top : end + 1] - starts[top]), shape=size)
        block.sum_duplicates()
        part, whole = slice(top, end), slice(0, minor)
        # Rows of a block are picked out, which csc does slowly.
        yield (whole, part, block.tocsr()) if lists.by_columns else (part, whole, block)


def _wrong(lists: _Lists, fault: str) -> RawDataError:
    return RawDataError(f"{lists.path}: {lists.name} is damaged: {fault}; write the file again")


def _bands(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows with about `_BLOCK_VALUES` stored values each, at least one row."""
    top, last = 0, len(starts) - 1
    while top < last:
        end = int(np.searchsorted(starts, starts[top] + _BLOCK_VALUES, side="right")) - 1
        end = min(last, max(top + 1, end))
        yield top, end
        top = end
