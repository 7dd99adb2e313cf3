"""The builder of feature blocks: rows in the order asked for, and the numbers of the pipeline's stage."""

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from anchordrug.chem.fingerprints import fingerprints
from anchordrug.errors import RawDataError, TableError
from anchordrug.features.builder import drug_bits, gene_terms, line_embeddings
from anchordrug.features.cell_lines import embed_cell_lines
from anchordrug.settings import CellFeatures, DrugFeatures

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CCO"]
DRUG = DrugFeatures(radius=2, bits=256)
CELL = CellFeatures(dim=4, epochs=30, learning_rate=1e-3, seed=1)
LINES = [f"L{k}" for k in range(12)]


def expression():
    values = np.random.default_rng(0).normal(8, 2, (len(LINES), 30)).astype(np.float32)
    return pd.DataFrame(values, index=LINES, columns=[f"G{k}" for k in range(30)])


def test_drugs_get_the_fingerprints_of_their_structures():
    bits = drug_bits(pd.Series(SMILES), DRUG)
    np.testing.assert_array_equal(bits, fingerprints(map(Chem.MolFromSmiles, SMILES), 2, 256))
    assert drug_bits([], DRUG).shape == (0, 256)


def test_a_structure_that_cannot_be_read_is_named():
    with pytest.raises(TableError, match=r"'C\(C' cannot be read \(1 such\)"):
        drug_bits(["CCO", "C(C"], DRUG)


def test_genes_get_their_terms_in_their_own_order():
    annotation = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    np.testing.assert_array_equal(gene_terms(["C", "A"], ["A", "B", "C"], annotation), [[1, 1], [1, 0]])
    with pytest.raises(RawDataError, match="annotation has no row for NARF1; did you mean 'NARFL'"):
        gene_terms(["NARF1"], ["NARFL", "JUN"], annotation[:2])


def test_lines_get_their_rows_of_the_embedding_of_all_lines():
    table = expression()
    options = {"dim": 4, "epochs": 30, "learning_rate": 1e-3, "seed": 1}
    every = embed_cell_lines(table.to_numpy(), **options)
    np.testing.assert_array_equal(line_embeddings(table, ["L7", "L2"], CELL), every[[7, 2]])


def test_the_layout_in_memory_makes_no_difference():
    table = expression()
    by_columns = pd.DataFrame({name: table[name].to_numpy() for name in table}, index=table.index)
    joined = pd.concat([table.iloc[:5], table.iloc[5:]])
    wide = table.astype(np.float64)
    for other in (by_columns, joined, wide):
        np.testing.assert_array_equal(
            line_embeddings(other, LINES, CELL), line_embeddings(table, LINES, CELL)
        )


def test_a_line_without_expression_is_named():
    with pytest.raises(RawDataError, match="untreated expression has no row for X9"):
        line_embeddings(expression(), ["L1", "X9"], CELL)
