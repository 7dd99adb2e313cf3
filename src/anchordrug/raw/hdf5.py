"""HDF5 files, opened only if all their data are inside them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5l, h5o  # pyright: ignore[reportAttributeAccessIssue]

from anchordrug.errors import RawDataError, printable
from anchordrug.files.kinds import HDF5
from anchordrug.raw.text import kind_of_file, one_line

# The exception that h5py raises for a damaged file depends on the part that is damaged; some is Python's
# complaint of h5py.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, SystemError)

ANNDATA_SUFFIX = ".h5ad"

_MOST_LINKS, _MOST_LEVELS = 1_000_000, 100


@contextmanager
def open_hdf5(path: Path, file: io.RawIOBase | None = None) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; with `file`, its bytes are read from there, and `path` is its name.

    Raises
    ------
    RawDataError
        It is damaged, or a dataset or link in it points to another file: external storage, an external or
        user-defined link, or a virtual dataset. Nothing has been read of that file then. Or it holds more
        objects than can be looked at.
    """
    try:
        # Without a cache of chunks, of a chunk that is not compressed only the part asked for is read; blocks
        # are made so that no chunk is wanted twice.
        opened = h5py.File(path if file is None else file, "r", rdcc_nbytes=0)
    except DAMAGE as error:
        raise damaged(path, error) from error
    with opened:
        try:
            problem = _problem(opened)
        except DAMAGE as error:
            raise damaged(path, error) from error
        if problem is not None:
            raise RawDataError(f"{path}: {problem}")
        yield opened


def damaged(path: Path, error: Exception) -> RawDataError:
    """Return the error for a file that h5py cannot read."""
    reason = one_line(error).strip("'\"")
    return RawDataError(f"{path}: cannot be read ({reason}); the file is damaged or cut, download it again")


def is_anndata(path: Path) -> bool:
    """Return whether a file is HDF5 with AnnData's tables; the name tells where its layout does not.

    Raises
    ------
    RawDataError
        The file cannot be read at all.
    """
    if kind_of_file(path) is not HDF5:
        return False
    try:
        with open_hdf5(path) as file:
            if has_anndata(file):
                return True
    except (RawDataError, *DAMAGE):
        pass
    return path.suffix.lower() == ANNDATA_SUFFIX


def has_anndata(file: h5py.File) -> bool:
    """Return whether an open file has AnnData's tables of samples and of genes."""
    return "obs" in file and "var" in file


def require_written(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that its writer did not finish: HDF5 reads values that were never written as zeros.

    Raises
    ------
    RawDataError
        A part of it is missing.
    """
    if dataset.chunks:
        expected = int(
            np.prod([-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)])
        )
        present = dataset.id.get_num_chunks()
    else:
        expected, present = dataset.nbytes, dataset.id.get_storage_size()
    if present < expected:
        raise RawDataError(
            f"{path}: only {present} of {expected} parts of the matrix were written; download it again"
        )


def _problem(file: h5py.File) -> str | None:
    """Return the object that points to another file, or the too frequent kind, with a remedy; or None.

    Every link is visited once, and only hard links are followed. A soft link leads to an object that a hard
    link leads to as well.
    """
    count = 0

    def look(name: bytes, link: h5l.LinkInfo) -> str | None:
        nonlocal count
        count += 1
        if count > _MOST_LINKS:
            return f"has more than {_MOST_LINKS:,} datasets and groups, as no matrix has; write it again"
        # Each place is looked up from the root, so a file of one group in another would take for ever.
        if name.count(b"/") > _MOST_LEVELS:
            return f"has groups nested deeper than {_MOST_LEVELS} levels, as no matrix has; write it again"
        if link.type == h5l.TYPE_SOFT:
            return None
        what = "an external link" if link.type != h5l.TYPE_HARD else _layout_outside(file, name)
        if what is None:
            return None
        shown = printable(name.decode("utf-8", "replace"), 60)
        return f"/{shown} is {what}, which shows another file; write a file that holds all of its data"

    # h5py loses an error that is raised while it visits, so the fault is returned.
    return file.id.links.visit(look, info=True)


def _layout_outside(file: h5py.File, name: bytes) -> str | None:
    found = h5o.open(file.id, name)
    if not isinstance(found, h5d.DatasetID):
        return None
    plan = found.get_create_plist()
    # Only storage in one piece can be external; of others the library refuses the question.
    if plan.get_layout() == h5d.VIRTUAL:
        return "a virtual dataset"
    return "a dataset in external storage" if plan.get_external_count() else None
