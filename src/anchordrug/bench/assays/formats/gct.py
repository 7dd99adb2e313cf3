"""GCT and GCTX: a matrix with metadata, genes x wells (counts) or genes x drugs (z-scores)."""

from dataclasses import replace

import numpy as np

from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.gene_columns import gene_hits, no_genes
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.samples import claims_of_profiles
from anchordrug.bench.assays.wide import WideTable, contents_of
from anchordrug.errors import AssayError
from anchordrug.raw.matrix import is_matrix, open_matrix
from anchordrug.raw.sheet import Sheet


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
        ids, signatures = matrix.signature_ids, matrix.signatures
    described = signatures.get("pert_id")
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
    contents = contents_of(wide, file.plates)
    if isinstance(contents, Counts):
        return contents
    fields = signatures.reset_index(drop=True)
    cells, rows = fields.set_axis(range(fields.shape[1]), axis=1), np.arange(1, len(fields) + 1)
    sheet = Sheet(file.path, list(map(str, fields)), cells, rows, "signature", decimal_comma=False)
    return replace(contents, claims=claims_of_profiles(sheet, names))


FORMATS.register("gct", Format(owns, read))
