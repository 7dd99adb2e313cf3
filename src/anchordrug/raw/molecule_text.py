"""Compounds in text, one by one: tables with a separator, SMILES files, SDF."""

import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple

from anchordrug.errors import LibraryError, RawDataError, counted
from anchordrug.files.formulas import unescaped
from anchordrug.files.kinds import GZIP, kind_of_bytes
from anchordrug.raw.compound_columns import (
    SMILES_NAMES,
    ColumnError,
    Identity,
    columns_called,
    empty_ids,
    given_column,
    identity_in,
    ignored_columns,
    is_smiles_name,
    no_ids,
    shown,
    smiles_column,
)
from anchordrug.raw.delimited import cells_of, header_of, holds_cells, separator_of
from anchordrug.raw.records import records_of
from anchordrug.raw.smiles_text import may_be_smiles
from anchordrug.raw.text import one_line

# An id is repeated in every row of the predictions.
MOST_ID_CHARACTERS = 250

LONGEST_LINE = 2**26

MOST_RECORD_CHARACTERS = 2**24

SDF_SUFFIXES = frozenset((".sdf", ".sd", ".mol"))
SMILES_SUFFIXES = frozenset((".smi", ".smiles", ".ism"))
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".tab"))
_COUNTS = re.compile(r"[ \d]{6}.*V[23]000\s*$")

# So many characters of a SMILES are not those of an id by chance.
_TOLD = 4
# Lines from which the kind of a file is found out.
MOST_FIRST_LINES = 1000


class Compound(NamedTuple):
    """A row: its place in the file, id, structure (SMILES or molblock), and why it cannot be read, if so.

    `name` and `further` are the name and the further ids that the file gives it, "" where a cell is empty.
    """

    place: str
    drug_id: str
    structure: str
    problem: str | None = None
    name: str = ""
    further: tuple[str, ...] = ()


# Atoms of a SMILES with a bond, a branch or a ring among them, as no name of a column is.
_LIKE_SMILES = re.compile(r"(?=.*([=#(]|[cn]1))([BCNOPSFIbcnops]|Cl|Br|\[[^\]]+\]|[=#$:/\\.()%0-9-]){5,}")


@dataclass(frozen=True)
class ColumnNames:
    """The columns that the user asked for, if any, and the columns that were found.

    Attributes
    ----------
    path, smiles, key
        The file, and the columns of structures and ids that the user has named, or None.
    notes
        For the screen: that there are no ids, and which columns are ignored.
    further
        Headers of the columns (of SDF properties) that `Compound.further` comes from.
    """

    path: Path
    smiles: str | None
    key: str | None
    notes: list[str] = field(default_factory=list)
    further: list[str] = field(default_factory=list)

    def found_in(self, header: Sequence[str], called: str = "row_N") -> tuple[int, Identity]:
        """Return the columns of the SMILES, and of ids and names; a missing or ignored column becomes a note.

        Raises
        ------
        ColumnError
            There is no column of structures, or none of a name that was given.
        """
        structure = self.structure_in(header)
        key = None if self.key is None else given_column(self.path, self.key, "id_column", header)
        identity = identity_in(header, structure, key)
        if identity.key is None and identity.name is None:
            self.notes.append(no_ids(header, called))
        self.takes(header, identity, structure)
        return structure, identity

    def first_row(self, header: Sequence[str], cells: Sequence[str], identity: Identity) -> None:
        """Take note of a column of ids that has none in the first row."""
        if identity.key is not None and not cells[identity.key]:
            name = "" if identity.name is None else cells[identity.name]
            self.notes.append(empty_ids(header[identity.key], "by name" if name else "row_N"))

    def takes(
        self, header: Sequence[str], identity: Identity, structure: int | None, noun: str = "columns"
    ) -> None:
        """Take note of the further ids, and of ignored columns."""
        self.further.extend(header[column] for column in identity.further)
        note = ignored_columns(header, {structure, *identity[:2], *identity.further}, noun)
        if note is not None:
            self.notes.append(note)

    def structure_in(self, header: Sequence[str]) -> int:
        """Return the column of the SMILES: named by the user, or recognised by its name."""
        if self.smiles is not None:
            return given_column(self.path, self.smiles, "smiles_column", header)
        found = smiles_column(self.path, header)
        if found is None:
            if any(map(_LIKE_SMILES.fullmatch, header)):
                raise LibraryError(
                    f"{self.path}: no SMILES column, and its first line looks like a compound "
                    f"({shown(header)}); add a header, or call the file .smi"
                )
            raise ColumnError(
                f"{self.path}: no SMILES column (expected '{SMILES_NAMES[0]}', found {shown(header)}); "
                "rename it, or give its name",
                "smiles_column",
            )
        return found


