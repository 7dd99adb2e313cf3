"""Kinds of files by their first bytes, under names that say something else."""

import bz2
import gzip
import io
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from anchordrug.errors import RawDataError
from anchordrug.files.kinds import (
    DVC,
    GCT,
    GIT_LFS,
    HDF5,
    PARQUET,
    UTF16,
    WORKBOOK,
    ZIP,
    kind_of,
    kind_of_bytes,
    refuse_kinds,
)


def workbook():
    book = io.BytesIO()
    Workbook().save(book)
    return book.getvalue()


def archive(*names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return packed.getvalue()


def hdf5():
    file = io.BytesIO()
    h5py.File(file, "w").close()
    return file.getvalue()


def parquet():
    return pd.DataFrame({"a": [1]}).to_parquet()


def npz():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(2))
    return file.getvalue()


SERIES = b'!Series_title\t"x"\n!series_matrix_table_begin\n'
MARKET = b"%%MatrixMarket matrix coordinate integer general\n%\n2 2 1\n1 1 5\n"
KINDS = {
    "workbook": (workbook(), WORKBOOK),
    "parquet": (parquet(), PARQUET),
    "HDF5": (hdf5(), HDF5),
    "zip": (archive("table.csv"), ZIP),
    "GCT": (b"#1.3\n1\t1\t0\t0\n", GCT),
    "GCT 1.2 of Windows": (b"\xef\xbb\xbf#1.2\r\n1\t1\r\n", GCT),
    "GCT in gzip": (gzip.compress(b"#1.2\n1\t1\n", mtime=0), GCT),
    "UTF-16": ("gene,A\n".encode("utf-16"), UTF16),
    "UTF-16 without mark": ("gene,A01,A02\n".encode("utf-16-le"), UTF16),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", GIT_LFS),
    "DVC": (b"outs:\n- md5: 0\n  hash: md5\n  path: a.csv\n", DVC),
}


@pytest.mark.parametrize(("content", "kind"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a"])
def test_kinds_that_have_a_reader_or_a_remedy_of_their_own(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert kind_of(tmp_path / name) == kind
    assert refuse_kinds(tmp_path / name, [kind]) == kind
    with pytest.raises(RawDataError) as caught:
        refuse_kinds(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: is {kind.words}; {kind.remedy}"


OTHERS = {
    "series matrix": (SERIES, "a GEO series matrix.*!series_matrix_table_begin"),
    "series matrix in gzip": (gzip.compress(SERIES, mtime=0), "a GEO series matrix"),
    "SOFT": (b"^DATABASE = GeoMiame\n", "a GEO SOFT file"),
    "Matrix Market": (MARKET, "a Matrix Market matrix .*genes x samples"),
    "Matrix Market in gzip": (gzip.compress(MARKET, mtime=0), "a Matrix Market matrix"),
    "ORT": (b"\x14\0\0\0ORTM\0\0" + bytes(40), r"a model in the format of onnxruntime \(.ort\)"),
    "RDS": (gzip.compress(b"X\n\0\0\0\3\0\4", mtime=0), "a file of R .*write.csv"),
    "RData": (bz2.compress(b"RDX3\nX\n"), "a bzip2 file; unpack it"),
    "page": (b"\n\n<!DOCTYPE HTML>\n<html>", r"a web page \(HTML\)"),
    "page as XML": (b'<?xml version="1.0"?><html xmlns="x">', r"a web page \(HTML\)"),
    "XML": (b'<?xml version="1.0"?><Workbook>', "XML; save it as CSV"),
    "JSON": (b'[{"a": 1}]', "JSON"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    "docx": (archive("[Content_Types].xml", "word/document.xml"), "a Word document"),
    "ods": (archive("mimetype", "content.xml", "META-INF/manifest.xml"), "an OpenDocument file"),
    "xlsb": (archive("[Content_Types].xml", "xl/workbook.bin"), "a binary Excel workbook"),
    "npz": (npz(), "a file of numpy arrays"),
    "pickle": (pickle.dumps({"a": 1}), "a Python pickle"),
    "workbook in gzip": (gzip.compress(workbook(), mtime=0), "a zip archive packed with gzip; unpack it"),
    "parquet in gzip": (gzip.compress(parquet(), mtime=0), "a parquet table packed with gzip; unpack it"),
    "bytes": (bytes(range(256)) * 9, "a binary file of an unknown kind"),
}


@pytest.mark.parametrize(("content", "words"), OTHERS.values(), ids=OTHERS)
def test_kinds_that_nobody_reads(tmp_path, content, words):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(RawDataError, match=f"a.csv: is {words}") as caught:
        refuse_kinds(tmp_path / "a.csv", [WORKBOOK, PARQUET, HDF5, GCT])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"gene,A01\nSIMG1,1\n",
        b"!Version: 1\ngene\tA\n",
        b"# 1.3\ngene,A\n",
        b"[Na+].[Cl-] salt\n",
        b"outs,path: x\n",
        b"version,url\n1,https://git-lfs.github.com\n",
        "gène,µM\n".encode("latin-1"),
        b"\0" * 300,
    ],
)
def test_text_has_no_kind(tmp_path, content):
    (tmp_path / "a.gct").write_bytes(content)
    assert refuse_kinds(tmp_path / "a.gct") is None
    (tmp_path / "a.gz").write_bytes(gzip.compress(content, mtime=0))
    assert refuse_kinds(tmp_path / "a.gz") is None


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_names_of_any_language_are_text(name):
    assert kind_of_bytes(f"gene,{name}\nA,1\n".encode()) is None


def test_folders(tmp_path):
    with pytest.raises(RawDataError, match="is a folder; give a file in it"):
        refuse_kinds(tmp_path)
    (tmp_path / "matrix.mtx.gz").write_bytes(gzip.compress(MARKET, mtime=0))
    with pytest.raises(RawDataError, match=r"is a folder with a Matrix Market matrix .*10x"):
        refuse_kinds(tmp_path)
