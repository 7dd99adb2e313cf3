"""The portions of a parquet library: each is predicted and written by itself, so a broken run resumes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from anchordrug.errors import LibraryError
from anchordrug.files.atomic import PARTIAL
from anchordrug.files.digests import digest_of
from anchordrug.files.json_text import parsed
from anchordrug.raw.text import one_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DRUGS_A_PORTION = 16_384
# Readers of parquet folders pass over names that begin like these.
MARK = "_unfinished.json"


class Portion(NamedTuple):
    """Rows of a row group of a file."""

    path: str
    group: int
    first: int
    rows: int


@dataclass(frozen=True)
class Library:
    """A parquet file or folder that is read in portions.

    Attributes
    ----------
    filesystem, files
        Where it is, and its files in the order of their names.
    headers
        The columns of each file.
    portions
        The portions in the order of the library.
    """

    filesystem: "AbstractFileSystem"
    files: tuple[str, ...]
    headers: tuple[list[str], ...]
    portions: tuple[Portion, ...]

    def require(self, columns: Sequence[str]) -> None:
        """Check that every file has the columns.

        Raises
        ------
        LibraryError
            One lacks a column.
        """
        for path, header in zip(self.files, self.headers, strict=True):
            missing = [name for name in columns if name not in header]
            if missing:
                raise LibraryError(f"{path}: has no column '{missing[0]}', which {self.files[0]} has; add it")

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return the columns of a portion.

        Raises
        ------
        LibraryError
            It cannot be read.
        """
        portion = self.portions[number]
        with _read_as_parquet(portion.path), self.filesystem.open(portion.path, "rb") as file:
            group = pq.ParquetFile(file).read_row_group(portion.group, columns=list(columns))
        return group.slice(portion.first, portion.rows)

    def digest(self) -> str:
        """Return a hash by which another library under the same name is recognised."""
        sizes = [self.filesystem.info(path)["size"] for path in self.files]
        return digest_of(self.files, sizes, self.portions)


def library_at(filesystem: "AbstractFileSystem", path: str, called: str) -> Library:
    """Look at a parquet file or at those of a folder.

    Raises
    ------
    LibraryError
        There is none, or one of them cannot be read.
    """
    if not filesystem.exists(path):
        raise LibraryError(f"{called}: no such file or folder; name parquet files with a SMILES column")
    with _read_as_parquet(called):
        files = sorted(dataset.dataset(path, filesystem=filesystem, format="parquet").files)
    headers: list[list[str]] = []
    portions: list[Portion] = []
    for name in files:
        with _read_as_parquet(name), filesystem.open(name, "rb") as file:
            metadata = pq.ParquetFile(file).metadata
        headers.append(metadata.schema.to_arrow_schema().names)
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            portions += [
                Portion(name, group, first, min(DRUGS_A_PORTION, rows - first))
                for first in range(0, rows, DRUGS_A_PORTION)
            ]
    if not portions:
        raise LibraryError(f"{called}: has no rows; name parquet files with a SMILES column")
    return Library(filesystem, tuple(files), tuple(headers), tuple(portions))


@contextmanager
def _read_as_parquet(called: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:
        raise LibraryError(f"{called}: cannot be read as parquet ({one_line(error)})") from error


@dataclass(frozen=True)
class Output:
    """A folder with a file per portion; while portions are missing, a mark names the prediction.

    Attributes
    ----------
    filesystem, folder
        Where it is.
    called
        Its name for the user.
    """

    filesystem: "AbstractFileSystem"
    folder: str
    called: str

    def begun(self, key: str) -> set[int]:
        """Begin, or resume a run with the same `key` was broken off; return the portions that are done.

        Raises
        ------
        LibraryError
            The folder holds something else, or cannot be written to.
        """
        with self._written():
            self.filesystem.makedirs(self.folder, exist_ok=True)
            names = {PurePosixPath(path).name for path in self.filesystem.ls(self.folder, detail=False)}
            if names and MARK not in names:
                raise LibraryError(f"{self.called}: is not empty; give another folder")
            if names and self._key() != key:
                raise LibraryError(
                    f"{self.called}: was begun with another library, model or option; remove it, or give "
                    "another folder"
                )
            for name in names:
                if name.startswith(PARTIAL):
                    self.filesystem.rm(self._at(name))
            if not names:
                self.filesystem.pipe(self._at(MARK), json.dumps({"key": key}).encode())
        return {int(name[5:-8]) for name in names if name.startswith("part-")}

    def write(self, number: int, parts: Iterator[pa.Table]) -> None:
        """Write the predictions of a portion, whole or not at all.

        Raises
        ------
        LibraryError
            The folder cannot be written to.
        """
        partial = self._at(f"{PARTIAL}{number:06}-{uuid4().hex}")
        first = next(parts)
        with (
            self._written(),
            self.filesystem.open(partial, "wb") as file,
            pq.ParquetWriter(file, first.schema) as writer,
        ):
            writer.write_table(first)
            for part in parts:
                writer.write_table(part)
        with self._written():
            self.filesystem.mv(partial, self._at(f"part-{number:06}.parquet"))

    def finish(self) -> None:
        """Take away the mark.

        Raises
        ------
        LibraryError
            The folder cannot be written to.
        """
        with self._written():
            self.filesystem.rm(self._at(MARK))

    def _key(self) -> Any:
        try:
            return parsed(self.filesystem.cat_file(self._at(MARK)))["key"]
        except (ValueError, TypeError, KeyError):
            # Nothing was done before the mark was whole.
            return None

    def _at(self, name: str) -> str:
        return f"{self.folder.rstrip('/')}/{name}"

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LibraryError(
                f"{self.called}: cannot be written to ({one_line(error)}); free some space, have its "
                "permissions changed, or give another folder"
            ) from error
