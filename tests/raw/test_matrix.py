"""GCTX and GCT: what is read, and what a bad file is told."""

import errno
import gzip
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.matrix import open_matrix

ROWS, COLUMNS = 57, 13
Z = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).astype(np.float32)
Z[5, 3] = Z[56, 0] = -666
TRUTH = np.where(Z == -666, np.nan, Z)
SIGNATURE_IDS = [f"SIM{i}" for i in range(ROWS)]
GENE_IDS = [str(1000 + i) for i in range(COLUMNS)]


def raw_gctx(path, z=Z, signature_ids=SIGNATURE_IDS, gene_ids=GENE_IDS, chunks=None, **signature_fields):
    """Write a GCTX by hand, so that the reader is not only tested against our own writer."""
    with h5py.File(path, "w") as file:
        file.create_dataset("0/DATA/0/matrix", data=z, chunks=chunks, compression="gzip" if chunks else None)
        file["0/META/COL/id"] = (
            np.array(signature_ids, dtype="S20") if isinstance(signature_ids, list) else signature_ids
        )
        file["0/META/ROW/id"] = np.array(gene_ids, dtype="S20") if isinstance(gene_ids, list) else gene_ids
        for name, values in signature_fields.items():
            file[f"0/META/COL/{name}"] = values
    return path


def read_all(path):
    with open_matrix(path) as matrix:
        z = np.full((len(matrix.signature_ids), len(matrix.gene_ids)), np.inf, dtype=np.float32)
        for positions, block in matrix.blocks(np.arange(z.shape[0]), np.arange(z.shape[1])):
            z[positions] = block
        return matrix, z


GCT = (
    "#1.3\n2\t3\t1\t2\n"
    "id\tpr_gene_symbol\tSIM:a\tSIM:b\tSIM:c\n"
    "cell_id\tna\tSIMA\tSIMB\t-666\n"
    "distil_cc_q75\tna\t0.5\t-666\t0.1\n"
    "5720\tPSME1\t1\t-2.5\tNaN\n"
    "466\tATF1\t\t0.25\t-666\n"
)
GCT_Z = np.array([[1, np.nan], [-2.5, 0.25], [np.nan, np.nan]], dtype=np.float32)


@pytest.fixture(scope="module", params=["contiguous", "(8, 5) chunks", "one chunk", "GCT"])
def stored(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    if request.param == "GCT":
        lines = [f"{gene}\t" + "\t".join(map(repr, Z[:, i].tolist())) for i, gene in enumerate(GENE_IDS)]
        text = "\n".join(["#1.3", f"{COLUMNS}\t{ROWS}\t0\t0", "id\t" + "\t".join(SIGNATURE_IDS), *lines])
        path = folder / "z.gct"
        path.write_text(text)
    else:
        chunks = {"contiguous": None, "(8, 5) chunks": (8, 5), "one chunk": Z.shape}[request.param]
        path = raw_gctx(folder / "z.gctx", chunks=chunks)
    with open_matrix(path) as matrix:
        yield matrix


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.integers(0, ROWS - 1), max_size=90),
    columns=st.lists(st.integers(0, COLUMNS - 1), max_size=20),
    block_rows=st.integers(1, 80),
)
def test_blocks_equal_fancy_indexing(stored, rows, columns, block_rows):
    z = np.full((len(rows), len(columns)), np.inf, dtype=np.float32)
    seen = []
    for positions, block in stored.blocks(
        np.array(rows, dtype=int), np.array(columns, dtype=int), block_rows
    ):
        assert block.dtype == np.float32
        assert block.flags.c_contiguous
        assert np.ptp(np.array(rows)[positions]) < block_rows
        z[positions] = block
        seen.extend(positions.tolist())
    assert sorted(seen) == list(range(len(rows)))
    np.testing.assert_array_equal(z, TRUTH[np.ix_(rows, columns)])


@pytest.mark.parametrize(("rows", "columns"), [([-1], [0]), ([ROWS], [0]), ([0], [-1]), ([0], [COLUMNS])])
def test_blocks_refuse_positions_outside_the_matrix(stored, rows, columns):
    with pytest.raises(IndexError, match="outside 0 to"):
        list(stored.blocks(np.array(rows), np.array(columns)))


