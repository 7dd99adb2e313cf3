"""Lines of text with separators: lines before the header, the separator, and the cells of a line."""

import csv
import re
from collections.abc import Iterable
from typing import NamedTuple

# Cells of any size, as pandas reads them; a C long, and one for the whole process.
csv.field_size_limit(2**31 - 1)

SEPARATORS = "\t;,"  # of equals the first; a comma may be part of a name, a tab never is
_STATED = re.compile(r'"?sep=(.|\\t)"?[\s,;]*', re.IGNORECASE)


class Header(NamedTuple):
    """The header of a table: its line (from 1), its text, and the separator of the table."""

    line: int
    text: str
    separator: str


def holds_cells(line: str) -> bool:
    """Return whether a line is neither empty nor a comment (#, !) nor 'sep=;', as may precede a header."""
    return (
        bool(line.strip(" \t\r\n,;"))
        and not line.lstrip('" ').startswith(("#", "!"))
        and stated_separator(line) is None
    )


def stated_separator(line: str) -> str | None:
    """Return the separator that a line such as 'sep=;' states, as spreadsheets write it, else None."""
    stated = _STATED.fullmatch(line.rstrip("\r\n"))
    return None if stated is None else stated[1].replace("\\t", "\t")


def header_of(lines: Iterable[str]) -> Header | None:
    """Return the first line that holds cells, None if there is none; lines after it are not read.

    A separator that an earlier line states counts if the header has it.
    """
    stated = None
    for number, line in enumerate(lines, start=1):
        if holds_cells(line):
            return Header(number, line, separator_of(line, stated))
        stated = stated_separator(line) or stated
    return None


def separator_of(header: str, stated: str | None = None) -> str:
    """Return the stated separator, or else the separator that cuts a header into the most cells."""
    if stated is not None and stated in header:
        return stated
    return max(SEPARATORS, key=lambda separator: len(cells_of(header, separator)))


def cells_of(line: str, separator: str) -> list[str]:
    """Return the stripped cells of one line."""
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])]