def compound_of(
    place: str,
    instead: str,
    structure: str,
    cells: Sequence[str],
    identity: Identity,
    problem: str | None = None,
) -> Compound:
    """Return a row of a table, called by its id, or else by its name, or else `instead`."""
    key, name = ("" if column is None else cells[column] for column in identity[:2])
    further = tuple(cells[column] for column in identity.further)
    return Compound(place, key or name or instead, structure, problem, name, further)


def lines_of(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of `text`, each with its line end, as long as they are not absurd."""
    while line := _line(path, text):
        if len(line) == LONGEST_LINE:
            raise LibraryError(f"{path}: a line of more than {LONGEST_LINE:,} characters; is it a table?")
        yield line


def _line(path: Path, text: io.TextIOWrapper) -> str:
    try:
        return text.readline(LONGEST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise LibraryError(
            f"{path}: cannot be read ({one_line(error)}); the file is damaged or cut, get it again"
        ) from error
    except RawDataError as error:
        raise LibraryError(str(error)) from error


def is_sdf(lines: Iterable[str]) -> bool:
    """Return whether the first lines of a file are those of SDF, whose fourth tells the kind."""
    return any(_COUNTS.match(line) for line in islice(lines, 4))


def rows_of_text(lines: Iterator[str], names: ColumnNames, suffix: str | None) -> Iterator[Compound]:
    """Yield the compounds of a text file; its first lines tell its kind, else its suffix (None: a pipe)."""
    first: list[str] = []
    begun = False
    for line in islice(lines, MOST_FIRST_LINES):
        first.append(line)
        begun = begun or holds_cells(line)
        if begun and len(first) >= 4:
            break
    lines = chain(first, lines)
    if suffix is None:
        _require_text(names.path, first)
    top = header_of(first)
    fields = cells_of(top.text, top.separator) if top else []
    has_smiles = _has_smiles(fields)
    titles = 0 if has_smiles else _titles_of(first)
    if titles:
        title = next(line for line in first if holds_cells(line))
        names.notes.append(f"left out the lines above the header ('{shown([title.strip()])}')")
        # Empty lines in their place keep the numbers of all others.
        lines = chain(["\n"] * titles, islice(lines, titles, None))
        has_smiles = True
    if is_sdf(first) or (suffix in SDF_SUFFIXES and not has_smiles):
        return _rows_of_sdf(lines, names)
    if suffix in SMILES_SUFFIXES and not (has_smiles and (titles or len(fields) > 1)):
        return _rows_of_smiles(lines, names, ids_first=_ids_first(first))
    is_table = suffix in TABLE_SUFFIXES or names.smiles is not None or names.key is not None
    if is_table or has_smiles:
        return _rows_of_table(lines, names)
    return _rows_of_smiles(lines, names, ids_first=_ids_first(first))


def _has_smiles(fields: Sequence[str]) -> bool:
    """Return whether a header has a column of SMILES; words that are parted by spaces are one field."""
    return (len(fields) > 1 and any(map(is_smiles_name, fields))) or bool(
        columns_called(SMILES_NAMES, fields)
    )


def _titles_of(first: Sequence[str]) -> int:
    """Return how many of the first lines are above a header, 0 if none of them is one."""
    for number, line in enumerate(first):
        fields = cells_of(line, separator_of(line)) if holds_cells(line) else []
        # A name of a column may have a line end within quotation marks.
        if line.count('"') % 2:
            return 0
        if len(fields) > 1 and columns_called(SMILES_NAMES, fields):
            return number
    return 0


def _require_text(path: Path, first: Sequence[str]) -> None:
    """Refuse a pipe that is not text; bytes that are not UTF-8 have been read as Latin-1."""
    kind = kind_of_bytes("".join(first).encode("latin-1", errors="ignore")[:4096])
    if kind is not None:
        remedy = "unpack it on the way (zcat)" if kind is GZIP else kind.remedy
        raise LibraryError(f"{path}: is {kind.words}; {remedy}")


def _rows_of_table(lines: Iterator[str], names: ColumnNames) -> Iterator[Compound]:
    top = header_of(lines)
    if top is None:
        raise LibraryError(f"{names.path}: cannot be read as a table (it is empty); save it as CSV")
    separator = top.separator
    records = records_of(chain([(top.line, top.text)], enumerate(lines, start=top.line + 1)), separator)
    line, header, problem = next(records)
    if problem:
        raise LibraryError(f"{names.path}: line {line}: {problem}; close it or remove it")
    structure, identity = names.found_in(header)
    tab = "a tab" if separator == "\t" else repr(separator)
    for number, (line, cells, problem) in enumerate(records, start=1):
        cells = [unescaped(cell) for cell in cells]
        if problem is None and any(cells[len(header) :]):
            has = counted(len(cells), "cell")
            problem = f"{has}, the header has {len(header)}; quote texts that hold {tab}"
        cells += [""] * (len(header) - len(cells))
        if number == 1:
            names.first_row(header, cells, identity)
        yield compound_of(f"line {line}", f"row_{number}", cells[structure], cells, identity, problem)


def _ids_first(first: Iterable[str]) -> bool:
    """Return whether ids are before the SMILES in a file without a header, as all of its first lines tell."""
    pairs = [line.split()[:2] for line in first if holds_cells(line)]
    if not pairs or any(len(pair) < 2 for pair in pairs):
        return False
    if pairs[0][1].lower() in SMILES_NAMES:
        return True
    # A short id, such as CN, may be a SMILES, too.
    is_told = max(len(second) for _, second in pairs) >= _TOLD
    return is_told and all(may_be_smiles(second) and not may_be_smiles(word) for word, second in pairs)


def _rows_of_smiles(lines: Iterable[str], names: ColumnNames, *, ids_first: bool) -> Iterator[Compound]:
    number = 0
    if ids_first:
        names.notes.append("the first lines have ids before SMILES: read in that order")
    begun = False
    for line_number, line in enumerate(lines, start=1):
        words = line.split(maxsplit=1)
        if not words or (not begun and not holds_cells(line)):
            continue
        rest = words[1].strip() if len(words) > 1 else ""
        if ids_first and rest:
            structure, *after = rest.split(maxsplit=1)
            words, rest = [structure], " ".join([words[0], *after])
        header = not begun and words[0].lower() in SMILES_NAMES
        begun = True
        if header:
            continue
        number += 1
        # ChemAxon's extensions are between the SMILES and its id.
        rest = re.sub(r"^\|[^|]*\|\s*", "", rest)
        if number == 1 and not rest:
            names.notes.append("no id after the SMILES: called row_N")
        yield Compound(f"line {line_number}", rest or f"row_{number}", words[0])


def _rows_of_sdf(lines: Iterable[str], names: ColumnNames) -> Iterator[Compound]:
    block: list[str] = []
    number = size = 0
    for line in chain(lines, ["$$$$\n"]):
        if not line.startswith("$$$$"):
            size += len(line)
            # A record without end is read on, not kept.
            if size <= MOST_RECORD_CHARACTERS:
                block.append(line.rstrip("\r\n"))
            continue
        if size > MOST_RECORD_CHARACTERS or any(line.strip() for line in block):
            number += 1
            yield _record(block, number, size, names)
        block, size = [], 0


def _record(block: list[str], number: int, size: int, names: ColumnNames) -> Compound:
    end = next((position for position, line in enumerate(block) if line.startswith("M  END")), None)
    properties: dict[str, str] = {}
    for line, following in pairwise(block[len(block) if end is None else end + 1 :]):
        named = re.match(r">.*<(.+)>", line)
        if named:
            properties.setdefault(named.group(1), following.strip())
    header = list(properties)
    identity = _identity_of(header, names)
    key, name = ("" if column is None else properties[header[column]] for column in identity[:2])
    title = block[0].strip() if block else ""
    if number == 1:
        if identity.key is None and (identity.name is None or names.key is not None):
            called = "by name" if name else "by title" if title else "row_N"
            absent = f"no property '{names.key}' in record 1 (found {shown(header)}): called {called}"
            names.notes.append(no_ids(header, called, "property") if names.key is None else absent)
        names.takes(header, identity, None, "properties")
    drug_id = key or name or title or f"row_{number}"
    if size > MOST_RECORD_CHARACTERS:
        problem = f"a record of {size:,} characters"
    else:
        problem = "no line 'M  END'; the record is cut" if end is None else None
    molecule = "\n".join(block[: 0 if end is None else end + 1])
    further = tuple(properties.get(header, "") for header in names.further)
    return Compound(f"record {number}", drug_id, molecule, problem, name or title, further)


def _identity_of(header: Sequence[str], names: ColumnNames) -> Identity:
    """Return the properties of ids and names of a record, which may lack the property named by the user."""
    if names.key is None:
        return identity_in(header, None)
    found = identity_in(header, None, header.index(names.key) if names.key in header else -1)
    return found._replace(key=None) if found.key == -1 else found
