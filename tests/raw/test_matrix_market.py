"""Folders of Matrix Market matrices as STARsolo and CellRanger write them, and as they come damaged."""

import gzip

import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.matrix_market import is_matrix_folder, is_shared, read_matrix_folder
from tests.raw.anndata_made import write_folder

GENES = ["G1", "G2", "G3"]
COUNTS = pd.DataFrame([[0, 3], [5, 0], [1, 2]], GENES, ["ACGT", "TTTT"])


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "raw", COUNTS)


def problem(folder, layer=None):
    with pytest.raises(RawDataError) as caught:
        read_matrix_folder(folder, layer)
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_names_and_values(tmp_path, packed):
    folder = write_folder(tmp_path / "raw", COUNTS, packed=packed)
    matrix = read_matrix_folder(folder)
    assert is_matrix_folder(folder)
    assert (matrix.name, matrix.samples.header, matrix.samples.names(0)) == (
        "matrix",
        ["barcode"],
        ["ACGT", "TTTT"],
    )
    assert matrix.genes.header == ["gene_id", "gene_name", "feature_type"]
    assert matrix.genes.names(1) == GENES
    np.testing.assert_array_equal(matrix.values(), COUNTS.to_numpy().T)
    np.testing.assert_array_equal(matrix.sums(np.array([0, 0]), 1), [COUNTS.sum(axis=1)])


def test_genes_of_one_column_and_barcodes_in_rows(folder):
    (folder / "features.tsv").unlink()
    (folder / "genes.tsv").write_text("G1\nG2\nG3\n")
    write_folder(folder, COUNTS.T)
    (folder / "features.tsv").unlink()
    (folder / "barcodes.tsv").write_text("ACGT\nTTTT\n")
    matrix = read_matrix_folder(folder)
    assert (matrix.genes.header, matrix.genes.names(0)) == (["gene_id"], GENES)
    np.testing.assert_array_equal(matrix.values(), COUNTS.to_numpy().T)


def test_other_features_are_no_genes(folder):
    (folder / "features.tsv").write_text(
        "E1\tG1\tGene Expression\nCD3\tCD3\tAntibody Capture\nE3\tG3\tGene Expression\n"
    )
    assert read_matrix_folder(folder).genes.names(1) == ["G1", "adt-CD3", "G3"]


@pytest.mark.parametrize("name", ["wells.csv", "map.txt"])
def test_the_table_of_barcodes(folder, name):
    (folder / "Log.out").write_text("a log, with commas, and more\n1,2\n")
    (folder / name).write_text("Well\tBarcode\tdrug\nA1\ttttt-1\tx\nA2\tGGGG\ty\n")
    matrix = read_matrix_folder(folder)
    assert matrix.samples.header == ["barcode", "Well", "drug"]
    assert matrix.samples.names(1) == ["", "A1"]
    assert matrix.samples.names(2) == ["", "x"]
    (folder / name).write_text("Well\tBarcode\nA1\tGGGG\nA2\tCCCC\n")
    assert "has none of the barcodes of the matrix (ACGT, TTTT)" in problem(folder)
    (folder / name).write_text("Well\tBarcode\nA1\tACGT\nA2\tACGT-1\n")
    assert f"{name}: line 3: barcode 'ACGT-1' is in line 2, too" in problem(folder)
    (folder / "b.csv").write_text("well,barcode\nA1,ACGT\n")
    (folder / name).write_text("Well\tBarcode\nA1\tACGT\n")
    assert "both describe barcodes; keep one of them in the folder" in problem(folder)


def test_several_matrices(folder):
    write_folder(folder, COUNTS + 0.5, name="UniqueAndMult-EM")
    plain, shared = read_matrix_folder(folder), read_matrix_folder(folder, "UniqueAndMult-EM")
    assert (plain.name, is_shared(plain), is_shared(shared)) == ("matrix", False, True)
    np.testing.assert_array_equal(shared.values(), COUNTS.to_numpy().T + 0.5)
    assert "has no EM.mtx (matrices: UniqueAndMult-EM, matrix); name one of them with --layer" in problem(
        folder, "EM"
    )
    (folder / "matrix.mtx").unlink()
    assert read_matrix_folder(folder).name == "UniqueAndMult-EM"
    write_folder(folder, COUNTS, name="other")
    assert "has no matrix.mtx (matrices: UniqueAndMult-EM, other)" in problem(folder)
    write_folder(folder, COUNTS, name="other", packed=True)
    assert "has other.mtx and other.mtx.gz; remove one of them" in problem(folder)


HEAD = "%%MatrixMarket matrix coordinate integer general\n"
WRONG = {
    "array": (
        "%%MatrixMarket matrix array integer general\n3 2\n",
        "is a matrix of kind 'matrix array integer",
    ),
    "pattern": (
        "%%MatrixMarket matrix coordinate pattern general\n3 2 0\n",
        "kind 'matrix coordinate pattern",
    ),
    "no sizes": (f"{HEAD}% a comment\n", "has no line with the numbers of rows, columns and entries"),
    "sizes": (f"{HEAD}3 2 x\n", "has no line with the numbers of rows, columns and entries"),
    "other sizes": (f"{HEAD}4 2 0\n", "is 4 x 2, but there are 3 genes and 2 barcodes"),
    "cut": (f"{HEAD}3 2 9999999999999\n1 1 1\n", "has 1 entry, but its header states 9,999,999,999,999"),
    "empty and stated": (f"{HEAD}3 2 1\n", "has 0 entries, but its header states 1"),
    "outside": (f"{HEAD}3 2 2\n1 1 1\n4 1 1\n", "has an entry in row 4 and column 1 of 3 x 2"),
    "row 0": (f"{HEAD}3 2 1\n0 1 1\n", "has an entry in row 0 and column 1 of 3 x 2"),
    "text": (f"{HEAD}3 2 1\n1 1 x\n", "cannot be read (could not convert string to float"),
    "four cells": (f"{HEAD}3 2 1\n1 1 1 1\n", "cannot be read ("),
    "overflow": (f"{HEAD}3 2 1\n1 99999999999999999999999 1\n", "cannot be read ("),
}


@pytest.mark.parametrize(("content", "told"), WRONG.values(), ids=WRONG)
def test_a_matrix_that_is_wrong(folder, content, told):
    (folder / "matrix.mtx").write_text(content)
    assert told in problem(folder)


def test_names_that_are_missing(folder, tmp_path):
    (folder / "barcodes.tsv").write_text("ACGT\n\n")
    assert "barcodes.tsv: line 2 has no name" in problem(folder)
    (folder / "barcodes.tsv").write_text("")
    assert "barcodes.tsv: is empty" in problem(folder)
    (folder / "barcodes.tsv").unlink()
    assert "raw: has no barcodes.tsv; add it next to the matrix" in problem(folder)
    (folder / "barcodes.tsv").write_text("ACGT\nTTTT\n")
    (folder / "genes.tsv").write_text("G1\nG2\nG3\n")
    assert "has features.tsv, genes.tsv; keep one of them" in problem(folder)


def test_a_bomb(folder, monkeypatch):
    monkeypatch.setattr("anchordrug.raw.unpacked.UNPACKED_BYTES", 2**16)
    (folder / "matrix.mtx").unlink()
    lines = HEAD.encode() + b"3 2 99999999\n" + b"1 1 1\n" * 2**18
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(lines, mtime=0))
    assert "unpacks to more than 200 times its size; unpack it if you trust it" in problem(folder)
