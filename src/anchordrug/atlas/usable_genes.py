"""Which genes of a raw bundle are usable: those of its panel that have a symbol and annotation."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.atlas import nothing_left as empty
from anchordrug.atlas.funnel import Funnel
from anchordrug.errors import RawDataError, counted, near, shortlist
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import RawBundle, read_panel
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.tables import read_genes


def usable_genes(bundle: RawBundle, matrix: SignatureMatrix, funnel: Funnel) -> pd.DataFrame:
    """Return the schema's columns and column (the position in the matrix), one row per usable gene.

    Ids of the matrix that are not numbers are not Entrez ids, and left out.

    Raises
    ------
    RawDataError
        A file is missing or damaged, a symbol has two ids, the panel names unknown genes, or none is left.
    """
    listed = read_genes(bundle.geneinfo)
    column = pd.Series(np.arange(len(matrix.gene_ids)), index=matrix.gene_ids)
    table = listed[listed["gene_id"].isin(column.index)]
    if table.empty:
        axes = matrix.gene_ids, matrix.signature_ids
        raise RawDataError(empty.no_genes(bundle.geneinfo, listed["gene_id"].tolist(), bundle.matrix, axes))
    symbols = table["gene"].dropna()
    twice = symbols[symbols.duplicated()]
    if len(twice):
        ids = shortlist(table.loc[table["gene"] == twice.iloc[0], "gene_id"])
        raise RawDataError(
            f"{bundle.geneinfo}: symbol '{twice.iloc[0]}' belongs to gene ids {ids} of the matrix; "
            "keep it for one of them"
        )
    if bundle.panel:
        of_panel = resolve(read_panel(bundle.panel), symbols.tolist())
        _require_panel(bundle.panel, of_panel, symbols.tolist())
        names = {name: gene for gene, name in of_panel.items()}
        table = table[table["gene"].isin(names)].assign(gene=lambda t: t["gene"].map(names))
    named = table["gene"].notna()
    funnel.reject("gene", table.loc[~named, "gene_id"], f"no symbol in {bundle.geneinfo.name}")
    annotated, table = _annotated(bundle, table, named, funnel)
    unknown = pd.Series(None, index=table.index, dtype="str")
    return pd.DataFrame(
        {
            "gene": table["gene"],
            "gene_id": table["gene_id"].where(table["gene_id"].str.isdecimal()),
            "ensembl_id": table.get("ensembl_id", unknown),
            "annotated_as": unknown if annotated is None else table["gene"].map(annotated),
            "column": table["gene_id"].map(column),
        }
    ).reset_index(drop=True)


def _annotated(
    bundle: RawBundle, table: pd.DataFrame, named: pd.Series, funnel: Funnel
) -> tuple[dict[str, str] | None, pd.DataFrame]:
    """Return the name of every gene in the annotation, and the genes that have one.

    Without annotation these are None and the genes with a symbol.
    """
    if bundle.annotation is None:
        step = "genes of the panel with a symbol (no annotation given)"
        return None, funnel.keep(table, named, step, lambda _: empty.no_symbols(bundle), "genes")
    in_annotation, terms, _ = read_annotation(bundle.annotation)
    annotated = resolve(table.loc[named, "gene"].tolist(), in_annotation)
    has_terms = table["gene"].isin(annotated)
    funnel.reject("gene", table.loc[named & ~has_terms, "gene"], f"no annotation in {bundle.annotation.name}")
    return annotated, funnel.keep(
        table,
        has_terms,
        "genes of the panel with annotation",
        lambda before: empty.no_annotation(bundle, in_annotation, terms, before["gene"].dropna()),
        "genes",
    )


def _require_panel(path: Path, found: dict[str, str], measured: list[str]) -> None:
    panel = read_panel(path)
    unknown = [gene for gene in panel if gene not in found]
    if unknown:
        raise RawDataError(
            f"{path}: the matrix lacks {len(unknown)} of {counted(len(panel), 'gene')}: {shortlist(unknown)}"
            f"{near(unknown[0], measured)}; correct or remove them"
        )
