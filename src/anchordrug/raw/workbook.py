"""The first sheet of an Excel workbook, cell by cell, as long as it is not a bomb."""

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from anchordrug.errors import AnchorDrugError, RawDataError
from anchordrug.raw.text import one_line
from anchordrug.raw.unpacked import require_sane_xml

# Of a sheet as a rectangle, empty cells included. A count matrix of 20,000 genes x 384 wells has 7.7 million.
MOST_CELLS = 10_000_000
MOST_ROWS = 2**20  # Excel's own limit
MOST_CHARACTERS = 2**28
# Sheet and texts are read piece by piece, all other parts at once.
MOST_UNPACKED, MOST_PART = 2**29, 2**22
_READ_AT_ONCE = ("[content_types].xml", "docprops/", "xl/styles", "xl/theme/", "xl/workbook")
_READ_PIECEWISE = (b"worksheet+xml", b"sharedStrings+xml")
_REMEDY = "save its table as CSV"


def rows_of_workbook(path: Path) -> list[list]:
    """Return the rows of the first sheet as lists of values; empty cells at the end of a row are left out.

    Its stated dimensions are not believed.

    Raises
    ------
    RawDataError
        It cannot be read, or unpacks to far more than its size, or the sheet has more than `MOST_CELLS`
        cells, `MOST_ROWS` rows or `MOST_CHARACTERS` characters of text.
    """
    try:
        # Of a name, openpyxl would look at the suffix.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and dates that it does not know
            _require_no_bomb(path)
            from openpyxl import load_workbook

            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            page = book.worksheets[0]
            page.reset_dimensions()
            rows = list(_within_bounds(path, page.iter_rows(values_only=True)))
            book.close()
    except (AnchorDrugError, MemoryError):
        raise
    except Exception as error:  # zlib, XML and openpyxl have errors of their own, without a common base
        raise RawDataError(
            f"{path}: cannot be read as a workbook ({one_line(error)}); save it as .xlsx again"
        ) from error
    return rows


def _require_no_bomb(path: Path) -> None:
    """Refuse a workbook by the sizes of its parts, which zipfile holds them to."""
    with zipfile.ZipFile(path) as book:
        parts = book.infolist()
        total = sum(part.file_size for part in parts)
        require_sane_xml(path, total, path.stat().st_size)
        if total > MOST_UNPACKED:
            raise RawDataError(f"{path}: unpacks to more than {MOST_UNPACKED // 2**20} MiB; {_REMEDY}")
        large = {part.filename for part in parts if part.file_size > MOST_PART}
        if not large:
            return
        wrong = [name for name in large if name.lower().startswith(_READ_AT_ONCE) or name.endswith(".rels")]
        if wrong or not large <= _read_piecewise(book):
            raise RawDataError(f"{path}: a part that describes its sheets has absurd size; {_REMEDY}")


def _read_piecewise(book: zipfile.ZipFile) -> set[str]:
    """Return the parts that are read piece by piece, and those that are not read at all."""
    from xml.etree.ElementTree import fromstring

    declared: dict[str, set[bool]] = {part: set() for part in book.namelist()}
    types = book.getinfo("[Content_Types].xml")
    if types.file_size > MOST_PART:
        return set()
    for element in fromstring(book.read(types)):
        name = element.get("PartName", "").removeprefix("/")
        kind = element.get("ContentType", "").encode()
        declared.setdefault(name, set()).add(kind.endswith(_READ_PIECEWISE) or b".main+xml" not in kind)
    return {name for name, harmless in declared.items() if all(harmless)}


def _within_bounds(path: Path, rows: Iterator[tuple]) -> Iterator[list]:
    """Yield rows without the empty cells at their end, as long as they make no absurd rectangle."""
    seen = width = characters = height = 0
    for number, row in enumerate(rows, start=1):
        seen += len(row)
        cells = list(row)
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            height, width = number, max(width, len(cells))
        characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if number > MOST_ROWS or max(seen, height * width) > MOST_CELLS:
            raise RawDataError(
                f"{path}: row {number:,}: its first sheet is larger than {MOST_ROWS:,} rows or "
                f"{MOST_CELLS:,} cells; delete empty rows and columns, or {_REMEDY}"
            )
        if characters > MOST_CHARACTERS:
            raise RawDataError(
                f"{path}: row {number:,}: its first sheet has more than {MOST_CHARACTERS:,} characters of "
                f"text; {_REMEDY}"
            )
        yield cells
