"""Rows of delimited text, one by one; a quotation mark that is not closed costs its own row alone."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence

from anchordrug.raw.delimited import cells_of

# A quotation mark that is never closed would swallow the rest of the file.
MOST_QUOTED_LINES = 100
_MOST_CHARACTERS = 2**24


class _RecordLines(Iterator[str]):
    """Numbered lines for the CSV reader, which takes as many as a row needs, up to a limit.

    Attributes
    ----------
    again
        Lines that are to be read before all others.
    taken
        The lines that the reader has taken for its row.
    cut
        Whether it wanted more lines than it got: a quotation mark is not closed.
    """

    def __init__(self, numbered: Iterator[tuple[int, str]]) -> None:
        self.numbered = numbered
        self.again: deque[tuple[int, str]] = deque()
        self.start()

    def start(self) -> None:
        """Begin a row."""
        self.taken: list[tuple[int, str]] = []
        self.size, self.cut = 0, False

    def __next__(self) -> str:
        full = len(self.taken) == MOST_QUOTED_LINES or self.size > _MOST_CHARACTERS
        line = None if full else self.again.popleft() if self.again else next(self.numbered, None)
        if line is None:
            self.cut = True
            raise StopIteration
        self.taken.append(line)
        self.size += len(line[1])
        return line[1]


def records_of(
    numbered: Iterator[tuple[int, str]], separator: str
) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield the first line and the cells of each row that is not empty, and its fault, if it has one.

    A row takes several lines where quoted text holds line ends. If a quotation mark is not closed, its line
    is a row by itself, and the lines that it would have swallowed are read again.
    """
    lines = _RecordLines(numbered)
    reader = csv.reader(lines, delimiter=separator)
    while True:
        lines.start()
        cells = next(reader, None)
        if cells is None:
            return
        line, text = lines.taken[0]
        problem = None
        if lines.cut or (len(lines.taken) > 1 and not _is_strict(lines.taken, separator)):
            problem = "a quotation mark is not closed"
            lines.again.extendleft(reversed(lines.taken[1:]))
            cells = cells_of(text, separator)
        if cells:
            yield line, [cell.strip() for cell in cells], problem


def _is_strict(taken: Sequence[tuple[int, str]], separator: str) -> bool:
    """Return whether every quotation mark in a row's lines is in its place; else they may be several rows."""
    try:
        list(csv.reader((text for _, text in taken), delimiter=separator, strict=True))
    except csv.Error:
        return False
    return True
