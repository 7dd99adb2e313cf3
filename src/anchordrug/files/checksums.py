"""A file with its SHA-256 in a file next to it, as `sha256sum -c` reads it."""

import hashlib
import re
from pathlib import Path
from typing import Literal

from anchordrug.files.atomic import write_bytes
from anchordrug.files.digests import sha256

Checked = Literal["matches", "differs", "unreadable", "absent"]
# A name with a backslash or a line break is escaped, and the line begins with a backslash. Many tools write
# the sum alone.
_LINE = re.compile(rb"\\?([0-9a-fA-F]{64})(?: [ *][^\n]+)?\s*")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})
_LONGEST = 2**13


def sum_of(path: Path) -> Path:
    """Return the file next to `path` that has its SHA-256."""
    return path.with_name(f"{path.name}.sha256")


def write_with_sum(data: bytes, path: Path) -> None:
    """Write a file whole or not at all, and then its sum.

    The former sum is removed first. A run that is killed in between leaves a file without a sum, and never a
    file with a wrong sum.
    """
    sum_of(path).unlink(missing_ok=True)
    write_bytes(data, path)
    name = path.name.translate(_ESCAPES)
    mark = "\\" if name != path.name else ""
    write_bytes(f"{mark}{hashlib.sha256(data).hexdigest()}  {name}\n".encode(), sum_of(path))


def checked(path: Path) -> Checked:
    """Return whether the file `path` has the SHA-256 that the file next to it says.

    The name in that file does not matter, so both may be renamed, and it may be left out.
    """
    beside = sum_of(path)
    if not beside.is_file():
        return "absent"
    with beside.open("rb") as file:
        line = _LINE.fullmatch(file.read(_LONGEST))
    if line is None:
        return "unreadable"
    return "matches" if line[1].decode().lower() == sha256(path) else "differs"
