"""Errors that a user can cause and correct: one line that names file, place, value and remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec

# Of a longer message the middle is left out: it begins with the file, and ends with the remedy.
MOST_BEGINNING, MOST_END = 280, 160


class AnchorDrugError(Exception):
    """A mistake in the input or the settings. The CLI prints it in one line and exits 2."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message_line(message))


class SettingsError(AnchorDrugError):
    """A wrong key or value in params.yaml, or one that does not fit the data."""


class RawDataError(AnchorDrugError):
    """A raw file that is missing, damaged or not in the format its name promises."""


class TableError(AnchorDrugError):
    """A table between stages that breaks its schema or refers to a row that does not exist."""


class AssayError(AnchorDrugError):
    """Assay results that cannot be used."""


class LibraryError(AnchorDrugError):
    """A compound library or an ONNX model that cannot be used for prediction."""


class OutputError(AnchorDrugError):
    """A file or folder that a command cannot write, or must not overwrite."""


class StrategyError(AnchorDrugError):
    """A strategy that returned anything but a batch of distinct drugs of the pool."""


class WorkerError(AnchorDrugError):
    """A process of our own that cannot be started."""


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """Return the closest of `known`, whatever the case; None where nothing is close."""
    by_folded = {name.casefold(): name for name in reversed(list(known))}
    matches = get_close_matches(wrong.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def near(wrong: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest of `known`, or an empty string."""
    meant = nearest(wrong, known)
    return "" if meant is None else f"; did you mean '{meant}'?"


def message_line(text: str) -> str:
    """Return a message in one line that a terminal only shows; the middle of a long text is left out."""
    if len(text) > MOST_BEGINNING + MOST_END:
        text = f"{text[:MOST_BEGINNING]} ... {text[-MOST_END:]}"
    # A name or a cell of a file may hold control characters of a terminal.
    return "".join(c if c.isprintable() else " " for c in text)


def shortlist(values: Iterable[object], most: int = 5) -> str:
    """Return the first few of `values` for an error message, with the number of those left out."""
    values = [str(value) for value in values]
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def counted(count: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun: 1 row, 1,000 rows; `nouns` is a plural that is not `noun` and s."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def printable(text: str, most: int) -> str:
    """Return `text` in one line that a terminal only shows, shortened to `most` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * most]).split())
    return line if len(line) <= most and len(text) <= 2 * most else f"{line[:most]}..."


def require_packages(names: Iterable[str], needed_by: str, extra: str) -> None:
    """Check that packages are installed, without importing them.

    Raises
    ------
    AnchorDrugError
        One is missing; the message begins with `needed_by` and tells which `extra` of anchordrug brings it.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise AnchorDrugError(
            f"{needed_by} needs {missing[0]}, which is not installed; run: pip install 'anchordrug[{extra}]'"
        )
