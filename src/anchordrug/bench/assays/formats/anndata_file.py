"""AnnData (.h5ad): samples x genes, counts of wells or of single cells, or profiles of drugs."""

from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.samples import contents_of_samples
from anchordrug.errors import shortlist
from anchordrug.raw.anndata_file import is_anndata, open_anndata


def owns(file: AssayFile) -> bool:
    """Return whether the file is HDF5 with AnnData's tables."""
    return is_anndata(file.path)


def read(file: AssayFile) -> Counts | Profiles | Samples:
    """Read the matrix that the user names, or counts if there are any, else z-scores or X.

    Raises
    ------
    AssayError
        As `contents_of_samples`.
    RawDataError
        As `open_anndata`.
    """
    with open_anndata(file.path) as opened:
        others = opened.names
        notes = (f"has the matrices {shortlist(others, 10)}",) if len(others) > 1 else ()
        return contents_of_samples(opened.matrix(file.layer), file, notes)


FORMATS.register("anndata", Format(owns, read, has_layers=True))
