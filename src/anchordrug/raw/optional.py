"""Packages that only some files need, and that an installation for prediction alone lacks."""

from importlib.util import find_spec
from pathlib import Path

from anchordrug.errors import AnchorDrugError


def require_anndata(path: Path) -> None:
    """Check that AnnData files such as `path` can be read.

    Raises
    ------
    AnchorDrugError
        anndata or h5py is not installed.
    """
    missing = [name for name in ("h5py", "anndata") if find_spec(name) is None]
    if missing:
        raise AnchorDrugError(
            f"{path}: is an HDF5 file, for which {missing[0]} is not installed; run: pip install "
            "'anchordrug[pipeline]'"
        )
