"""Packages that only some files need, and that an installation for prediction alone lacks."""

from pathlib import Path

from anchordrug.errors import require_packages


def require_anndata(path: Path) -> None:
    """Check that AnnData files such as `path` can be read.

    Raises
    ------
    AnchorDrugError
        anndata or h5py is not installed.
    """
    require_packages(("h5py", "anndata"), f"{path}: is an HDF5 file, and reading it", "formats")
