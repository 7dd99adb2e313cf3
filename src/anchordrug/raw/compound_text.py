"""THE reader of compounds in text: its kind, a title above the header, and the cells of each row."""

import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Literal, NamedTuple

from anchordrug.errors import LibraryError, RawDataError, counted
from anchordrug.files.kinds import GZIP, kind_of_bytes
from anchordrug.raw.compound_columns import SMILES_NAMES, columns_called, is_smiles_name, shown
from anchordrug.raw.delimited import cells_of, header_of, holds_cells, separator_of
from anchordrug.raw.records import records_of
from anchordrug.raw.smiles_text import may_be_smiles
from anchordrug.raw.text import one_line

LONGEST_LINE = 2**26

SDF_SUFFIXES = frozenset((".sdf", ".sd", ".mol"))
SMILES_SUFFIXES = frozenset((".smi", ".smiles", ".ism"))
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".tab"))
_COUNTS = re.compile(r"[ \d]{6}.*V[23]000\s*$")

# So many characters of a SMILES are not those of an id by chance.
_TOLD = 4
# Lines from which the kind of a file is found out.
MOST_FIRST_LINES = 1000
# Of them, those that may be a title and a header.
FIRST_ROWS = 20
# So many tell whether a pipe is text.
FEW_ROWS = 4
# Of these, the lines that tell whether ids are before SMILES.
_PAIRS = 4


class CompoundText(NamedTuple):
    """A text whose kind is known.

    Attributes
    ----------
    lines
        All lines; those of a title are empty, so that the numbers of the others stay.
    notes
        For the screen: the title that is left out, and ids before SMILES.
    ids_first
        Whether the rows of a SMILES file have the id before the SMILES.
    """

    kind: Literal["table", "SMILES", "SDF"]
    lines: Iterator[str]
    notes: list[str]
    ids_first: bool = False


class TextTable(NamedTuple):
    """Header and separator of a table, and its rows: line, cells as written, and fault, if any."""

    header: list[str]
    separator: str
    rows: Iterator[tuple[int, list[str], str | None]]


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in lower case, without that of gzip."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


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


def recognised(
    path: Path, lines: Iterator[str], suffix: str | None, names: Sequence[str], *, is_table: bool
) -> CompoundText:
    """Find out the kind of a text from its first lines, else from its suffix (None: a pipe).

    Parameters
    ----------
    names
        Names of columns that tell a header of compounds from other lines, besides those of SMILES.
    is_table
        Whether the user has named a column, so that the file must be a table.

    Raises
    ------
    LibraryError
        A pipe is not text.
    """
    first: list[str] = []
    begun = False
    for line in islice(lines, MOST_FIRST_LINES):
        first.append(line)
        begun = begun or holds_cells(line)
        if begun and len(first) >= FIRST_ROWS:
            break
    if suffix is None:
        _require_text(path, first[:FEW_ROWS])
    lines, notes = chain(first, lines), []
    top = header_of(first)
    fields = cells_of(top.text, top.separator) if top else []
    # A name of a column may have a line end within quotation marks.
    whole = takewhile(lambda line: line.count('"') % 2 == 0, first)
    titles = titles_above(map(_fields_of, whole), fields, names)
    if titles:
        notes.append(title_note(next(line for line in first if holds_cells(line))))
        lines = chain(["\n"] * titles, islice(lines, titles, None))
    has_header = titles is not None
    if any(map(_COUNTS.match, first[:4])) or (suffix in SDF_SUFFIXES and not has_header):
        return CompoundText("SDF", lines, notes)
    is_list = suffix in SMILES_SUFFIXES and not (has_header and (titles or len(fields) > 1))
    if (has_header or is_table or suffix in TABLE_SUFFIXES) and not is_list:
        return CompoundText("table", lines, notes)
    ids_first = _ids_first(first)
    if ids_first:
        notes.append("the first lines have ids before SMILES: read in that order")
    return CompoundText("SMILES", lines, notes, ids_first)


def _fields_of(line: str) -> list[str]:
    return cells_of(line, separator_of(line)) if holds_cells(line) else []


