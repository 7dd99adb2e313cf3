"""Open a matrix of genes x signatures, whichever of CMap's two formats it is in."""

from contextlib import AbstractContextManager
from pathlib import Path

from anchordrug.errors import RawDataError
from anchordrug.files.kinds import GCT, HDF5
from anchordrug.raw.gct import open_gct
from anchordrug.raw.gctx import is_gctx, open_gctx
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.text import kind_of_file, require_readable

__all__ = ["SignatureMatrix", "is_matrix", "open_matrix"]


def open_matrix(path: Path) -> AbstractContextManager[SignatureMatrix]:
    """Open a GCTX or GCT file, by its first bytes, for as long as the ``with`` block lasts.

    Raises
    ------
    RawDataError
        The file is missing, damaged, of another kind, or holds an id twice.
    """
    kind = require_readable(path, (GCT, HDF5), "check the name and the raw data folder")
    if kind is HDF5 or (kind is None and path.suffix.lower() == ".gctx"):
        return open_gctx(path)
    if kind is GCT or _is_named(path):
        return open_gct(path)
    raise RawDataError(f"{path}: is text but no matrix; expected GCTX, or GCT, which starts with '#1.3'")


def is_matrix(path: Path) -> bool:
    """Return whether a file is GCT or GCTX by its contents or its name."""
    kind = kind_of_file(path)
    if kind is HDF5:
        return is_gctx(path) or (_is_named(path) and not is_anndata(path))
    return _is_named(path) or kind is GCT


def _is_named(path: Path) -> bool:
    return path.name.lower().endswith((".gctx", ".gctx.gz", ".gct", ".gct.gz"))
