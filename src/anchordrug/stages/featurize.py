"""Stage featurize: fingerprints of drugs, annotation of genes, embeddings of cell lines."""

import numpy as np
import pandas as pd
import typer

from anchordrug.errors import counted
from anchordrug.features.bundle import blocks_of
from anchordrug.files.tables import read_table, write_matrix
from anchordrug.project.project import Project
from anchordrug.raw.bundle import find_bundle


def run(project: Project) -> None:
    """Compute the three feature blocks."""
    atlas = project.atlas()
    annotated_as = read_table(project.genes)["annotated_as"].tolist()
    blocks = blocks_of(
        find_bundle(project.raw),
        atlas.drugs["smiles"].tolist(),
        annotated_as,
        atlas.cell_lines,
        project.settings.featurize,
        project.read_added_expression(),
    )
    bits = [f"bit_{k}" for k in range(blocks.bits.shape[1])]
    write_matrix(project.drug_features, atlas.drugs[["drug_id"]], bits, blocks.bits)
    genes = pd.DataFrame({"gene": atlas.genes})
    write_matrix(project.gene_features, genes, blocks.terms, blocks.annotation)
    lines = pd.DataFrame({"cell_line": atlas.cell_lines})
    write_matrix(project.cell_features, lines, blocks.lines.names, blocks.lines.values, missing=True)
    typer.echo(
        f"{counted(len(blocks.bits), 'drug')} x {counted(len(bits), 'bit')}, "
        f"{counted(len(genes), 'gene')} x {counted(len(blocks.terms), 'term')}, "
        f"{counted(len(lines), 'cell line')} x {counted(len(blocks.lines.names), 'dimension')}, learned from "
        f"the untreated expression of {blocks.described}"
    )
    rows = np.flatnonzero(np.isnan(blocks.lines.values).any(axis=1))
    unknown = [atlas.cell_lines[row] for row in rows]
    if unknown:
        typer.echo(f"without untreated expression, so without embedding: {', '.join(unknown)}")
