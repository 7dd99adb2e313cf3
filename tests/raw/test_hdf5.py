"""What an HDF5 file shows must lie inside it."""

import ast
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.gctx import is_gctx, open_gctx, write_gctx
from anchordrug.raw.hdf5 import open_hdf5
from tests.conftest import ROOT

SECRET = b"alice:secret1\nbob:secret22\n\n\n\n\n\n"
IDS = "0/META/COL/id"
MATRIX = "0/DATA/0/matrix"


def gctx(path: Path) -> Path:
    z = np.zeros((2, 3), dtype=np.float32)
    write_gctx(path, z, pd.DataFrame({"sig_id": ["a", "b"]}), pd.DataFrame({"gene_id": ["1", "2", "3"]}))
    return path


def external_ids(file: h5py.File, secret: Path) -> None:
    del file[IDS]
    file.create_dataset(IDS, (2,), "S16", external=[(str(secret), 0, 32)])


def external_matrix(file: h5py.File, secret: Path) -> None:
    del file[MATRIX]
    file.create_dataset(MATRIX, (2, 3), np.int8, external=[(str(secret), 0, 6)])


def external_link(file: h5py.File, secret: Path) -> None:
    other = gctx(secret.with_name("other.gctx"))
    del file[IDS]
    file[IDS] = h5py.ExternalLink(str(other), IDS)


def external_group(file: h5py.File, secret: Path) -> None:
    other = gctx(secret.with_name("other.gctx"))
    del file["0/META"]
    file["0/META"] = h5py.ExternalLink(str(other), "0/META")


def soft_link_to_an_external_one(file: h5py.File, secret: Path) -> None:
    other = gctx(secret.with_name("other.gctx"))
    file["away"] = h5py.ExternalLink(str(other), "0")
    del file[IDS]
    file[IDS] = h5py.SoftLink("/away/META/COL/id")


def virtual(file: h5py.File, secret: Path) -> None:
    other = gctx(secret.with_name("other.gctx"))
    del file[MATRIX]
    layout = h5py.VirtualLayout((2, 3), np.float32)
    layout[:] = h5py.VirtualSource(str(other), MATRIX, (2, 3))
    file.create_virtual_dataset(MATRIX, layout)


def elsewhere(file: h5py.File, secret: Path) -> None:
    file.create_dataset("extra/x", (2,), "S16", external=[(str(secret), 0, 32)])
    file["0/META/COL/cell_id"] = h5py.SoftLink("/extra/x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (external_ids, "/0/META/COL/id is a dataset in external storage"),
        (external_matrix, "/0/DATA/0/matrix is a dataset in external storage"),
        (external_link, "/0/META/COL/id is an external link"),
        (external_group, "/0/META is an external link"),
        (soft_link_to_an_external_one, "/away is an external link"),
        (virtual, "/0/DATA/0/matrix is a virtual dataset"),
        (elsewhere, "/extra/x is a dataset in external storage"),
    ],
)
def test_a_file_that_shows_another_is_refused_unread(tmp_path, change, told):
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    path = gctx(tmp_path / "m.gctx")
    with h5py.File(path, "r+") as file:
        change(file, secret)
    with (
        pytest.raises(RawDataError, match=f"m.gctx: {told}, which shows another file") as error,
        open_gctx(path),
    ):
        pass
    assert "alice" not in str(error.value)
    assert is_gctx(path)


def test_links_inside_the_file_and_in_circles_are_fine(tmp_path):
    path = gctx(tmp_path / "m.gctx")
    with h5py.File(path, "r+") as file:
        file["0/META/COL/copy"] = h5py.SoftLink("/0/META/COL/id")
        file["0/META/again"] = file["0"]
        file["nowhere"] = h5py.SoftLink("/not/there")
    with open_gctx(path) as matrix:
        assert matrix.signatures["copy"].tolist() == ["a", "b"]


def test_names_that_unpack_to_far_more_than_the_file_are_refused(tmp_path):
    path = gctx(tmp_path / "m.gctx")
    with h5py.File(path, "r+") as file:
        del file[IDS]
        file.create_dataset(IDS, (200_000_000,), "S64", chunks=(1000,), compression="gzip")
    with pytest.raises(RawDataError, match=r"m.gctx: unpacks to more than 200 times"), open_gctx(path):
        pass


def test_a_matrix_in_one_huge_piece_is_refused(tmp_path):
    path = gctx(tmp_path / "m.gctx")
    with h5py.File(path, "r+") as file:
        del file[MATRIX]
        matrix = file.create_dataset(
            MATRIX, (2, 3), np.float32, chunks=(10**8, 3), maxshape=(None, 3), compression="gzip"
        )
        matrix.id.write_direct_chunk((0, 0), b"x")
    with (
        pytest.raises(RawDataError, match=r"m.gctx: the matrix is stored in chunks over"),
        open_gctx(path),
    ):
        pass


def test_code_opens_hdf5_for_reading_in_one_place():
    found = {
        path.name
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "h5py.File"
        and ast.literal_eval(node.args[1]) != "w"
    }
    assert found == {"hdf5.py"}


def test_endless_groups_are_refused(tmp_path):
    with h5py.File(tmp_path / "z.gctx", "w") as file:
        group = file
        for _ in range(150):
            group = group.create_group("g")
    told = r"z\.gctx: has groups nested deeper than 100 levels"
    with pytest.raises(RawDataError, match=told), open_hdf5(tmp_path / "z.gctx"):
        pass
