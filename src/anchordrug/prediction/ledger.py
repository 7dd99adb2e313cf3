"""The progress of a long prediction, in a folder on disk: it resumes if it is killed, in flat memory.

Rows are taken in blocks. The predictions of a block are one Arrow file; which structures and ids have been
seen, rejects and duplicates are a SQLite database. A block counts once its transaction is committed.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from anchordrug.chem.workers import Fingerprinted
from anchordrug.errors import LibraryError, SettingsError
from anchordrug.files.atomic import PARTIAL, atomic_path
from anchordrug.files.json_text import parsed
from anchordrug.files.lock import hold
from anchordrug.raw.molecule_text import Compound

SHOWN_CHARACTERS = 200
DATABASE = "ledger.sqlite"
# Files of each folder that this process has open, so that those an error left open do not lock it out.
_OPEN: dict[Path, ExitStack] = {}
_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE structures (inchikey TEXT PRIMARY KEY, place TEXT, drug_id TEXT) WITHOUT ROWID;
CREATE TABLE ids (drug_id TEXT PRIMARY KEY, place TEXT, inchikey TEXT) WITHOUT ROWID;
CREATE TABLE rejects (place TEXT, drug_id TEXT, structure TEXT, reason TEXT, names TEXT);
CREATE TABLE duplicates (place TEXT, drug_id TEXT, same_as TEXT, same_place TEXT, names TEXT);
"""


