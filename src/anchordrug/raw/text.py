"""Text as the world writes it: gzip, byte-order marks, Windows line ends, stray Latin-1 bytes."""

import codecs
import io
import math
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from anchordrug.errors import RawDataError, counted, printable
from anchordrug.files.atomic import require_file
from anchordrug.files.kinds import Kind, is_gzip, kind_of, refuse_kinds
from anchordrug.raw.unpacked import unpacking

if TYPE_CHECKING:
    import pandas as pd

# The release writes micro (0xB5) as one Latin-1 byte in files that are UTF-8 otherwise. So only the bytes
# that are not UTF-8 are read as Latin-1, not the whole file.
LATIN1_BYTES = "anchordrug.latin1"

LONGEST_REASON = 200  # characters of a library's own words

MISSING_NUMBER = -666
MISSING_TEXT = ("", "-666", "-666.0", "NA", "NaN", "nan")


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(LATIN1_BYTES, _as_latin1)


@contextmanager
def open_text(path: Path, kinds: Collection[Kind] = ()) -> Iterator[io.TextIOWrapper]:
    """Open a text file, also packed with gzip, with Unix line ends and without a byte-order mark.

    Its first bytes tell its kind, not its name. Damage met while the caller reads is reported as the
    file's, too.

    Parameters
    ----------
    kinds
        Kinds of text that the caller reads, besides text without a kind of its own.

    Raises
    ------
    RawDataError
        The file is missing, of another kind, cut or unreadable, or unpacks to an absurd size.
    """
    require_readable(path, kinds, "check the name and the raw data folder")
    with open_bytes(path) as (inside, _):
        yield io.TextIOWrapper(inside, encoding="utf-8-sig", errors=LATIN1_BYTES)


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[io.BufferedReader, io.BufferedReader]]:
    """Open a file, also one packed with gzip; yield the bytes inside, and the file on disk.

    Raises
    ------
    RawDataError
        Its gzip is damaged or unpacks to an absurd size; also while the caller reads.
    """
    try:
        with path.open("rb") as file:
            if not is_gzip(path):
                yield file, file
                return
            with unpacking(path, file) as inside:
                yield inside, file
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def text_lines(path: Path, longest: int = 2**22) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers, from 1.

    Parameters
    ----------
    longest
        Characters of a line; a packed file of a few bytes can hold a line that fills the memory.

    Raises
    ------
    RawDataError
        As `open_text`, or a line is longer, or has a NUL byte, which no text has.
    """
    with open_text(path) as text:
        for number in count(1):
            line = text.readline(longest + 1)
            if not line:
                return
            if len(line) > longest:
                raise RawDataError(
                    f"{path}: line {number} has more than {longest} characters; the file is damaged or of "
                    "another format, download it again"
                )
            if "\0" in line:
                raise RawDataError(
                    f"{path}: line {number} has a NUL byte (U+0000); the file is damaged, download it again"
                )
            yield number, line


def require_readable(path: Path, kinds: Collection[Kind] = (), remedy: str = "check the name") -> Kind | None:
    """Return the kind of a file if it is text (None) or one of `kinds`; `remedy` is for a missing file.

    Raises
    ------
    RawDataError
        The file is missing, of another kind, or cannot be read.
    """
    if not path.is_dir():
        require_file(path, remedy)
    try:
        return refuse_kinds(path, kinds)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def kind_of_file(path: Path) -> Kind | None:
    """Return the kind of a file or folder, None for text.

    Raises
    ------
    RawDataError
        It cannot be read.
    """
    try:
        return kind_of(path)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RawDataError:
    return RawDataError(
        f"{path}: cannot be read ({one_line(error)}); the file is damaged or cut, download it again"
    )


def one_line(error: Exception) -> str:
    """Return the reason that a library gives, as one short line that can be printed."""
    text = " ".join(str(error).split())
    if wrong := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text):
        return f"line {wrong[2]} has {counted(int(wrong[3]), 'cell')}, expected {wrong[1]}"
    if "EOF inside string" in text:
        return "a quotation mark is not closed"
    return printable(text, LONGEST_REASON)


def clean_text(column: "pd.Series") -> "pd.Series":
    """Return `column` as ``str``: stripped, enclosing quotes removed, CMap's missing values as NaN."""
    import pandas as pd

    # A million signatures have a few hundred doses.
    codes, distinct = pd.factorize(column.astype("str"))
    text = pd.Series(distinct, dtype="str").str.strip()
    quoted = (text.str.len() >= 2) & text.str.startswith('"') & text.str.endswith('"')
    if quoted.any():
        text = text.mask(quoted, text.str.slice(1, -1).str.strip())
    text = text.mask(text.isin(MISSING_TEXT))
    return pd.Series(text.array.take(codes, allow_fill=True), column.index)


def is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
