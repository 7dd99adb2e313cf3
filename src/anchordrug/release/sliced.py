"""A slice of a release: the rows of some signatures and cell lines, read from where the large files are."""

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError
from anchordrug.files.lock import locked
from anchordrug.raw.gctx import open_gctx, open_gctx_of, write_gctx
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.text import open_text
from anchordrug.release.csv_rows import row_starts, write_rows
from anchordrug.release.manifest import ManifestFile
from anchordrug.release.pieces import Pieces, pieces_of


class LargeFile(NamedTuple):
    """A file of the manifest as a whole in `folder`, if one is given, else in parts from its server."""

    entry: ManifestFile
    folder: Path | None
    downloads: Path

    @contextmanager
    def pieces(self) -> Iterator[Pieces]:
        """Open it on its server; errors as `pieces_of`."""
        path = self.downloads / self.entry.file
        with pieces_of(self.entry.url, path, self.entry.size) as pieces:
            yield pieces

    def told(self, pieces: Pieces | None) -> str:
        """Return from where it was read, in words."""
        if pieces is None:
            return f"{self.entry.file}: read from {self.folder}; licence: {self.entry.licence}"
        got, total = pieces.remote.traffic, pieces.version.total
        return (
            f"{self.entry.file}: {got.bytes / 1e6:,.1f} of {total / 1e6:,.1f} MB fetched in {got.requests:,} "
            f"requests; licence: {self.entry.licence}"
        )


class MatrixRows(NamedTuple):
    """An open matrix; the pieces that have arrived of it, None if it is here as a whole."""

    matrix: SignatureMatrix
    pieces: Pieces | None

    def placed(self, table: pd.DataFrame, column: str) -> pd.DataFrame:
        """Return the rows of `table` that the matrix has, with `position`: their row or column in it.

        Raises
        ------
        RawDataError
            It has none of them.
        """
        ids = self.matrix.signature_ids if column == "sig_id" else self.matrix.gene_ids
        position = pd.Series(range(len(ids)), index=ids)
        places = table[column].map(position)
        table = table.assign(position=places)[places.notna()]
        if table.empty:
            raise RawDataError(
                f"{self.matrix.path}: has no {column} of the release's table; fetch both again"
            )
        return table.astype({"position": np.int64})


class Models(NamedTuple):
    """The models of DepMap's expression, and the writer of rows of some; its pieces as of `MatrixRows`."""

    names: list[str]
    write: Callable[[Collection[str], Path], None]
    pieces: Pieces | None


@contextmanager
def work_folder(downloads: Path) -> Iterator[Path]:
    """Yield an empty folder for the files of a slice; files that a killed run left there are removed.

    Raises
    ------
    SettingsError
        Another process makes a slice of the same downloads.
    """
    place = downloads / ".slice"
    with locked(place):
        folder = place / "files"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)


def find_whole(entry: ManifestFile, downloads: Path, mirror: Path | None) -> LargeFile:
    """Return where a file is read from: the downloads, a mirror, or its server."""
    folders = [folder for folder in (downloads, mirror) if folder is not None]
    return LargeFile(
        entry, next((folder for folder in folders if (folder / entry.file).is_file()), None), downloads
    )


@contextmanager
def open_rows(file: LargeFile) -> Iterator[MatrixRows]:
    """Open a matrix in GCTX; its names are read, and no row.

    Raises
    ------
    RawDataError
        It is damaged or not GCTX; or as `pieces_of`.
    """
    name = file.entry.file
    if file.folder is not None:
        with open_gctx(file.folder / name) as matrix:
            yield MatrixRows(matrix, None)
        return
    with file.pieces() as pieces, open_gctx_of(Path(name), pieces) as matrix:
        yield MatrixRows(matrix, pieces)


def write_slice(opened: MatrixRows, signatures: pd.DataFrame, genes: pd.DataFrame, folder: Path) -> Path:
    """Write the z-scores of `signatures` and `genes` as the matrix of a bundle in `folder`; return its path.

    Both have `position`, their row and column in the matrix; names are sig_id and gene_id.

    Raises
    ------
    RawDataError
        The matrix is damaged, or its server gives it no longer.
    """
    rows, columns = (np.sort(table["position"].to_numpy()) for table in (signatures, genes))
    if opened.pieces is not None and opened.matrix.places is not None:
        places = opened.matrix.places(rows, slice(int(columns[0]), int(columns[-1]) + 1))
        opened.pieces.fetch(places, f"fetching rows of {opened.matrix.path}")
    z = np.empty((len(rows), len(columns)), np.float32)
    for positions, block in opened.matrix.blocks(rows, columns):
        z[positions] = block
    path = folder / f"level5_beta_trt_cp_n{len(rows)}x{len(columns)}.gctx"
    names = (
        table.sort_values("position")[[name]] for table, name in ((signatures, "sig_id"), (genes, "gene_id"))
    )
    write_gctx(path, z, *names)
    return path


def write_some(source: Path, column: str, wanted: Collection[str], path: Path) -> None:
    """Write those rows of a tab-separated table whose `column` is one of `wanted`, as they are.

    Raises
    ------
    RawDataError
        The table is missing or damaged, or has no such column.
    """
    with open_text(source) as text, path.open("w", encoding="utf-8", newline="") as out:
        header = next(text, "")
        names = [name.strip().strip('"') for name in header.rstrip("\n").split("\t")]
        if column not in names:
            raise RawDataError(f"{source}: no column {column}; fetch it again")
        place = names.index(column)
        out.write(header)
        for line in text:
            fields = line.rstrip("\n").split("\t", place + 1)
            if len(fields) > place and fields[place].strip() in wanted:
                out.write(line)


@contextmanager
def open_models(file: LargeFile) -> Iterator[Models]:
    """Open DepMap's expression: a row per model.

    Raises
    ------
    RawDataError
        The file is damaged or of another layout; or as `pieces_of`.
    """
    name = file.entry.file
    if file.folder is not None:
        source = file.folder / name
        with open_text(source) as text:
            next(text, "")
            models = [line.partition(",")[0] for line in text]
        yield Models(models, lambda wanted, path: _write_models(source, wanted, path), None)
        return
    with file.pieces() as pieces:
        rows = row_starts(pieces, f"looking for the cell lines of {name}")
        yield Models([*rows], lambda wanted, path: write_rows(pieces, rows, wanted, path), pieces)


def _write_models(source: Path, wanted: Collection[str], path: Path) -> None:
    with open_text(source) as text, path.open("w", encoding="utf-8", newline="") as out:
        out.write(next(text, ""))
        out.writelines(line for line in text if line.partition(",")[0] in wanted)