class Ledger:
    """The state of one prediction in `folder`; the remains of another (another `key`) are removed.

    Raises
    ------
    LibraryError
        The folder holds something else, or another process works in it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        _require_own(folder)
        _held(folder)
        try:
            self.database = _connected(folder)
        except sqlite3.DatabaseError:
            (folder / DATABASE).unlink()
            self.database = _connected(folder)
        self.digest = hashlib.sha256()
        self.identity: list[str] = []
        if not self._holds(key):
            self.start_over(key)

    def _holds(self, key: str) -> bool:
        """Return whether the state was begun with `key` and is whole; a power cut may have damaged it."""
        try:
            if self._about("key") != key:
                return False
            for number in range(self.blocks):
                with pa.memory_map(str(self._path_of(number))) as file:
                    ipc.open_file(file)
            return self.database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        except (sqlite3.Error, TypeError, pa.ArrowInvalid, OSError):
            return False

    def _path_of(self, block: int) -> Path:
        return self.folder / f"{block:06}.arrow"

    def start_over(self, key: str) -> None:
        """Forget everything."""
        self.database.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.database = _connected(self.folder)
        with self.database:
            self.database.executescript("BEGIN;" + _TABLES)
            self.database.executemany(
                "INSERT INTO about VALUES (?, ?)", [("key", key), ("blocks", "0"), ("digest", "")]
            )
        self.digest = hashlib.sha256()

    def leave(self) -> None:
        """Keep the finished part for the next time; remove the folder if that is nothing."""
        if self.blocks:
            _let_go(self.folder)
        else:
            self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        self.database.close()
        shutil.rmtree(self.folder)
        _let_go(self.folder)

    @property
    def blocks(self) -> int:
        """Number of blocks that are done."""
        return int(self._about("blocks"))

    def _about(self, key: str) -> str:
        return self.database.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()[0]

    def begin(self, identity: list[str]) -> None:
        """Record the names of the columns that identify drugs, before any row is read."""
        self.identity = identity
        self.digest.update(repr(identity).encode("utf-8", "backslashreplace"))

    def has_read(self, block: Iterable[Compound]) -> None:
        """Take note of the rows of a block, so that another input under the same name is recognised."""
        for row in block:
            self.digest.update(repr(tuple(row)).encode("utf-8", "backslashreplace"))

    def is_same_input(self) -> bool:
        """Say whether the rows read so far are those that the blocks done were made of."""
        return self._about("digest") == self.digest.hexdigest()

    def sort(
        self, block: Sequence[Compound], results: Sequence[Fingerprinted | str]
    ) -> list[tuple[Compound, Fingerprinted]]:
        """Return the drugs of `block` to predict; note the other rows as rejects or duplicates.

        Parameters
        ----------
        results
            For each row, its fingerprint or the reason why there is none.
        """
        chosen = []
        for row, result in zip(block, results, strict=True):
            if row.problem is not None or isinstance(result, str):
                self._reject(row, row.problem or str(result))
                continue
            key = result.inchikey
            _, place, owner = self._first("ids", "drug_id", (row.drug_id, row.place, key))
            if owner != key:
                self._reject(
                    row, f"drug_id {row.drug_id!r} stands for another structure in {place}; rename it"
                )
                continue
            _, place, same_as = self._first("structures", "inchikey", (key, row.place, row.drug_id))
            if place == row.place:
                chosen.append((row, result))
            else:
                values = (row.place, row.drug_id, same_as, place, _names(row))
                self.database.execute("INSERT INTO duplicates VALUES (?, ?, ?, ?, ?)", values)
        return chosen

    def _first(self, table: str, column: str, values: tuple[str, str, str]) -> tuple[str, str, str]:
        """Insert a row unless its key is there; return the row that is."""
        self.database.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", values)
        return self.database.execute(f"SELECT * FROM {table} WHERE {column} = ?", values[:1]).fetchone()

    def _reject(self, row: Compound, reason: str) -> None:
        more = "..." if len(row.structure) > SHOWN_CHARACTERS else ""
        shown = row.structure[:SHOWN_CHARACTERS] + more
        self.database.execute(
            "INSERT INTO rejects VALUES (?, ?, ?, ?, ?)", (row.place, row.drug_id, shown, reason, _names(row))
        )

    def add(self, table: pa.Table) -> None:
        """Write the predictions of a block and count it as done."""
        number = self.blocks
        with atomic_path(self._path_of(number)) as temporary:
            file = ipc.new_file(str(temporary), table.schema, options=_OPTIONS)
            file.write_table(table)
            file.close()
        self.database.execute("UPDATE about SET value = ? WHERE key = 'blocks'", (str(number + 1),))
        self.database.execute("UPDATE about SET value = ? WHERE key = 'digest'", (self.digest.hexdigest(),))
        self.database.commit()

    def tables(self) -> Iterator[pa.Table]:
        """Yield the predictions of the blocks in order."""
        for number in range(self.blocks):
            with pa.memory_map(str(self._path_of(number))) as file:
                yield ipc.open_file(file).read_all()

    def schema(self) -> pa.Schema:
        """Return the columns of the predictions; a block is done at least."""
        return next(self.tables()).schema

    def count(self, table: str) -> int:
        """Return the number of `structures` (drugs predicted), `rejects` or `duplicates`."""
        return self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def rows(self, table: str) -> Iterator[tuple[str, ...]]:
        """Yield the `rejects` or `duplicates` in the order of the input, with names and further ids."""
        for *cells, names in self.database.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            yield (*cells, *parsed(names))


def _names(row: Compound) -> str:
    return json.dumps([row.name, *row.further])


_OPTIONS = ipc.IpcWriteOptions(compression="lz4")


def _require_own(folder: Path) -> None:
    """Check that there is nothing in `folder` but files that a ledger leaves there, however it was ended."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        names = []
    own = re.compile(rf"{re.escape(DATABASE)}.*|\d+\.arrow|{re.escape(PARTIAL)}.*")
    if (
        folder.is_symlink()
        or (folder.exists() and not folder.is_dir())
        or not all(own.fullmatch(name) for name in names)
    ):
        raise LibraryError(
            f"{folder}: this name is needed for the unfinished part of the prediction, but something else "
            "has it; rename that, or give another --out"
        )


def _held(folder: Path) -> None:
    """Keep other processes out of a folder until `_let_go`, or until this one ends."""
    _let_go(folder)
    try:
        descriptor = hold(folder)
    except SettingsError as error:
        raise LibraryError(str(error)) from error
    _OPEN[folder.absolute()] = ExitStack()
    _OPEN[folder.absolute()].callback(os.close, descriptor)


def _let_go(folder: Path) -> None:
    """Close the files of a folder that this process has open."""
    if (left_open := _OPEN.pop(folder.absolute(), None)) is not None:
        left_open.close()


def _connected(folder: Path) -> sqlite3.Connection:
    """Open the database of a folder that is held."""
    database = sqlite3.connect(folder / DATABASE)
    _OPEN[folder.absolute()].callback(database.close)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    # A killed process loses nothing that it has written; only a power cut might, and that costs a new start.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -65536")
    return database
