"""HDF5 files, opened only if all that they show lies inside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from h5py import h5d, h5l, h5o  # pyright: ignore[reportAttributeAccessIssue]

from anchordrug.errors import RawDataError, printable
from anchordrug.raw.text import one_line

# What h5py raises for a damaged file depends on the part that is damaged; some is Python's complaint of h5py.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, SystemError)

_MOST_LINKS, _MOST_LEVELS = 1_000_000, 100
# h5py loses an error that is raised while it visits links.
_TOO_DEEP = ("groups nested deeper", f"than {_MOST_LEVELS} levels")


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    RawDataError
        It is damaged, or a dataset or link in it stands for another file: external storage, an external or
        user-defined link, or a virtual dataset. Nothing has been read of that file then.
    """
    try:
        # Without a cache of chunks, of a chunk that is not compressed only what is asked for is read; blocks
        # are made so that no chunk is wanted twice.
        file = h5py.File(path, "r", rdcc_nbytes=0)
    except DAMAGE as error:
        raise damaged(path, error) from error
    with file:
        try:
            found = _outside(file)
        except DAMAGE as error:
            raise damaged(path, error) from error
        if found == _TOO_DEEP:
            raise RawDataError(f"{path}: has {' '.join(_TOO_DEEP)}; is it a GCTX file?")
        if found is not None:
            name, what = found
            raise RawDataError(
                f"{path}: /{printable(name, 60)} is {what}, which shows another file; "
                "write a file that holds all of its data"
            )
        yield file


def damaged(path: Path, error: Exception) -> RawDataError:
    """Return the error for a file that h5py cannot read."""
    reason = one_line(error).strip("'\"")
    return RawDataError(f"{path}: cannot be read ({reason}); the file is damaged or cut, download it again")


def _outside(file: h5py.File) -> tuple[str, str] | None:
    """Return the name of the first object that stands for another file, and what it is; None without one.

    Every link is visited once and none but hard ones is followed. A soft link leads to an object that a hard
    link leads to as well.
    """
    count = 0

    def look(name: bytes, link: h5l.LinkInfo) -> tuple[str, str] | None:
        nonlocal count
        count += 1
        if count > _MOST_LINKS:
            raise ValueError(f"more than {_MOST_LINKS:,} datasets and groups")
        # Each place is looked up from the root, so a file of one group in another would take for ever.
        if name.count(b"/") > _MOST_LEVELS:
            return _TOO_DEEP
        shown = name.decode("utf-8", "replace")
        if link.type == h5l.TYPE_SOFT:
            return None
        if link.type != h5l.TYPE_HARD:
            return shown, "an external link"
        layout = _layout_outside(file, name)
        return None if layout is None else (shown, layout)

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
