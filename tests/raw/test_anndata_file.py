"""AnnData files: what is read of them, and what is refused before anything of it is used."""

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from anchordrug.errors import AnchorDrugError, RawDataError
from anchordrug.raw.anndata_file import open_anndata, read_obs
from anchordrug.raw.gctx import is_gctx, write_gctx
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.sample_columns import doses_in_um, sample_columns
from tests.raw.anndata_made import write_h5ad

VALUES = np.array([[0, 3, 0, 7], [2, 0, 0, 1], [0, 0, 5, 4]], dtype=np.float32)
OBS = pd.DataFrame(
    {
        "drug": pd.Categorical.from_codes([0, 1, 0], pd.Index(["a", "DMSO"], dtype=object)),
        "well": ["A1", None, "A3"],
        "dose": [1.0, np.nan, 10.0],
        "n": pd.array([1, None, 3], dtype="Int64"),
    },
    index=["c1", "c2", "c3"],
)
VAR = pd.DataFrame({"gene_symbols": ["G1", "G2", "G3", "G4"]}, index=["E1", "E2", "E3", "E4"])
KINDS = {"dense": np.asarray, "csr": csr_matrix, "csc": csc_matrix}


@pytest.fixture
def path(tmp_path):
    return write_h5ad(tmp_path / "a.h5ad", csr_matrix(VALUES), OBS, VAR)


def problem(path, layer=None):
    with pytest.raises(RawDataError) as caught, open_anndata(path) as opened:
        opened.matrix(layer).values()
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_values_sums_and_tables(tmp_path, kind):
    path = write_h5ad(tmp_path / "a.h5ad", KINDS[kind](VALUES), OBS, VAR)
    with open_anndata(path) as opened:
        assert opened.names == ("X",)
        assert opened.obs.header == ["", "drug", "well", "dose", "n"]
        assert opened.obs.names(0) == ["c1", "c2", "c3"]
        assert opened.obs.names(1) == ["a", "DMSO", "a"]
        assert opened.obs.names(2) == ["A1", "", "A3"]
        assert opened.obs.names(4) == ["1", "", "3"]
        np.testing.assert_array_equal(opened.obs.numbers(3), [1, np.nan, 10])
        assert opened.obs.row_place(1) == "observation 2"
        matrix = opened.matrix()
        assert (matrix.name, matrix.shape, matrix.genes.names(1)) == ("X", (3, 4), ["G1", "G2", "G3", "G4"])
        np.testing.assert_array_equal(matrix.values(), VALUES)
        np.testing.assert_array_equal(matrix.rows([2, 0]), VALUES[[2, 0]])
        np.testing.assert_array_equal(matrix.sums(np.array([1, -1, 1]), 2), [[0] * 4, VALUES[0] + VALUES[2]])
        assert matrix.looks_like_counts()


