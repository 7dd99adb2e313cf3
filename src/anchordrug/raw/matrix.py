"""Open a Level 5 matrix, whichever of CMap's two formats it is in."""

from contextlib import AbstractContextManager
from pathlib import Path

from anchordrug.errors import RawDataError
from anchordrug.raw.gct import open_gct
from anchordrug.raw.gctx import open_gctx
from anchordrug.raw.signature_matrix import SignatureMatrix

__all__ = ["SignatureMatrix", "open_matrix"]


def open_matrix(path: Path) -> AbstractContextManager[SignatureMatrix]:
    """Open a GCTX or GCT file, by its suffix, for as long as the ``with`` block lasts.

    Raises
    ------
    RawDataError
        The file is missing, damaged, not in the format of its suffix, or holds an id twice.
    """
    if path.suffix == ".gctx":
        return open_gctx(path)
    if path.name.endswith((".gct", ".gct.gz")):
        return open_gct(path)
    raise RawDataError(f"{path}: not a matrix format; expected .gctx, .gct or .gct.gz")
