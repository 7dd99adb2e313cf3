"""Files that need packages which an installation for prediction alone lacks."""

from pathlib import Path

from anchordrug.errors import RawDataError, require_packages
from anchordrug.files.kinds import HDF5


def require_anndata(path: Path) -> None:
    """Check that an HDF5 file is AnnData, and can be read.

    Raises
    ------
    AnchorDrugError
        anndata or h5py is not installed.
    RawDataError
        It is another HDF5 file.
    """
    require_packages(("h5py", "anndata"), f"{path}: is an HDF5 file, and reading it", "formats")
    from anchordrug.raw.hdf5 import is_anndata

    if not is_anndata(path):
        raise RawDataError(f"{path}: is {HDF5.words}; {HDF5.remedy}")
