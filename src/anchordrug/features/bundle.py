"""The feature blocks of an atlas, read from its raw bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, shortlist
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits, gene_terms, line_embeddings
from anchordrug.raw.bundle import RawBundle, no_file
from anchordrug.raw.expression import read_expression, rows_of_lines
from anchordrug.raw.ontology import read_annotation
from anchordrug.settings import Featurize


@dataclass(frozen=True)
class LineFeatures:
    """Features of cell lines before they are scaled: names of the columns, float32 [lines, columns]."""

    names: list[str]
    values: np.ndarray


@dataclass(frozen=True)
class BundleBlocks:
    """Feature blocks before they are scaled.

    Attributes
    ----------
    bits
        uint8 [drugs, bits].
    annotation
        [genes, terms], 0 or 1; `terms` are the names.
    lines
        Features of the cell lines.
    described
        Number of cell lines whose untreated expression the embedding was learned from.
    """

    bits: np.ndarray
    annotation: np.ndarray
    terms: list[str]
    lines: LineFeatures
    described: int

    def scaled(self) -> FeatureBlocks:
        """Return the blocks with rows of unit norm, as predictors take them."""
        return FeatureBlocks(unit_rows(self.bits), unit_rows(self.lines.values), unit_rows(self.annotation))


def blocks_of(
    bundle: RawBundle,
    smiles: Sequence[str],
    annotated_as: Sequence[str],
    cell_lines: Sequence[str],
    settings: Featurize,
    added: pd.DataFrame | None = None,
) -> BundleBlocks:
    """Return the feature blocks of an atlas.

    Parameters
    ----------
    smiles, annotated_as, cell_lines
        One entry per drug, gene and cell line of the atlas: its structure, its name in the gene annotation,
        its own name.
    added
        Untreated expression of further cell lines, as `untreated_expression` takes it.

    Returns
    -------
    BundleBlocks
        The features of a cell line without untreated expression are NaN.

    Raises
    ------
    RawDataError
        A file of the bundle is missing or damaged, or lacks a gene.
    """
    expression = pd.DataFrame()
    if bundle.expression is not None:
        expression = untreated_expression(bundle, added, cell_lines)
    described = [line in expression.index for line in cell_lines]
    known = [line for line in cell_lines if line in expression.index]
    features = line_features(expression, known, settings)
    values = np.full((len(cell_lines), len(features.names)), np.nan, np.float32)
    values[described] = features.values
    terms, annotation = _terms(bundle, annotated_as)
    return BundleBlocks(
        drug_bits(smiles, settings.drug),
        annotation,
        terms,
        LineFeatures(features.names, values),
        len(expression),
    )


def _terms(bundle: RawBundle, annotated_as: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the terms, and which genes have them, 0 or 1 [genes, terms]; no terms without annotation."""
    if bundle.annotation is None:
        return [], np.zeros((len(annotated_as), 0), np.uint8)
    names, terms, annotation = read_annotation(bundle.annotation)
    return terms, gene_terms(annotated_as, names, annotation)


def untreated_expression(
    bundle: RawBundle, added: pd.DataFrame | None = None, named: Sequence[str] = ()
) -> pd.DataFrame:
    """Return log2 expression without treatment, one row per cell line, one column per gene.

    Parameters
    ----------
    added
        log2 [cell lines x genes]: further cell lines, on the scale of the bundle's. The bundle's own values
        of a cell line count.
    named
        Cell lines whose rows get these names, however the bundle spells them (`rows_of_lines`).

    Raises
    ------
    RawDataError
        The file is missing or damaged, `added` lacks one of its genes, or two rows may be one of `named`.
    """
    if bundle.expression is None:
        raise RawDataError(f"{no_file(bundle.matrix.parent, 'expression')}; add it")
    lines, genes, values = read_expression(bundle.expression)
    names = {row: line for line, row in rows_of_lines(bundle.expression, lines, named).items()}
    lines = [row if row in named else names.get(row, row) for row in lines]
    table = pd.DataFrame(values, index=pd.Index(lines), columns=pd.Index(genes))
    if added is None or added.empty:
        return table
    further = added[~added.index.isin(lines)]
    missing = [gene for gene in genes if gene not in further.columns]
    if missing:
        raise RawDataError(
            f"{bundle.expression}: {len(missing)} of its genes are not in the untreated expression of the "
            f"additions ({shortlist(missing, 3)}); add them again ('anchordrug atlas remove', then 'add')"
        )
    return pd.concat([table, further[genes].astype(np.float32)])


def line_features(expression: pd.DataFrame, lines: Sequence[str], settings: Featurize) -> LineFeatures:
    """Return all features of `lines`, for the pipeline and for campaigns.

    Parameters
    ----------
    expression
        Untreated expression as `untreated_expression` returns it; a campaign adds its targets' rows.

    Raises
    ------
    RawDataError
        `expression` lacks one of `lines`.
    """
    embedding = line_embeddings(expression, lines, settings.cell)
    return LineFeatures([f"embedding_{k}" for k in range(embedding.shape[1])], embedding)