@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_of_several_blocks(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("anchordrug.raw.anndata_matrix._BLOCK_VALUES", 5)
    values = np.random.default_rng(0).poisson(1, (7, 4)).astype(np.float32)
    obs = pd.DataFrame(index=[f"c{n}" for n in range(7)])
    with open_anndata(write_h5ad(tmp_path / "a.h5ad", KINDS[kind](values), obs, VAR)) as opened:
        matrix = opened.matrix()
        assert len(list(matrix.blocks())) > 1
        np.testing.assert_array_equal(matrix.values(), values)
        groups = np.array([0, 1, 0, -1, 1, 0, 1])
        expected = [values[groups == group].sum(axis=0) for group in (0, 1)]
        np.testing.assert_array_equal(matrix.sums(groups, 2), expected)


@pytest.mark.parametrize(
    ("x", "raw", "layers", "chosen", "of_z"),
    [
        (np.log1p(VALUES), None, {"counts": VALUES, "z": VALUES - 2}, "counts", "z"),
        (np.log1p(VALUES), VALUES, {}, "raw", "X"),
        (VALUES, np.log1p(VALUES), {"spliced": VALUES}, "X", "X"),
        (VALUES - 2.5, np.log1p(VALUES), {"Z-score": VALUES - 2, "label": VALUES}, "Z-score", "Z-score"),
        (VALUES - 2.5, None, {"label": VALUES}, "X", "X"),
    ],
)
def test_the_matrix_that_is_meant(tmp_path, x, raw, layers, chosen, of_z):
    with open_anndata(write_h5ad(tmp_path / "a.h5ad", x, OBS, VAR, raw=raw, **layers)) as opened:
        assert opened.matrix().name == chosen
        assert opened.matrix(of_z=True).name == of_z
        assert opened.matrix("X").name == "X"
        with pytest.raises(RawDataError, match=r"has no matrix 'x' \(found: X.*; did you mean 'X'\?; name"):
            opened.matrix("x")


@pytest.mark.parametrize(
    ("value", "fault"), [(-1, "-1 is negative"), (0.5, "0.5 is not a whole"), (np.nan, "nan is missing")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_up_must_be_counts(tmp_path, kind, value, fault):
    wrong = VALUES.copy()
    wrong[2, 2] = value
    with open_anndata(write_h5ad(tmp_path / "a.h5ad", KINDS[kind](wrong), OBS, VAR)) as opened:
        assert opened.matrix().looks_like_counts() == bool(np.isnan(value))
        with pytest.raises(RawDataError, match=f"a.h5ad: X: 'c3', gene 'E3': {fault}"):
            opened.matrix().sums(np.zeros(3, dtype=int), 1)
        opened.matrix().sums(np.array([0, 0, -1]), 1)  # what is in no group does not matter


@pytest.mark.parametrize("kind", KINDS)
def test_an_infinite_value_is_refused_with_its_place(tmp_path, kind):
    wrong = VALUES.copy()
    wrong[2, 2] = np.inf
    with open_anndata(write_h5ad(tmp_path / "a.h5ad", KINDS[kind](wrong), OBS, VAR)) as opened:
        matrix = opened.matrix()
        for use in (matrix.values, lambda: matrix.rows([0]), lambda: matrix.sums(np.zeros(3, dtype=int), 1)):
            with pytest.raises(RawDataError, match=r"a\.h5ad: X: 'c3', gene 'E3': inf is not a number"):
                use()


# ---- files that are damaged or foreign ----


def change(path, do):
    with h5py.File(path, "r+") as file:
        do(file)
    return path


def replaced(name, values, **options):
    def do(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values, **options).attrs.update(attributes)

    return do


DAMAGE = {
    "indices": (replaced("X/indices", [0, 1, 2, 3, 4, 99]), "/X is damaged: indices are outside of it"),
    "negative": (replaced("X/indices", [-1, 1, 2, 3, 4, 0]), "/X is damaged: indices are outside of it"),
    "descending": (replaced("X/indptr", [0, 4, 2, 6]), "/X is damaged: indptr does not ascend from 0"),
    "too long": (replaced("X/indptr", [0, 2, 4, 9]), "/X is damaged: indices and data are not as long as"),
    "short": (replaced("X/indptr", [0, 2, 6]), "/X is damaged: indptr does not ascend from 0 with one entry"),
    "fractions": (replaced("X/indptr", [0.0, 2.0, 4.0, 6.0]), "/X lacks one of data, indices and indptr"),
    "texts": (replaced("X/data", [b"a"] * 6), "/X/data has no numbers"),
    "no list": (lambda file: file.__delitem__("X/data"), "/X lacks one of data, indices and indptr"),
    "shape": (
        lambda file: file["X"].attrs.__setitem__("shape", [3, 5]),
        "/X is (3, 5), but obs and var have (3, 4) rows; write the file again",
    ),
    "kind": (
        lambda file: file["X"].attrs.__setitem__("encoding-type", "coo_matrix"),
        "/X is not a matrix that is dense, csr or csc",
    ),
    "dense of another shape": (replaced("X", VALUES.T), "/X is (4, 3), but obs and var have (3, 4) rows"),
    "no matrix": (lambda file: file.__delitem__("X"), "has no matrix and no X; write the values as X"),
    "old": (
        lambda file: file["obs"].attrs.__delitem__("encoding-type"),
        "/obs is not a table as anndata 0.7",
    ),
    "no var": (lambda file: file.__delitem__("var"), "has no tables /obs and /var"),
    "no index": (lambda file: file["var"].attrs.__delitem__("_index"), "/var cannot be read ("),
    "lengths": (replaced("obs/dose", [1.0, 2.0]), "/obs cannot be read ("),
    "codes": (replaced("obs/drug/codes", np.array([0, 9, 0], np.int8)), "/obs cannot be read ("),
}


@pytest.mark.parametrize(("do", "told"), DAMAGE.values(), ids=DAMAGE)
def test_damage(path, do, told):
    assert told in problem(change(path, do))


def test_a_file_that_is_cut_or_none(path, tmp_path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in problem(path)
    path.write_text("gene,A1\nG1,1\n")
    assert "is not an HDF5 file, so no AnnData" in problem(path)
    assert "no such file" in problem(tmp_path / "b.h5ad")


def test_an_empty_table(tmp_path):
    path = write_h5ad(tmp_path / "a.h5ad", VALUES[:0], OBS[:0], VAR)
    assert "/obs has no rows; write the file again with its observations" in problem(path)


def test_nothing_outside_the_file_is_read(path, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"alice:secret1\n" * 8)

    def external(file):
        del file["obs/well"]
        file.create_dataset("obs/well", (3,), "S8", external=[(str(secret), 0, 24)])

    assert "/obs/well is a dataset in external storage" in problem(change(path, external))
    other = write_h5ad(tmp_path / "b.h5ad", VALUES, OBS, VAR)

    def linked(file):
        del file["X"]
        file["X"] = h5py.ExternalLink(str(path), "X")

    assert "/X is an external link" in problem(change(other, linked))


def test_what_was_never_written(path):
    def unwritten(file):
        del file["X"]
        file.create_dataset("X", (3, 4), np.float32, chunks=(1, 4))

    assert "only 0 of 3 parts of the matrix were written" in problem(change(path, unwritten))


@pytest.mark.parametrize("name", ["obs/dose", "X/data"])
def test_what_unpacks_to_an_absurd_size(path, monkeypatch, name):
    monkeypatch.setattr("anchordrug.raw.unpacked.UNPACKED_BYTES", 2**16)
    zeros = replaced(name, np.zeros(2**22), compression="gzip", chunks=(2**22,))
    told = problem(change(path, zeros))
    assert "unpacks to more than 200 times its size; unpack it if you trust it" in told


def test_a_matrix_that_is_too_large_to_be_held(path, monkeypatch):
    monkeypatch.setattr("anchordrug.raw.sample_matrix.MOST_VALUES", 11)
    assert "X has 3 x 4 values, more than 11; keep fewer samples or genes" in problem(path)
    with (
        open_anndata(path) as opened,
        pytest.raises(RawDataError, match="3 groups x 4 genes are more than 11"),
    ):
        opened.matrix().sums(np.arange(3), 3)


def test_layouts_are_told_apart_by_their_contents(path, tmp_path):
    other = tmp_path / "b.h5ad"
    write_gctx(other, VALUES, pd.DataFrame({"id": OBS.index}), pd.DataFrame({"id": VAR.index}))
    assert (is_anndata(path), is_gctx(path)) == (True, False)
    assert is_gctx(other)
    with pytest.raises(RawDataError, match="has no tables /obs and /var, so it is not AnnData"):
        read_obs(other)


def test_without_anndata_the_reader_says_what_to_install(path, monkeypatch):
    monkeypatch.setattr("anchordrug.errors.find_spec", lambda _: None)
    with pytest.raises(
        AnchorDrugError, match=r"a.h5ad: .* and reading it needs h5py, which is not installed"
    ):
        read_obs(path)


# ---- columns of samples ----


def test_roles_and_doses_of_columns(tmp_path):
    obs = pd.DataFrame(
        {
            "product_name": ["x", "y", "Vehicle"],
            "cell_type": ["A549", "A549", "MCF7"],
            "dose_value": ["10", "0.5 uM", ""],
            "dose_unit": ["nM", "µM", ""],
            "Culture Plate": ["p", "p", "q"],
        },
        index=pd.Index(["b1", "b2", "b3"], name="cell"),
    )
    sheet = read_obs(write_h5ad(tmp_path / "a.h5ad", VALUES, obs, VAR))
    columns = sample_columns(sheet)
    named = {role: sheet.header[column] for role, column in columns.items()}
    assert named == {
        "plate": "Culture Plate",
        "drug": "product_name",
        "dose": "dose_value",
        "unit": "dose_unit",
        "cell line": "cell_type",
    }
    np.testing.assert_allclose(doses_in_um(sheet, columns), [0.01, 0.5, np.nan])


@pytest.mark.parametrize(
    ("header", "cells", "um"),
    [
        ("dose_uM", ["1", "2.5", "1e-2"], [1, 2.5, 0.01]),
        ("dose (nM)", ["1", "5", ""], [0.001, 0.005, np.nan]),
        ("concentration", ["1", "2", "3"], [np.nan] * 3),
        ("drugname_drugconc", ["[('X 5', 0.05, 'uM')]", "[('Y', 5.0, 'nM')]", "DMSO"], [0.05, 0.005, np.nan]),
    ],
)
def test_units_of_doses(tmp_path, header, cells, um):
    sheet = read_obs(write_h5ad(tmp_path / "a.h5ad", VALUES, OBS[[]].assign(**{header: cells}), VAR))
    np.testing.assert_allclose(doses_in_um(sheet, sample_columns(sheet)), um)