def test_blocks_read_no_more_than_they_need(tmp_path):
    with open_matrix(raw_gctx(tmp_path / "z.gctx", chunks=(8, 5))) as matrix:
        ranges = []

        def read(rows, columns):
            ranges.append((rows.start, rows.stop, columns.start, columns.stop))
            return matrix.read(rows, columns)

        spied = type(matrix)(matrix.path, matrix.signatures, matrix.genes, chunk_rows=8, read=read)
        list(spied.blocks(np.array([50, 1, 2]), np.array([7, 4]), block_rows=20))
    assert ranges == [(1, 3, 4, 8), (50, 51, 4, 8)]


text = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)


@settings(deadline=None, max_examples=25)
@given(data=st.data(), n=st.integers(1, 6), m=st.integers(1, 5))
def test_what_is_written_is_read(data, n, m):
    prefixes = data.draw(st.lists(text, min_size=n, max_size=n))
    values = st.one_of(st.just(np.nan), st.floats(-10, 10, width=32))
    z = np.array(data.draw(st.lists(values, min_size=n * m, max_size=n * m)), dtype=np.float32).reshape(n, m)
    signatures = pd.DataFrame(
        {
            "sig_id": [f"x{prefix}{i}" for i, prefix in enumerate(prefixes)],
            "cell_id": pd.Series(
                [None if i % 2 else f"µ{prefix}" for i, prefix in enumerate(prefixes)], dtype="str"
            ),
            "is_gold": np.where(np.arange(n) % 2, np.nan, 1.0),
            "nsample": np.arange(n, dtype=np.int32),
        }
    )
    genes = pd.DataFrame({"gene_id": [f"{i}" for i in range(m)]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "z.gctx"
        write_gctx(path, z, signatures, genes)
        matrix, read = read_all(path)
    np.testing.assert_array_equal(read, z)
    pd.testing.assert_frame_equal(matrix.signatures, signatures, check_like=True)
    pd.testing.assert_frame_equal(matrix.genes, genes)
    assert matrix.signatures.columns[0] == "sig_id"


def test_gctx_is_written_the_same_every_time_and_as_cmap_expects(tmp_path):
    signatures, genes = pd.DataFrame({"sig_id": SIGNATURE_IDS}), pd.DataFrame({"gene_id": GENE_IDS})
    for name in ("a.gctx", "b.gctx"):
        write_gctx(tmp_path / name, Z, signatures, genes)
    assert (tmp_path / "a.gctx").read_bytes() == (tmp_path / "b.gctx").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gctx", "b.gctx"]
    with h5py.File(tmp_path / "a.gctx") as file:
        assert file.attrs["version"] == b"GCTX1.0"
        assert file["0/DATA/0/matrix"].shape == (ROWS, COLUMNS)
        assert file["0/DATA/0/matrix"].compression == "gzip"
        assert file["0/META/COL/id"].dtype.kind == "S"


@pytest.mark.parametrize("z", [Z[:-1], Z[:0]])
def test_gctx_of_the_wrong_shape_is_not_written(tmp_path, z):
    signatures = pd.DataFrame({"sig_id": SIGNATURE_IDS if len(z) else []})
    with pytest.raises(RawDataError, match="expected one or more signatures x genes"):
        write_gctx(tmp_path / "z.gctx", z, signatures, pd.DataFrame({"gene_id": GENE_IDS}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "ids",
    [
        SIGNATURE_IDS,
        np.array([f"{name}   " for name in SIGNATURE_IDS], dtype="S30"),
        np.array(SIGNATURE_IDS, dtype=object),
    ],
    ids=["fixed", "padded", "variable"],
)
def test_gctx_metadata_of_every_kind(tmp_path, ids):
    path = raw_gctx(
        tmp_path / "z.gctx",
        signature_ids=ids,
        gene_ids=np.arange(1000, 1000 + COLUMNS),
        pert_idose=np.array(["10 µM".encode("latin-1"), b"-666 ", b"1 nM"] + [b"x"] * (ROWS - 3)),
        cc_q75=np.array([0.5, -666] + [0.1] * (ROWS - 2), dtype=np.float32),
        count=np.arange(ROWS),
        flag=np.zeros(ROWS, dtype=bool),
        sig_id=np.array(["another id"] * ROWS, dtype="S"),
    )
    matrix, z = read_all(path)
    np.testing.assert_array_equal(z, TRUTH)
    assert matrix.signature_ids == SIGNATURE_IDS
    assert matrix.gene_ids == GENE_IDS
    assert list(matrix.genes.columns) == ["gene_id"]
    assert matrix.signatures["pert_idose"].iloc[0] == "10 µM"
    assert matrix.signatures["pert_idose"].isna().tolist() == [False, True] + [False] * (ROWS - 2)
    assert matrix.signatures["cc_q75"].isna().tolist() == [False, True] + [False] * (ROWS - 2)
    assert matrix.signatures["count"].dtype == np.int64


def _edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def _replace(file, name, values):
    del file[name]
    file[name] = values


def _unfinished(path):
    raw_gctx(path)
    with h5py.File(path, "r+") as file:
        del file["0/DATA/0/matrix"]
        matrix = file.create_dataset("0/DATA/0/matrix", Z.shape, "f4", chunks=(8, COLUMNS))
        matrix[:16] = Z[:16]


def _cut_data(path):
    """Damage the compressed values only: the file opens, and reading fails."""
    raw_gctx(path, chunks=(8, COLUMNS))
    with h5py.File(path) as file:
        chunk = file["0/DATA/0/matrix"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)


def _truncated(fraction):
    def write(path):
        raw_gctx(path, chunks=(8, 5))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * fraction)])

    return write


