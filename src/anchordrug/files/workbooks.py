"""Excel workbooks whose bytes depend on their contents alone, and texts that are safe in their cells."""

import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from anchordrug.files.formulas import MARK, escaped

if TYPE_CHECKING:
    from openpyxl import Workbook

# XML has no place for them.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Excel takes such a text for a failed formula.
_ERROR = re.compile("#(N/A|[A-Z0/]+[!?])")
# The first date that a ZIP file can have, lest the same contents give other bytes tomorrow.
_DATE = (1980, 1, 1, 0, 0, 0)


def safe_text(text: str) -> str:
    """Return `text` as a cell may hold it: no formula, no characters that XML forbids."""
    text = _ILLEGAL.sub("\ufffd", text)
    return MARK + text if _ERROR.fullmatch(text) else escaped(text)


def save_workbook(book: "Workbook", path: Path) -> None:
    """Write a workbook of openpyxl; the same contents give the same bytes."""
    from openpyxl.writer.excel import ExcelWriter

    book.properties.created = book.properties.modified = datetime(*_DATE)
    with _DatelessZip(path, "w", ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).save()


class _DatelessZip(ZipFile):
    """A ZIP file whose members all have the same date."""

    def writestr(
        self, zinfo_or_arcname: Any, data: Any, compress_type: Any = None, compresslevel: Any = None
    ) -> None:
        super().writestr(_member(zinfo_or_arcname), data, compress_type, compresslevel)

    def write(
        self,
        filename: Any,
        arcname: Any = None,
        compress_type: Any = None,  # noqa: ARG002
        compresslevel: Any = None,  # noqa: ARG002
    ) -> None:
        member = _member(arcname)
        member.file_size = Path(filename).stat().st_size
        with Path(filename).open("rb") as source, self.open(member, "w") as target:
            shutil.copyfileobj(source, target)


def _member(name: str) -> ZipInfo:
    member = ZipInfo(name, _DATE)
    member.compress_type = ZIP_DEFLATED
    return member
