"""GCT and GCTX: a matrix with metadata, genes x wells (counts) or genes x drugs (z-scores)."""

import numpy as np

from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.gene_columns import gene_hits, no_genes
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.wide import WideTable, contents_of
from anchordrug.errors import AssayError
from anchordrug.raw.matrix import is_matrix, open_matrix


def owns(file: AssayFile) -> bool:
    """Return whether the file is GCT by its first bytes or its name."""
    return is_matrix(file.path)


def read(file: AssayFile) -> Counts | Profiles:
    """Read the matrix; the metadata field pert_id, or else the column id, names the drug.

    Raises
    ------
    AssayError
        No row names a gene, or a value is infinite; and as `contents_of`.
    """
    with open_matrix(file.path) as matrix:
        values = np.empty((len(matrix.gene_ids), len(matrix.signature_ids)))
        for positions, block in matrix.blocks(np.arange(values.shape[1]), np.arange(values.shape[0])):
            values[:, positions] = block.T
        fields = [[str(value) for value in column.fillna("")] for _, column in matrix.genes.items()]
        ids, described = matrix.signature_ids, matrix.signatures.get("pert_id")
    genes = max(fields, key=lambda names: gene_hits(names, file.is_gene))
    if not gene_hits(genes, file.is_gene):
        raise no_genes(file.path, genes, ids)
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        raise AssayError(
            f"{file.path}: gene '{genes[row]}' has an infinite value in signature '{ids[column]}'; correct it"
        )
    # Counts belong to wells, which only the ids can name.
    known = values[np.isfinite(values)]
    is_whole = bool((known == np.floor(known)).all())
    names = ids if described is None or is_whole else described.fillna("").tolist()
    wide = WideTable(
        file.path,
        genes,
        names,
        values,
        gene_place=lambda row: f"gene {row + 1}",
        sample_place=lambda column: f"signature '{ids[column]}'",
    )
    return contents_of(wide, file.plates)


FORMATS.register("gct", Format(owns, read))