BAD_GCTX = {
    "missing": (lambda path: path.unlink(missing_ok=True), "no such file; check the name"),
    "empty": (lambda path: path.write_bytes(b""), "is not an HDF5 file"),
    "text": (lambda path: path.write_text("gene,A\n"), "is not an HDF5 file"),
    "cut to its first bytes": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "damaged or cut"),
    "cut in half": (_truncated(0.5), "truncated file.*damaged or cut, download it again"),
    "cut at the end": (_truncated(0.99), "truncated file.*damaged or cut, download it again"),
    "data cut": (_cut_data, "cannot be read .*damaged or cut, download it again"),
    "never finished": (_unfinished, "only 2 of 8 parts of the matrix were written"),
    "other layout": (
        lambda path: h5py.File(path, "w").close(),
        "has no matrix of numbers at /0/DATA/0/matrix",
    ),
    "matrix of text": (
        lambda path: _edit(raw_gctx(path), lambda f: _replace(f, "0/DATA/0/matrix", np.full(Z.shape, b"x"))),
        "has no matrix of numbers",
    ),
    "no ids": (lambda path: _edit(raw_gctx(path), lambda f: f.pop("0/META/COL")), "no ids at /0/META/COL/id"),
    "wrong shape": (
        lambda path: raw_gctx(path, gene_ids=GENE_IDS[:-1]),
        r"the matrix is \(57, 13\), but there are 57 signature ids and 12 gene ids",
    ),
    "short metadata": (
        lambda path: raw_gctx(path, cell_id=np.zeros(3)),
        r"/0/META/COL/cell_id has shape \(3,\)",
    ),
    "signature twice": (
        lambda path: raw_gctx(path, signature_ids=["a", "b", "a", *SIGNATURE_IDS[3:]]),
        "signature id 'a' occurs twice, in signatures 1 and 3; keep one",
    ),
    "gene twice": (
        lambda path: raw_gctx(path, gene_ids=["7", "7", *GENE_IDS[2:]]),
        "gene id '7' occurs twice, in genes 1 and 2; keep one",
    ),
    "no id": (lambda path: raw_gctx(path, gene_ids=["1", " ", *GENE_IDS[2:]]), "gene 2 has no gene id"),
    "no signatures": (lambda path: raw_gctx(path, z=Z[:0], signature_ids=[]), "holds no signatures"),
}


@pytest.mark.parametrize("name", BAD_GCTX)
def test_bad_gctx_is_explained_in_one_line(tmp_path, name):
    write, message = BAD_GCTX[name]
    path = tmp_path / "bad.gctx"
    write(path)
    with pytest.raises(RawDataError, match=message) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["z.gct", "z.gct.gz"])
