"""AnnData (.h5ad): samples x genes, counts of wells or of single cells, or profiles of drugs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.formats.long_table import profiles_of
from anchordrug.bench.assays.gene_columns import gene_column_of
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.samples import claims_of_profiles, contents_of_samples, names_of_samples
from anchordrug.errors import shortlist
from anchordrug.raw.anndata_file import open_anndata
from anchordrug.raw.changes import VALUE_HEADERS
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.sample_matrix import SampleMatrix
from anchordrug.raw.sheet import Sheet, plain_header


def owns(file: AssayFile) -> bool:
    """Return whether the file is HDF5 with AnnData's tables."""
    return is_anndata(file.path)


def read(file: AssayFile) -> Counts | Profiles | Samples:
    """Read the matrix that the user names, or counts if there are any, else z-scores or X.

    Layers of fold changes, statistics and p-values are read as columns of a long table, unless there are
    counts.

    Raises
    ------
    AssayError
        As `contents_of_samples`.
    RawDataError
        As `open_anndata`.
    """
    with open_anndata(file.path) as opened:
        matrix = opened.matrix(file.layer)
        changes = _change_layers(opened.names) if file.layer is None else []
        if changes and not matrix.looks_like_counts():
            sheet = _long([opened.matrix(name) for name in changes], file)
            profiles = profiles_of(sheet, file.is_gene)
            notes = (f"read the layers {shortlist(changes, 10)}", *profiles.notes)
            names = names_of_samples(matrix.samples, file.plates)
            return replace(profiles, notes=notes, claims=claims_of_profiles(matrix.samples, names))
        others = opened.names
        notes = (f"has the matrices {shortlist(others, 10)}",) if len(others) > 1 else ()
        return contents_of_samples(matrix, file, notes)


def _change_layers(names: Sequence[str]) -> list[str]:
    """Return the layers of differential expression, if they tell a change and not z-scores alone."""
    roles = {
        name: role for role, known in VALUE_HEADERS.items() for name in names if plain_header(name) in known
    }
    return list(roles) if {"fold change", "statistic"} & set(roles.values()) else []


def _long(layers: list[SampleMatrix], file: AssayFile) -> Sheet:
    """Return layers as a table, one row per sample and gene."""
    samples, genes = layers[0].samples, layers[0].genes
    gene_column, _ = gene_column_of(genes, file.is_gene)
    names, symbols = names_of_samples(samples, file.plates), genes.names(gene_column)
    cells = {0: pd.Series(np.repeat(np.array(names, object), len(symbols)))}
    cells[1] = pd.Series(np.tile(np.array(symbols, object), len(names)))
    cells |= {number: pd.Series(layer.values().ravel()) for number, layer in enumerate(layers, start=2)}
    header = ["drug", "gene", *(layer.name for layer in layers)]
    rows = np.arange(1, len(cells[0]) + 1)
    return Sheet(file.path, header, pd.DataFrame(cells), rows, "value", decimal_comma=False)


FORMATS.register("anndata", Format(owns, read, has_layers=True))
