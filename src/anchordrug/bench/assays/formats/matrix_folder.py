"""Folders with matrix.mtx, barcodes.tsv and features.tsv, and a table of the barcodes' wells or drugs."""

from dataclasses import replace

import numpy as np

from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.samples import contents_of_samples
from anchordrug.raw.matrix_market import is_matrix_folder, is_shared, read_matrix_folder


def owns(file: AssayFile) -> bool:
    """Return whether it is a folder with a Matrix Market matrix."""
    return is_matrix_folder(file.path)


def read(file: AssayFile) -> Counts | Profiles | Samples:
    """Read the matrix that the user names, or matrix.mtx; shared reads are rounded.

    Raises
    ------
    AssayError
        As `contents_of_samples`.
    RawDataError
        As `read_matrix_folder`.
    """
    matrix = read_matrix_folder(file.path, file.layer)
    if not is_shared(matrix):
        return contents_of_samples(matrix, file)
    rounded = replace(matrix, blocks=lambda: ((*place, np.rint(block)) for *place, block in matrix.blocks()))
    return contents_of_samples(rounded, file, ("shares of reads that map to several genes are rounded",))


FORMATS.register("matrix_folder", Format(owns, read, has_layers=True))
