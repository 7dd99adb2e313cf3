"""How far a packed file may unfold: the same rule for gzip, workbooks and compressed datasets."""

import gzip
import io
from pathlib import Path
from typing import IO, Any, cast

from anchordrug.errors import RawDataError

# A file that unpacks to more than this, and to so many times its size, is not a table.
UNPACKED_BYTES, UNPACKED_TIMES = 100 * 2**20, 200
# XML takes up to 30 times its own size when it is read. Sheets unpack to 8 to 20 times theirs.
XML_BYTES, XML_TIMES = 2**25, 50


def require_sane_size(path: Path, unpacked: int, packed: int) -> None:
    """Check the unpacked size of text in `path` against its packed size, both in bytes.

    Raises
    ------
    RawDataError
        It unpacks to far more.
    """
    if unpacked > max(UNPACKED_BYTES, UNPACKED_TIMES * packed):
        raise _bomb(path, UNPACKED_TIMES, "unpack it if you trust it")


def require_sane_xml(path: Path, unpacked: int, packed: int) -> None:
    """Do the same for XML in a workbook."""
    if unpacked > max(XML_BYTES, XML_TIMES * packed):
        raise _bomb(path, XML_TIMES, "save its table as CSV if you trust it")


def _bomb(path: Path, times: int, remedy: str) -> RawDataError:
    return RawDataError(f"{path}: unpacks to more than {times} times its size; {remedy}")


class _Unpacking(io.RawIOBase):
    """The bytes inside a gzip file, as long as they are not far more than the file itself."""

    def __init__(self, path: Path, packed: IO[bytes]) -> None:
        self.path, self.packed = path, packed
        self.inside = cast(io.BufferedIOBase, gzip.GzipFile(fileobj=packed))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self.inside.readinto(buffer)
        require_sane_size(self.path, self.inside.tell(), self.packed.tell())
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.inside.seek(offset, whence)

    def tell(self) -> int:
        return self.inside.tell()

    def close(self) -> None:
        if not self.closed:
            self.inside.close()
        super().close()


def unpacking(path: Path, packed: IO[bytes]) -> io.BufferedReader:
    """Return the bytes inside the open gzip file `packed`; `path` names it in errors.

    Reading them raises a RawDataError once they are far more than the file.
    """
    return io.BufferedReader(cast(io.RawIOBase, _Unpacking(path, packed)), 2**16)
