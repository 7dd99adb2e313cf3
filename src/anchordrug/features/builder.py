"""The builder of feature blocks: bits of drugs, terms of genes, embeddings of cell lines."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from anchordrug.chem.fingerprints import fingerprints_of_smiles
from anchordrug.errors import RawDataError, near, shortlist
from anchordrug.settings import CellFeatures, DrugFeatures


def drug_bits(smiles: Iterable[str], settings: DrugFeatures) -> np.ndarray:
    """Return the Morgan fingerprint of every structure, uint8 [drugs, bits] of 0 and 1.

    Raises
    ------
    TableError
        A SMILES cannot be read.
    """
    return fingerprints_of_smiles(smiles, settings.radius, settings.bits)


def gene_terms(annotated_as: Sequence[str], names: Sequence[str], annotation: np.ndarray) -> np.ndarray:
    """Return the terms of every gene of an atlas, in the order of its genes.

    Parameters
    ----------
    annotated_as
        The name of every gene in the annotation.
    names, annotation
        Genes of the annotation and their terms, 0 or 1 [names, terms], as
        `anchordrug.raw.ontology.read_annotation` returns them.

    Returns
    -------
    numpy.ndarray
        [genes, terms], of the type of `annotation`.

    Raises
    ------
    RawDataError
        The annotation lacks a gene.
    """
    return annotation[_rows_of(annotated_as, names, "the gene annotation")]


def line_embeddings(expression: pd.DataFrame, lines: Sequence[str], settings: CellFeatures) -> np.ndarray:
    """Return the embedding of each of `lines`, learned from all cell lines of `expression` together.

    The embedding depends on the order of the rows of `expression`, by rounding that training magnifies.

    Parameters
    ----------
    expression
        log2 expression without treatment, one row per cell line and one column per gene.

    Returns
    -------
    numpy.ndarray
        float32 [lines, dim]; rows are not scaled.

    Raises
    ------
    RawDataError
        `expression` lacks one of `lines`.
    """
    if not lines:
        return np.zeros((0, settings.dim), np.float32)
    # Brings torch, which predictors without cell lines do without.
    from anchordrug.features.cell_lines import embed_cell_lines

    rows = _rows_of(lines, expression.index, "the untreated expression")
    embedding = embed_cell_lines(
        expression.to_numpy(np.float32),
        dim=settings.dim,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
    )
    return embedding[rows]


def _rows_of(wanted: Sequence[str], names: Iterable[str], table: str) -> np.ndarray:
    """Return int64 positions of `wanted` among the unique `names` of a table."""
    known = pd.Index(list(names))
    rows = known.get_indexer(pd.Index(list(wanted))).astype(np.int64)
    missing = [name for name, row in zip(wanted, rows, strict=True) if row < 0]
    if missing:
        raise RawDataError(
            f"{table} has no row for {shortlist(missing)}{near(missing[0], known)}; use the raw bundle that "
            "the tables were curated from, or run curate again"
        )
    return rows