def test_gct_1_3(tmp_path, name, newline):
    content = GCT.replace("\n", newline).encode()
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    matrix, z = read_all(tmp_path / name)
    np.testing.assert_array_equal(z, GCT_Z)
    assert matrix.signature_ids == ["SIM:a", "SIM:b", "SIM:c"]
    assert matrix.gene_ids == ["5720", "466"]
    assert matrix.genes["pr_gene_symbol"].tolist() == ["PSME1", "ATF1"]
    assert matrix.signatures["cell_id"].fillna("none").tolist() == ["SIMA", "SIMB", "none"]
    assert matrix.signatures["distil_cc_q75"].isna().tolist() == [False, True, False]


def test_gct_1_2(tmp_path):
    path = tmp_path / "z.gct"
    path.write_text("#1.2\n2\t2\nName\tDescription\ta\tb\n5720\tPSME1\t1\t2\n466\tATF1\t3\t4\n")
    matrix, z = read_all(path)
    np.testing.assert_array_equal(z, [[1, 3], [2, 4]])
    assert matrix.genes.to_dict("list") == {"gene_id": ["5720", "466"], "Description": ["PSME1", "ATF1"]}


BAD_GCT = {
    "other version": (GCT.replace("#1.3", "#1.1"), "line 1 is '#1.1', expected '#1.3'"),
    "empty": ("", "line 1 is '', expected '#1.3'"),
    "html": ("<!DOCTYPE html>\n<html>", r"is a web page \(HTML\)"),
    "no counts": (GCT.replace("2\t3\t1\t2", "2\tthree\t1\t2"), "line 2 is '2 three 1 2', expected 4 counts"),
    "counts of any length": (GCT.replace("2\t3\t1\t2", f"2\t{'9' * 5000}\t1\t2"), "expected 4 counts"),
    "two counts": (GCT.replace("2\t3\t1\t2", "2\t3"), "line 2 is '2 3', expected 4 counts"),
    "genes wrong": (
        GCT.replace("2\t3\t1\t2", "3\t3\t1\t2"),
        "promises 3 genes and 2 fields.* 6 more lines.* are 5",
    ),
    "fields wrong": (
        GCT.replace("2\t3\t1\t2", "2\t3\t1\t1"),
        "promises 2 genes and 1 field per.* 4 more lines.* are 5",
    ),
    "signatures wrong": (
        GCT.replace("2\t3\t1\t2", "2\t4\t1\t2"),
        "line 3 has 5 fields, but line 2 promises 6",
    ),
    "cut": (GCT[:-9], "line 7 has 4 fields, but line 2 promises 5"),
    "text cell": (GCT.replace("0.25", "high"), "line 7, column 'SIM:b': 'high' is not a number"),
    "signature twice": (GCT.replace("SIM:c", "SIM:a"), "'SIM:a' occurs twice, in signatures 1 and 3"),
    "gene twice": (GCT.replace("466", "5720"), "gene id '5720' occurs twice, in genes 1 and 2"),
    "no signatures": ("#1.3\n1\t0\t0\t0\nid\n466\n", "holds no signatures"),
}


@pytest.mark.parametrize("name", BAD_GCT)
def test_bad_gct_is_explained_in_one_line(tmp_path, name):
    content, message = BAD_GCT[name]
    path = tmp_path / "bad.gct"
    path.write_text(content)
    with pytest.raises(RawDataError, match=message) as caught:
        read_all(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_other_text_is_refused(tmp_path):
    (tmp_path / "z.txt").write_text("gene,A\nPSME1,1\n")
    with pytest.raises(
        RawDataError, match=r"is text but no matrix; expected GCTX, or GCT, which starts with"
    ):
        open_matrix(tmp_path / "z.txt")


def test_an_error_of_the_caller_is_not_blamed_on_the_file(tmp_path):
    path = raw_gctx(tmp_path / "z.gctx")
    with pytest.raises(OSError, match="disk full"), open_matrix(path):
        raise OSError("disk full")


def test_a_gctx_that_cannot_be_written_leaves_nothing_and_ends_nothing(tmp_path, monkeypatch):
    """HDF5 itself ends the process by a signal where a disk is full or a limit on files is reached."""

    def full(path, _):
        path.touch()
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(Path, "write_bytes", full)
    table = pd.DataFrame({"id": ["a", "b"]})
    with pytest.raises(OSError, match="File too large") as error:
        write_gctx(tmp_path / "z.gctx", np.zeros((2, 2), np.float32), table, table)
    assert error.value.filename == str(tmp_path / "z.gctx")
    assert list(tmp_path.iterdir()) == []
