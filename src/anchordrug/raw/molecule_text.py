"""Compounds in text, one by one: tables with a separator, SMILES files, SDF."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

from anchordrug.files.formulas import unescaped
from anchordrug.raw.compound_columns import (
    SMILES_NAMES,
    ColumnError,
    Identity,
    given_column,
    identity_in,
    ignored_columns,
    no_ids,
    require_header,
    shown,
    smiles_column,
)
from anchordrug.raw.compound_ids import IdCounts
from anchordrug.raw.compound_text import CompoundText, recognised, rows_of_smiles, table_of

MOST_RECORD_CHARACTERS = 2**24


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
    ids
        Counts of the ids that were read, for notes in the end.
    """

    path: Path
    smiles: str | None
    key: str | None
    notes: list[str] = field(default_factory=list)
    further: list[str] = field(default_factory=list)
    ids: IdCounts = field(default_factory=IdCounts)

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
        if identity.key is not None:
            self.ids.place = f"column '{header[identity.key]}'"
            self.ids.called = called if identity.name is None else f"by its name, else {called}"
        elif identity.name is None:
            self.notes.append(no_ids(header, called))
        self.takes(header, identity, structure)
        return structure, identity

    def compound(
        self,
        place: str,
        number: int,
        structure: str,
        cells: Sequence[str],
        identity: Identity,
        problem: str | None = None,
    ) -> Compound:
        """Return and count row `number` of a table, called by its id, or else by its name, or else row_N."""
        row = compound_of(place, f"row_{number}", structure, cells, identity, problem)
        key = "" if identity.key is None else cells[identity.key]
        self.ids.add(key, key or row.name)
        return row

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
            require_header(self.path, header)
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


def rows_of_text(lines: Iterator[str], names: ColumnNames, suffix: str | None) -> Iterator[Compound]:
    """Yield the compounds of a text file; its first lines tell its kind, else its suffix (None: a pipe)."""
    is_table = names.smiles is not None or names.key is not None
    text = recognised(names.path, lines, suffix, SMILES_NAMES, is_table=is_table)
    names.notes.extend(text.notes)
    if text.kind == "SDF":
        return _rows_of_sdf(text.lines, names)
    return _rows_of_table(text, names) if text.kind == "table" else _rows_of_smiles(text, names)


def _rows_of_table(text: CompoundText, names: ColumnNames) -> Iterator[Compound]:
    table = table_of(names.path, text.lines)
    structure, identity = names.found_in(table.header)
    for number, (line, written, problem) in enumerate(table.rows, start=1):
        cells = [unescaped(cell) for cell in written]
        yield names.compound(f"line {line}", number, cells[structure], cells, identity, problem)


def _rows_of_smiles(text: CompoundText, names: ColumnNames) -> Iterator[Compound]:
    names.ids.place = "the id after the SMILES"
    for number, (line, structure, drug_id) in enumerate(rows_of_smiles(text), start=1):
        names.ids.add(drug_id, drug_id)
        yield Compound(f"line {line}", drug_id or f"row_{number}", structure)


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
    names.ids.add(key or title, key or name or title)
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
