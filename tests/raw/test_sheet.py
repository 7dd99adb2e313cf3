"""Tables as people keep them."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from anchordrug.errors import RawDataError
from anchordrug.raw.sheet import is_sheet, read_sheet

CSV = "gene,A01,A02\nSIMG1,1.5,-2\nSIMG2,3,4e1\n"
ROWS = [["SIMG1", 1.5, -2], ["SIMG2", 3, 4e1]]


def text_file(folder, content, name="t.csv", encoding="utf-8"):
    data = content.encode(encoding)
    (folder / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder / name


def workbook(folder, rows, name="t.xlsx"):
    book = Workbook()
    page = book.worksheets[0]
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            page.cell(number, column, value)
    book.create_sheet("other").cell(1, 1, "ignored")
    book.save(folder / name)
    return folder / name


def check(sheet):
    assert sheet.header == ["gene", "A01", "A02"]
    assert sheet.names(0) == ["SIMG1", "SIMG2"]
    np.testing.assert_array_equal(sheet.finite_numbers(1), [1.5, 3])
    np.testing.assert_array_equal(sheet.finite_numbers(2), [-2, 40])
    assert [sheet.is_text(column) for column in range(3)] == [True, False, False]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.txt.gz"])
@pytest.mark.parametrize(
    "content",
    [
        CSV,
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace(",", "\t"),
        CSV.replace(",", ";"),
        CSV.replace(",", ";").replace(".", ","),
        CSV.replace(",", "\t").replace(".", ","),
        "# made by a program\n#\n" + CSV,
        "\n,,\n" + CSV + ",,\n\n",
        CSV.replace("A02\n", "A02,\n"),
        CSV.replace("\n", ",\n"),
        CSV.replace("\n", ",\n").replace("A02,", "A02"),
        CSV.replace("gene", '"gene"').replace("SIMG1", ' "SIMG1"').replace(' "', '"'),
    ],
)
def test_text(tmp_path, content, name):
    check(read_sheet(text_file(tmp_path, content, name)))


def test_latin1(tmp_path):
    sheet = read_sheet(text_file(tmp_path, "gene,µM\nSIMG1,1\n", encoding="latin-1"))
    assert sheet.header == ["gene", "µM"]


def test_a_header_as_r_writes_it(tmp_path):
    sheet = read_sheet(text_file(tmp_path, "A01\tA02\nSIMG1\t1\t2\n"))
    assert (sheet.header, sheet.names(0)) == (["", "A01", "A02"], ["SIMG1"])
    assert sheet.column_place(0) == "column 1"


def test_rows_are_counted_as_the_user_counts(tmp_path):
    sheet = read_sheet(text_file(tmp_path, "#\n\ngene,A01\nSIMG1,1\n,\n\nSIMG2,x\n"))
    with pytest.raises(RawDataError, match="line 7, column 'A01': 'x' is not a number"):
        sheet.numbers(1)
    sheet = read_sheet(workbook(tmp_path, [[], [None, "gene", "A01"], [], [None, "SIMG1", "x"]]))
    with pytest.raises(RawDataError, match="row 4, column 'A01': 'x' is not a number"):
        sheet.numbers(1)


def test_cells_of_several_lines_do_not_disturb_the_count(tmp_path):
    content = 'gene,note,A01\nSIMG1,"a\nb\n\nc",1\n\n"SIMG2",",",x\n'
    sheet = read_sheet(text_file(tmp_path, content))
    assert sheet.names(0) == ["SIMG1", "SIMG2"]
    assert sheet.names(1) == ["a\nb\n\nc", ","]
    assert [sheet.row_place(row) for row in range(2)] == ["line 2", "line 7"]
    with pytest.raises(RawDataError, match="line 7, column 'A01': 'x' is not a number"):
        sheet.numbers(2)


def test_a_table_whose_first_column_is_not_of_row_names(tmp_path):
    with pytest.raises(RawDataError, match=r"line 2: has 3 cells, the header 2 \(the last is '2'\)"):
        read_sheet(text_file(tmp_path, "A01\tA02\nSIMG1\t1\t2\n"), row_names=False)
    path = text_file(tmp_path, ",A01\n0,SIMG1\n")
    assert read_sheet(path, row_names=False).header == ["", "A01"]


def parquet_bytes(folder):
    pd.DataFrame(ROWS, columns=["gene", "A01", "A02"]).to_parquet(folder / "whole.parquet")
    return (folder / "whole.parquet").read_bytes()


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.txt.gz", "t.xls", "t.counts", "t"])
def test_text_is_a_sheet_whatever_its_name(tmp_path, name):
    for content in (CSV.encode(), gzip.compress(CSV.encode(), mtime=0), b"sep=;\n" + CSV.encode()):
        (tmp_path / name).write_bytes(content)
        assert is_sheet(tmp_path / name)
        check(read_sheet(tmp_path / name))


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet", "t.gz"])
def test_workbooks_and_parquet_are_sheets_whatever_their_name(tmp_path, name):
    header = ["gene", "A01", "A02"]
    for content in (workbook(tmp_path, [header, *ROWS]).read_bytes(), parquet_bytes(tmp_path)):
        (tmp_path / name).write_bytes(content)
        assert is_sheet(tmp_path / name)
        check(read_sheet(tmp_path / name))


@pytest.mark.parametrize("name", ["t.gct", "t.csv", "t"])
def test_matrices_are_no_sheets(tmp_path, name):
    (tmp_path / name).write_text("#1.2\n1\t1\nName\tDescription\tA01\nSIMG1\tna\t1\n")
    assert not is_sheet(tmp_path / name)
    with pytest.raises(RawDataError, match="is a GCT matrix; save the table that follows its second line"):
        read_sheet(tmp_path / name)


@pytest.mark.parametrize(
    "lines",
    [
        '!Version: 3\n!Note: "a, b, c"\n',
        "# by a program\n! and a person\n\n",
        'sep=,\n"# quoted, too"\n',
        "SEP=;\n!x\n",  # states what is not so
    ],
)
def test_lines_before_the_header(tmp_path, lines):
    path = text_file(tmp_path, lines + CSV)
    check(read_sheet(path))
    assert read_sheet(path).row_place(0) == f"line {lines.count(chr(10)) + 2}"


@pytest.mark.parametrize("separator", ["|", ":", " ", ";"])
def test_a_separator_that_is_stated(tmp_path, separator):
    for stated in (f"sep={separator}", f'"sep={separator}"'):
        check(read_sheet(text_file(tmp_path, f"{stated}\n" + CSV.replace(",", separator))))


def test_workbook(tmp_path):
    rows = [["gene", "A01", "A02"], ["SIMG1", 1.5, -2], ["SIMG2", 3, "4e1"]]
    check(read_sheet(workbook(tmp_path, rows)))
    check(read_sheet(workbook(tmp_path, [[], [], *([None, None, *row] for row in rows), [], [None]])))


def test_notes_of_pandas_in_a_parquet_file_that_mean_nothing_are_told(tmp_path):
    table = pq.read_table(io.BytesIO(parquet_bytes(tmp_path)))
    notes = json.loads(table.schema.metadata[b"pandas"])
    notes["index_columns"] = [{"kind": "range"}]
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(notes)}), path)
    with pytest.raises(RawDataError, match="cannot be read as parquet"):
        read_sheet(path)


def test_parquet(tmp_path):
    table = pd.DataFrame({"gene": ["SIMG1", "SIMG2"], "A01": [1.5, 3], "A02": [-2, 40]})
    table.to_parquet(tmp_path / "t.parquet")
    check(read_sheet(tmp_path / "t.parquet"))
    table.set_index("gene").to_parquet(tmp_path / "t.parquet")
    check(read_sheet(tmp_path / "t.parquet"))


def test_names_of_numbers(tmp_path):
    sheet = read_sheet(workbook(tmp_path, [[" gene ", 7.0], [10007.0, 1], [10.5, 1]]))
    assert (sheet.header, sheet.names(0)) == (["gene", "7"], ["10007", "10.5"])
    pd.DataFrame({"id": [10007.0, np.nan], "A01": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    assert read_sheet(tmp_path / "t.parquet").names(0) == ["10007", ""]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "#N/A"])
def test_missing_values(tmp_path, missing):
    sheet = read_sheet(text_file(tmp_path, f"gene,A01\nSIMG1,1\nSIMG2,{missing}\n"))
    np.testing.assert_array_equal(sheet.numbers(1), [1, np.nan])
    with pytest.raises(RawDataError, match=rf"line 3, column 'A01' has no value \('{missing}'\); fill it"):
        sheet.finite_numbers(1)


def test_a_cut_line_is_a_missing_value(tmp_path):
    sheet = read_sheet(text_file(tmp_path, "gene,A01,A02\nSIMG1,1,2\nSIMG2,3"))
    with pytest.raises(RawDataError, match="line 3, column 'A02' has no value"):
        sheet.finite_numbers(2)


@pytest.mark.parametrize("text", ["1.234,5", "1 000", "inf", "-inf", "1,2", "0x10", "3/4"])
def test_text_that_is_no_number(tmp_path, text):
    sheet = read_sheet(text_file(tmp_path, f'gene,A01\nSIMG1,"{text}"\n'))
    with pytest.raises(RawDataError, match=r"line 2, column 'A01': .* is not a number; correct it or remove"):
        sheet.numbers(1)


def test_a_separator_of_thousands_is_no_decimal_comma(tmp_path):
    sheet = read_sheet(text_file(tmp_path, "gene;A01\nSIMG1;1.234,5\n"))
    with pytest.raises(RawDataError, match=r"'1\.234,5' is not a number"):
        sheet.numbers(1)


def test_a_date_is_no_number(tmp_path):
    sheet = read_sheet(workbook(tmp_path, [["gene", "A01"], ["SIMG1", pd.Timestamp("2022-01-05")]]))
    with pytest.raises(RawDataError, match="row 2, column 'A01': '2022-01-05 00:00:00' is not a number"):
        sheet.numbers(1)


HOSTILE = {
    "missing": ("t.csv", None, "t.csv: no such file; check the name"),
    "a folder": ("", None, "is a folder; give a file in it"),
    "old spreadsheet": (
        "t.csv",
        b"\xd0\xcf\x11\xe0\xa1\xb1",
        "is an old Office file, such as .xls; save it as",
    ),
    "empty": ("t.csv", b"", "t.csv: is empty; export it again"),
    "only comments": ("t.csv", b"#x\n\n,,\n", "t.csv: is empty; export it again"),
    "only a header": ("t.csv", b"gene,A01\n\n,\n", "has a header but no rows"),
    "one column": ("t.csv", b"gene A01\nSIMG1 1\n", "line 1 is 'gene A01', expected names separated by"),
    "a cell too many": (
        "t.csv",
        b"gene,A01\nSIMG1,1\nSIMG2,1,2, x,\n",
        r"t.csv: line 3: has 4 cells, the header 2 \(the last is 'x'\); put texts and numbers that hold ','",
    ),
    "a cell too many, though others have an empty one": (
        "t.csv",
        b"gene;A01\nSIMG1;1;\nSIMG2;1;5\n",
        r"line 3: has 3 cells, the header 2 \(the last is '5'\); put texts and numbers",
    ),
    "two cells too many in the first row": ("t.csv", b"gene,A01\nSIMG1,1,2,3\n", "line 2: has 4 cells"),
    "a cell too many in a first row like a comment": (
        "t.csv",
        b"gene,A01\n#1,1,2\nSIMG1,1\n",
        "line 2: has 3 cells",
    ),
    "an open quotation mark": (
        "t.csv",
        b'gene,A01\nSIMG1,1\nSIMG2,"2\nSIMG3,3\n',
        "line 3: .*; correct its quotation marks or export it again",
    ),
    "an open quotation mark that another one closes": (
        "t.csv",
        b'gene,A01\nSIMG1,"1\nSIMG2,"2"\nSIMG3,3\n',
        "line 2: .*; correct its quotation marks or export it again",
    ),
    "cut gzip": ("t.csv", gzip.compress(CSV.encode(), mtime=0)[:-9], "the file is damaged or cut"),
    "utf-16": ("t.csv", CSV.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "no workbook": ("t.xlsx", b"PK\3\4gene,A01", "cannot be read as a workbook .*; save it as .xlsx again"),
    "no parquet": ("t.csv", b"PAR1gene,A01", "cannot be read as parquet .*; write it again"),
}


@pytest.mark.parametrize(("name", "content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_unusable_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RawDataError, match=message) as caught:
        read_sheet(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_unusable_workbooks(tmp_path):
    with pytest.raises(RawDataError, match="its first sheet is empty"):
        read_sheet(workbook(tmp_path, []))
    with pytest.raises(RawDataError, match="has a header but no rows"):
        read_sheet(workbook(tmp_path, [["gene", "A01"]]))
    pd.DataFrame({"gene": []}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(RawDataError, match="has a header but no rows"):
        read_sheet(tmp_path / "t.parquet")


def test_a_parquet_bomb_is_not_unpacked(tmp_path):
    """Equal values take no room in the file."""
    path = tmp_path / "t.parquet"
    rows = pa.array(np.zeros(2**20, np.int8)).dictionary_encode()
    table = pa.table({f"c{column}": rows for column in range(20)})
    pq.write_table(table, path)
    assert path.stat().st_size < 2**17
    with pytest.raises(RawDataError, match=r"t.parquet: unpacks to more than 200 times its size"):
        read_sheet(path)
