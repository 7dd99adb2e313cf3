"""Stage featurize: fingerprints of drugs, annotation of genes, embeddings of cell lines."""

import pandas as pd
import typer

from anchordrug.features.builder import drug_bits, gene_terms, line_embeddings
from anchordrug.files.tables import read_table, write_matrix
from anchordrug.project.project import Project
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression
from anchordrug.raw.ontology import read_annotation


def run(project: Project) -> None:
    """Compute the three feature blocks."""
    atlas, bundle = project.atlas(), find_bundle(project.raw)
    settings = project.settings.featurize

    bits = drug_bits(atlas.drugs["smiles"], settings.drug)
    columns = [f"bit_{k}" for k in range(bits.shape[1])]
    write_matrix(project.drug_features, atlas.drugs[["drug_id"]], columns, bits)

    names, terms, annotation = read_annotation(bundle.annotation)
    annotated = gene_terms(read_table(project.genes)["annotated_as"].tolist(), names, annotation)
    write_matrix(project.gene_features, pd.DataFrame({"gene": atlas.genes}), terms, annotated)

    lines, genes, values = read_expression(bundle.expression)
    expression = pd.DataFrame(values, index=pd.Index(lines), columns=pd.Index(genes))
    embedding = line_embeddings(expression, atlas.cell_lines, settings.cell)
    columns = [f"embedding_{k}" for k in range(embedding.shape[1])]
    write_matrix(project.cell_features, pd.DataFrame({"cell_line": atlas.cell_lines}), columns, embedding)
    typer.echo(
        f"{len(bits)} drugs x {bits.shape[1]} bits, {len(annotated)} genes x {len(terms)} terms, "
        f"{len(embedding)} of {len(lines)} cell lines x {embedding.shape[1]} dimensions"
    )
