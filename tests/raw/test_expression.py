"""Basal expression from CSV."""

import gzip

import numpy as np
import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.expression import read_expression

CSV = "cell_iname,SIMG1,SIMG2\nSIMA,1.5,2\nSIMB,3,-4e-1\n"


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace("cell_iname", ""),
        CSV.replace("\n", "\r\n"),
        "\ufeff" + CSV,
        "# DepMap\n!24Q4, all\n" + CSV,
        "sep=,\n" + CSV,
    ],
)
@pytest.mark.parametrize("name", ["e.csv", "e.csv.gz"])
def test_expression(tmp_path, name, content):
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    cell_lines, genes, expression = read_expression(tmp_path / name)
    assert cell_lines == ["SIMA", "SIMB"]
    assert genes == ["SIMG1", "SIMG2"]
    assert expression.dtype == np.float32
    np.testing.assert_array_equal(expression, np.array([[1.5, 2], [3, -0.4]], dtype=np.float32))


def test_cell_lines_keep_their_spelling(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text('cell,SIMG1\n007,1\nNA,2\n"SIM, A",3\n')
    assert read_expression(path)[0] == ["007", "NA", "SIM, A"]


HOSTILE = {
    "missing": (None, "no such file"),
    "empty": ("", "the header is '', expected the genes separated by commas"),
    "semicolons": (
        CSV.replace(",", ";"),
        "the header is 'cell_iname;SIMG1;SIMG2', expected the genes separated",
    ),
    "no rows": ("cell,SIMG1\n", "has a header but no cell line"),
    "cell line twice": (CSV.replace("SIMB", "SIMA"), "cell line 'SIMA' occurs twice, in data rows 1 and 2"),
    "gene twice": (CSV.replace("SIMG2", "SIMG1"), "gene 'SIMG1' occurs twice, in columns 2 and 3"),
    "no cell line": (CSV.replace("SIMB", ""), "data row 2 has no cell line"),
    "no gene": (CSV.replace("SIMG2", ""), "column 3 has no gene"),
    "text": (CSV.replace("-4e-1", "high"), "cell line 'SIMB', gene 'SIMG2': 'high' is not a finite number"),
    "gap": (CSV.replace("-4e-1", ""), "cell line 'SIMB', gene 'SIMG2': '' is not a finite number"),
    "nan": (CSV.replace("-4e-1", "NaN"), "cell line 'SIMB', gene 'SIMG2': 'NaN' is not a finite number"),
    "infinite": (CSV.replace("-4e-1", "inf"), "cell line 'SIMB', gene 'SIMG2': 'inf' is not a finite number"),
    "overflow": (
        CSV.replace("-4e-1", "1e60"),
        r"cell line 'SIMB', gene 'SIMG2': '1e\+60' is not a finite number",
    ),
    "cut": (CSV[:-6], "cell line 'SIMB', gene 'SIMG2'"),
    "row names": (
        CSV.replace("cell_iname,", ""),
        "line 2 has more fields than the header; name the first column",
    ),
    "long row": (CSV + "SIMC,1,2,3\n", r"is not a comma-separated matrix \(line 4 has 4 cells, expected 3\)"),
    "open quote": (CSV + '"SIMC,1,2\n', "is not a comma-separated matrix"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_expression_is_explained_in_one_line(tmp_path, name):
    content, message = HOSTILE[name]
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RawDataError, match=message) as caught:
        read_expression(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
