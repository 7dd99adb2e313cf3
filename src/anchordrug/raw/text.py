"""Text as the world writes it: gzip, byte-order marks, Windows line ends, stray Latin-1 bytes."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from anchordrug.errors import RawDataError
from anchordrug.files.atomic import require_file

if TYPE_CHECKING:
    import pandas as pd

# The release writes micro (0xB5) as one Latin-1 byte in files that are UTF-8 otherwise, so only the bytes
# that are not UTF-8 are read as Latin-1, not the whole file.
LATIN1_BYTES = "anchordrug.latin1"

MISSING_NUMBER = -666
MISSING_TEXT = ("", "-666", "-666.0", "NA", "NaN", "nan")


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(LATIN1_BYTES, _as_latin1)


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, gzip by its suffix, with Unix line ends and without a byte-order mark.

    Damage met while the caller reads is reported as the file's, too.

    Raises
    ------
    RawDataError
        The file is missing, UTF-16, not the gzip its name says, cut or unreadable.
    """
    require_file(path, "check the name and the raw data folder")
    try:
        # Both objects are buffered binary files with peek(); only their stubs disagree.
        with cast(IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as raw:
            buffered = cast(io.BufferedReader, raw)
            if buffered.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise RawDataError(f"{path}: is UTF-16 text; save it as UTF-8")
            yield io.TextIOWrapper(buffered, encoding="utf-8-sig", errors=LATIN1_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise RawDataError(
            f"{path}: cannot be read ({error}); the file is damaged or cut, download it again"
        ) from error


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
