"""Workbooks that are small as files and huge when they are read."""

import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from anchordrug.errors import RawDataError
from anchordrug.raw import unpacked, workbook
from anchordrug.raw.workbook import rows_of_workbook

SHEET = "xl/worksheets/sheet1.xml"
STYLES, STRINGS, TYPES = "xl/styles.xml", "xl/sharedStrings.xml", "[Content_Types].xml"
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def text(place: str, value: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


TOP = row(1, text("A1", "smiles"), text("B1", "id"))


def book(path: Path, **parts: str) -> Path:
    """Write a workbook with some of its parts replaced."""
    Workbook().save(path)
    with zipfile.ZipFile(path) as whole:
        found = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed:
        for name, content in (found | {name: part.encode() for name, part in parts.items()}).items():
            changed.writestr(name, content)
    return path


def sheet(path: Path, rows: str, before: str = "") -> Path:
    content = f"<worksheet {NAMESPACE}>{before}<sheetData>{rows}</sheetData></worksheet>"
    return book(path, **{SHEET: content})


def refusal(path: Path) -> str:
    with pytest.raises(RawDataError) as error:
        rows_of_workbook(path)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).removeprefix(str(path))) < 300
    return str(error.value)


def test_stated_dimensions_are_not_believed(tmp_path):
    rows = TOP + row(2, text("A2", "CCO"))
    for stated in ("A1:XFD1048576", "A1:A1"):
        path = sheet(tmp_path / "d.xlsx", rows, f'<dimension ref="{stated}"/>')
        assert rows_of_workbook(path) == [["smiles", "id"], ["CCO"]]


@pytest.mark.parametrize(
    "rows",
    [
        row(1_048_576, text("XFD1048576", "x")),
        row(99_999_999_999, text("A99999999999", "x")),
        "".join(row(number, text(f"XFD{number}", "x")) for number in range(2, 700)),
    ],
    ids=["one far cell", "a row beyond the last", "wide rows"],
)
def test_a_sheet_of_too_many_cells_is_refused(tmp_path, rows):
    assert "its first sheet is larger than 1,048,576 rows or 10,000,000 cells" in refusal(
        sheet(tmp_path / "d.xlsx", TOP + rows)
    )


def test_empty_cells_and_rows_at_the_end_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_CELLS", 100)
    rows = TOP + "".join(row(number) for number in range(2, 500)) + row(500, '<c r="H500"/>')
    assert rows_of_workbook(sheet(tmp_path / "d.xlsx", rows))[0] == ["smiles", "id"]


def test_one_text_in_many_cells_counts_as_often_as_it_stands_there(tmp_path):
    strings = f"<sst {NAMESPACE}><si><t>{'C' * 1_000_000}</t></si></sst>"
    cells = "".join(row(number, f'<c r="A{number}" t="s"><v>0</v></c>') for number in range(1, 300))
    content = f"<worksheet {NAMESPACE}><sheetData>{cells}</sheetData></worksheet>"
    with zipfile.ZipFile(book(tmp_path / "d.xlsx")) as whole:
        types = whole.read(TYPES).decode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = types.replace("</Types>", f'<Override PartName="/{STRINGS}" ContentType="{kind}"/></Types>')
    path = book(tmp_path / "d.xlsx", **{SHEET: content, STRINGS: strings, TYPES: types})
    assert "row 269: its first sheet has more than 268,435,456 characters" in refusal(path)


@pytest.mark.parametrize("part", [SHEET, STRINGS, STYLES, "xl/media/image1.png", "docProps/core.xml"])
def test_what_unpacks_to_far_more_than_its_size_is_not_read(tmp_path, part, monkeypatch):
    monkeypatch.setattr(unpacked, "XML_BYTES", 2**20)
    path = book(tmp_path / "d.xlsx", **{part: f"<a>{'<x/>' * 2**19}</a>"})
    assert "unpacks to more than 50 times its size; save its table as CSV" in refusal(path)


def test_no_workbook_unpacks_to_more_than_a_fixed_size(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_UNPACKED", 2**20)
    path = book(tmp_path / "d.xlsx", **{SHEET: f"<a>{'<x/>' * 2**19}</a>"})
    assert "unpacks to more than 1 MiB" in refusal(path)


@pytest.mark.parametrize("part", [STYLES, "xl/workbook.xml", TYPES, "xl/_rels/workbook.xml.rels"])
def test_a_part_that_is_read_at_once_is_small(tmp_path, part, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_PART", 2**14)
    path = book(tmp_path / "d.xlsx", **{part: f"<a>{'<x/>' * 2**13}</a>"})
    assert "a part that describes its sheets has absurd size" in refusal(path)
    # Sheets are read piece by piece, pictures not at all.
    rows = TOP + row(2, text("A2", "C" * 2**15))
    assert len(rows_of_workbook(sheet(path, rows))) == 2
    assert rows_of_workbook(book(path, **{"xl/media/image1.png": "x" * 2**15})) is not None


def test_a_sheet_that_is_called_the_workbook_as_well_is_small(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_PART", 2**14)
    path = sheet(tmp_path / "d.xlsx", TOP + row(2, text("A2", "C" * 2**15)))
    with zipfile.ZipFile(path) as whole:
        types = whole.read(TYPES).decode()
    again = types.replace('PartName="/xl/workbook.xml"', f'PartName="/{SHEET}"')
    assert again != types
    with zipfile.ZipFile(path) as whole:
        content = whole.read(SHEET).decode()
    path = book(path, **{SHEET: content, TYPES: again})
    assert "a part that describes its sheets has absurd size" in refusal(path)


def test_entities_are_not_expanded_without_end(tmp_path):
    bomb = (
        f'<!DOCTYPE x [<!ENTITY a "{"x" * 10_000}"><!ENTITY b "{"&a;" * 1000}"><!ENTITY c "{"&b;" * 1000}">]>'
    )
    content = f"{bomb}<worksheet {NAMESPACE}><sheetData>{row(1, text('A1', '&c;'))}</sheetData></worksheet>"
    assert "cannot be read as a workbook" in refusal(book(tmp_path / "d.xlsx", **{SHEET: content}))
