"""Lines of text with separators: which separator it is, the cells of a line, and lines without any."""

import csv

SEPARATORS = "\t;,"  # of equals the first; a comma may be part of a name, a tab never is


def holds_cells(line: str) -> bool:
    """Return whether a line is neither empty nor a comment, as may precede a table's header."""
    return bool(line.strip(" \t\r\n,;")) and not line.lstrip('" ').startswith("#")


def separator_of(header: str) -> str:
    """Return the separator that cuts a header line into the most cells."""
    return max(SEPARATORS, key=lambda separator: len(cells_of(header, separator)))


def cells_of(line: str, separator: str) -> list[str]:
    """Return the stripped cells of one line."""
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])]