def titles_above(rows: Iterable[Sequence[str]], top: Sequence[str], names: Sequence[str]) -> int | None:
    """Return how many of the first rows are above the header; None if none of them is a header.

    A column of structures tells a header better than one of `names`, such as 'name', which may be a title.

    Parameters
    ----------
    top
        The first row that has cells, which is the header if no row is above it.
    """
    rows = list(rows)
    for wanted in (SMILES_NAMES, names):
        # Words that are parted by spaces are one field.
        if (len(top) > 1 and any(map(is_smiles_name, top))) or columns_called(wanted, top):
            return 0
        for number, fields in enumerate(rows):
            if len(fields) > 1 and columns_called(wanted, fields):
                return number
    return None


def title_note(title: str) -> str:
    """Return the note on lines above a header, which begin with `title`."""
    return f"left out the lines above the header ('{shown([title.strip()])}')"


def _require_text(path: Path, first: Sequence[str]) -> None:
    """Refuse a pipe that is not text; bytes that are not UTF-8 have been read as Latin-1."""
    kind = kind_of_bytes("".join(first).encode("latin-1", errors="ignore")[:4096])
    if kind is not None:
        remedy = "unpack it on the way (zcat)" if kind is GZIP else kind.remedy
        raise LibraryError(f"{path}: is {kind.words}; {remedy}")


def table_of(path: Path, lines: Iterator[str]) -> TextTable:
    """Return the table in a text; rows without any filled cell are left out.

    Raises
    ------
    LibraryError
        There is no header, or a quotation mark in it is not closed.
    """
    top = header_of(lines)
    if top is None:
        raise LibraryError(f"{path}: cannot be read as a table (it is empty); save it as CSV")
    separator = top.separator
    records = records_of(chain([(top.line, top.text)], enumerate(lines, start=top.line + 1)), separator)
    line, header, problem = next(records)
    if problem:
        raise LibraryError(f"{path}: line {line}: {problem}; close it or remove it")
    return TextTable(header, separator, _rows_of_table(records, len(header), separator))


def _rows_of_table(
    records: Iterable[tuple[int, list[str], str | None]], width: int, separator: str
) -> Iterator[tuple[int, list[str], str | None]]:
    tab = "a tab" if separator == "\t" else repr(separator)
    for line, cells, problem in records:
        if not any(cells):
            continue
        if problem is None and any(cells[width:]):
            has = counted(len(cells), "cell")
            problem = f"{has}, the header has {width}; quote texts that hold {tab}"
        yield line, cells + [""] * (width - len(cells)), problem


def rows_of_smiles(text: CompoundText) -> Iterator[tuple[int, str, str]]:
    """Yield line, SMILES and id ("" where there is none) of the rows of a SMILES file."""
    begun = False
    for line_number, line in enumerate(text.lines, start=1):
        words = line.split(maxsplit=1)
        if not words or (not begun and not holds_cells(line)):
            continue
        rest = words[1].strip() if len(words) > 1 else ""
        if text.ids_first and rest:
            structure, *after = rest.split(maxsplit=1)
            words, rest = [structure], " ".join([words[0], *after])
        header = not begun and words[0].lower() in SMILES_NAMES
        begun = True
        if header:
            continue
        # ChemAxon's extensions are between the SMILES and its id.
        yield line_number, words[0], re.sub(r"^\|[^|]*\|\s*", "", rest)


def _ids_first(first: Iterable[str]) -> bool:
    """Return whether ids are before the SMILES in a file without a header, as all of its first lines tell."""
    pairs = [line.split()[:2] for line in islice(filter(holds_cells, first), _PAIRS)]
    if not pairs or any(len(pair) < 2 for pair in pairs):
        return False
    if pairs[0][1].lower() in SMILES_NAMES:
        return True
    # A short id, such as CN, may be a SMILES, too.
    is_told = max(len(second) for _, second in pairs) >= _TOLD
    return is_told and all(may_be_smiles(second) and not may_be_smiles(word) for word, second in pairs)
