"""Stage featurize: fingerprints of drugs, annotation of genes, embeddings of cell lines."""

import pandas as pd
import typer
from rdkit import Chem

from anchordrug.atlas.tables import positions
from anchordrug.chem.fingerprints import fingerprints
from anchordrug.features.cell_lines import embed_cell_lines
from anchordrug.files.tables import read_table, write_matrix
from anchordrug.project.project import Project
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression
from anchordrug.raw.ontology import read_annotation


def run(project: Project) -> None:
    """Compute the three feature blocks."""
    atlas, bundle = project.atlas(), find_bundle(project.raw)
    drug, cell = project.settings.featurize.drug, project.settings.featurize.cell

    molecules = [Chem.MolFromSmiles(smiles) for smiles in atlas.drugs["smiles"]]
    bits = fingerprints(molecules, drug.radius, drug.bits)
    write_matrix(
        project.drug_features, atlas.drugs[["drug_id"]], [f"bit_{k}" for k in range(drug.bits)], bits
    )

    names, terms, annotation = read_annotation(bundle.annotation)
    rows = positions(read_table(project.genes)["annotated_as"], names)
    genes = pd.DataFrame({"gene": atlas.genes})
    write_matrix(project.gene_features, genes, terms, annotation[rows])

    lines, _, expression = read_expression(bundle.expression)
    embedding = embed_cell_lines(
        expression, dim=cell.dim, epochs=cell.epochs, learning_rate=cell.learning_rate, seed=cell.seed
    )
    chosen = embedding[positions(atlas.cell_lines, lines)]
    columns = [f"embedding_{k}" for k in range(cell.dim)]
    write_matrix(project.cell_features, pd.DataFrame({"cell_line": atlas.cell_lines}), columns, chosen)
    typer.echo(
        f"{len(bits)} drugs x {drug.bits} bits, {len(genes)} genes x {len(terms)} terms, "
        f"{len(chosen)} of {len(lines)} cell lines x {cell.dim} dimensions"
    )
