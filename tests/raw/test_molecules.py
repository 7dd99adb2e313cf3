"""Compounds one by one, from every kind of file that people keep them in, and from files that are none."""

import csv
import datetime
import gzip
import io
import random
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pyarrow import parquet
from rdkit import Chem, RDConfig

from anchordrug.errors import LibraryError
from anchordrug.files.formulas import unescaped
from anchordrug.raw import compound_text, molecule_text, unpacked
from anchordrug.raw.compound_ids import MOST_ID_CHARACTERS
from anchordrug.raw.molecule_text import Compound
from anchordrug.raw.molecules import STDIN, open_compounds
from anchordrug.raw.smiles_text import may_be_smiles

TABLE = "name,smiles\na,CCO\nb,CCN\n"
ROWS = [("a", "CCO"), ("b", "CCN")]
# Files of pytest's are made once for all examples; what an example leaves there, the next one overwrites.
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, content: str | bytes, name: str = "drugs.csv") -> Path:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder / name


def compounds(path: Path, *columns: str | None) -> list[Compound]:
    with open_compounds(path, *columns) as opened:
        return list(opened.rows)


def read(folder: Path, content: str | bytes, name: str = "drugs.csv", *columns: str | None) -> list[Compound]:
    return compounds(write(folder, content, name), *columns)


def named(rows: list[Compound]) -> list[tuple[str, str]]:
    """Return ids and structures of rows, none of which has a problem."""
    assert [row for row in rows if row.problem] == []
    return [(row.drug_id, row.structure) for row in rows]


def problem(folder: Path, content: str | bytes, name: str = "drugs.csv", *columns: str | None) -> str:
    """Return the text of the error about a file; it names the file and is one line."""
    with pytest.raises(LibraryError) as caught:
        read(folder, content, name, *columns)
    text = str(caught.value)
    assert text.startswith(f"{folder / name}: ")
    assert text.isprintable()
    assert len(text) < 1000
    return text.removeprefix(f"{folder / name}: ")


def pipe(monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    """Let standard input be `content`."""
    data = content if isinstance(content, bytes) else content.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


SPELLINGS = {
    "plain": TABLE,
    "byte-order mark": "\ufeff" + TABLE,
    "Windows": TABLE.replace("\n", "\r\n"),
    "old Mac": TABLE.replace("\n", "\r"),
    "semicolons": TABLE.replace(",", ";"),
    "tabs": TABLE.replace(",", "\t"),
    "no last line end": TABLE.rstrip(),
    "comments": "# written by a program\n#\n" + TABLE,
    "a quoted comment": '"# written, by a program"\n' + TABLE,
    "empty lines before": "\n\n,,\n" + TABLE,
    "empty lines between and after": TABLE.replace("\n", "\n\n") + "\n\n",
    "trailing separators": TABLE.replace("\n", ",\n"),
    "trailing separators, not in the header": TABLE.replace("CCO", "CCO,").replace("CCN", "CCN,,"),
    "blanks around cells": TABLE.replace(",", " , ").replace("\n", " \n"),
    "all quoted": 'name,"smiles"\n"a","CCO"\n"b","CCN"\n',
    "capitals": TABLE.replace("smiles", "SMILES").replace("name", "Name"),
    "punctuation": TABLE.replace("smiles", "Canonical SMILES").replace("name", "Compound-ID"),
    "other columns": "weight,name,smiles,note\n46,a,CCO,x\n45,b,CCN,y\n",
    "another order": "smiles,name\nCCO,a\nCCN,b\n",
    "the better known name": "structure,name,id,smiles\nC,x,a,CCO\nC,x,b,CCN\n",
    "escaped formulas": "name,smiles\n'=1+1,CCO\n'-2,CCN\n",
}
FORMULAS = [("=1+1", "CCO"), ("-2", "CCN")]


@pytest.mark.parametrize("name", ["d.csv", "d.CSV", "d.csv.gz", "d.tsv", "d.tab.gz", "d.txt", "d.txt.gz"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_tables(tmp_path, spelling, name):
    expected = FORMULAS if spelling == "escaped formulas" else ROWS
    assert named(read(tmp_path, SPELLINGS[spelling], name)) == expected


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_tables_from_a_pipe(monkeypatch, spelling):
    pipe(monkeypatch, SPELLINGS[spelling])
    expected = FORMULAS if spelling == "escaped formulas" else ROWS
    assert named(compounds(STDIN)) == expected


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"name,smiles\n\xdf-lactam,CCO\n", ["ß-lactam"]),
        ("name,smiles\nß-lactam,CCO\n".encode(), ["ß-lactam"]),
        # In one file, as concatenated by somebody.
        ("name,smiles\nß,CCO\n".encode() + b"\xb5,CCN\n", ["ß", "µ"]),
        ("name,smiles\n药,CCO\n💊,CCN\n\u202eevil,CCC\n".encode(), ["药", "💊", "\u202eevil"]),
    ],
)
def test_encodings(tmp_path, content, ids):
    assert [drug_id for drug_id, _ in named(read(tmp_path, content))] == ids


def test_quoted_cells_hold_separators_quotation_marks_and_line_ends(tmp_path):
    rows = read(tmp_path, 'name,smiles\n"a, b",CCO\n"c ""d""",CCN\n"e\nf\n\ng",CCC\nh,CCCC\n')
    assert named(rows) == [("a, b", "CCO"), ('c "d"', "CCN"), ("e\nf\n\ng", "CCC"), ("h", "CCCC")]
    assert [row.place for row in rows] == ["line 2", "line 3", "line 4", "line 8"]


def test_lines_are_those_of_the_file(tmp_path):
    rows = read(tmp_path, "#\n\nsmiles\nCCO\n\n\nCCN\n")
    assert [(row.place, row.drug_id) for row in rows] == [("line 4", "row_1"), ("line 7", "row_2")]


def test_missing_ids_are_rows(tmp_path):
    assert named(read(tmp_path, "id,smiles\n,CCO\nx,CCN\n,CCC\nNA,C\n")) == [
        *(("row_1", "CCO"), ("x", "CCN"), ("row_3", "CCC"), ("NA", "C"))
    ]


def test_missing_structures_stay_rows(tmp_path):
    assert named(read(tmp_path, "id,smiles\na,\nb\n")) == [("a", ""), ("b", "")]


@pytest.mark.parametrize("name", ["d.csv", "d.txt"])
def test_rows_without_any_cell_are_not_rows(tmp_path, name):
    """Spreadsheets write separators alone for rows that were emptied."""
    text = "id,smiles\n,\n,CCO\n , \n\n,CCN\n,\n"
    rows = read(tmp_path, text, name)
    assert [(row.place, row.drug_id) for row in rows] == [("line 3", "row_1"), ("line 6", "row_2")]


def test_given_columns(tmp_path):
    text = "smiles,name,mol,nr\nC,x,CCO,1\nC,y,CCN,2\n"
    assert named(read(tmp_path, text, "d.csv", "mol", "nr")) == [("1", "CCO"), ("2", "CCN")]
    assert named(read(tmp_path, text, "d.txt", "mol", None)) == [("x", "CCO"), ("y", "CCN")]
    assert named(read(tmp_path, text, "d.txt", None, "nr")) == [("1", "C"), ("2", "C")]
    # One column may be both.
    assert named(read(tmp_path, text, "d.csv", "mol", "mol")) == [("CCO", "CCO"), ("CCN", "CCN")]


def test_given_columns_of_a_pipe_make_it_a_table(monkeypatch):
    pipe(monkeypatch, "mol nr,x\nCCO,1\n")
    assert named(compounds(STDIN, "mol nr", "x")) == [("1", "CCO")]
    pipe(monkeypatch, "mol,nr\nCCO,1\n")
    with pytest.raises(LibraryError, match=r"no SMILES column \(expected 'smiles', found mol, nr\)"):
        compounds(STDIN, None, "nr")


def test_a_column_that_is_not_there(tmp_path):
    told = problem(tmp_path, "mol,name\nCCO,x\n", "d.csv", "moll")
    assert told == "no column 'moll' (found mol, name); did you mean 'mol'?; correct the name"
    told = problem(tmp_path, "smiles,name\nCCO,x\n", "d.csv", None, "nr")
    assert told == "no column 'nr' (found smiles, name); correct the name"
    told = problem(tmp_path, TABLE, "d.txt", None, "nr")
    assert told.startswith("no column 'nr'")


def test_a_row_with_more_cells_than_the_header_has_a_problem_and_an_id(tmp_path):
    first, second, third = read(tmp_path, "id,smiles\na,CCO,x\nb,CCN,\nc\n")
    assert (first.drug_id, first.problem) == (
        "a",
        "3 cells, the header has 2; quote texts that hold ','",
    )
    assert (second.drug_id, second.structure, second.problem) == ("b", "CCN", None)
    assert (third.drug_id, third.structure, third.problem) == ("c", "", None)
    assert "hold a tab" in str(read(tmp_path, "id\tsmiles\na\tCCO\tx\n")[0].problem)


@pytest.mark.parametrize(
    "cut",
    [
        '2,"foo,CCN\n',  # the next mark opens a cell, and closes this one
        '2,"foo,CCN\n' + "8,x,C\n" * 150,  # too far from the next mark
        '2,"foo,CCN\n8,"bar,CCC\n9,"baz,CCCC\n',
        '2,"foo""\n',
    ],
)
@pytest.mark.parametrize("after", ['5,"x, y",CCCCC\n', '5,"x\ny",CCCCC\n'])
def test_a_quotation_mark_that_is_not_closed_costs_its_row_alone(tmp_path, cut, after):
    """Swallowed rows would be lost without a word, or give their structure to another one's id."""
    rows = read(tmp_path, f"id,name,smiles\n1,a,CCO\n{cut}{after}6,b,O\n")
    good = [row for row in rows if row.problem is None]
    expected = [("1", "CCO"), *[("8", "C")] * cut.count("8,x"), ("5", "CCCCC"), ("6", "O")]
    assert [(row.drug_id, row.structure) for row in good] == expected
    bad = [row for row in rows if row.problem is not None]
    assert [row.drug_id for row in bad] == ["2", *(["8", "9"] if "9," in cut else [])]
    assert {row.problem for row in bad} == {"a quotation mark is not closed"}
    assert bad[0].place == "line 3"


def test_a_quotation_mark_that_is_not_closed_at_the_end_of_a_cut_file(tmp_path):
    rows = read(tmp_path, 'id,smiles\na,CCO\nb,"CC')
    assert [(row.drug_id, row.problem) for row in rows] == [
        ("a", None),
        ("b", "a quotation mark is not closed"),
    ]
    rows = read(tmp_path, 'id,smiles\na,"CCO\nb,CCN\nc,CCC\n')
    assert [(row.place, row.drug_id, row.problem is None) for row in rows] == [
        *(("line 2", "a", False), ("line 3", "b", True), ("line 4", "c", True))
    ]


def test_a_header_over_two_lines(tmp_path):
    rows = read(tmp_path, '"name","weight\nin Da","smiles\n"\na,1,CCO\nb,2,CCN\n')
    assert named(rows) == ROWS
    assert rows[0].place == "line 4"


def test_quotation_marks_inside_a_cell_of_one_line_are_text(tmp_path):
    assert named(read(tmp_path, 'id,smiles\n5"-x,CCO\n"3"-deoxy",CCN\n')) == [
        ('5"-x', "CCO"),
        ('3-deoxy"', "CCN"),
    ]


def test_a_header_with_a_quotation_mark_that_is_not_closed(tmp_path):
    told = problem(tmp_path, 'id,"smiles\na,CCO\n')
    assert told == "line 1: a quotation mark is not closed; close it or remove it"


def test_an_id_of_absurd_length_is_a_problem(tmp_path):
    """It would stand in every row of the predictions."""
    most = MOST_ID_CHARACTERS
    good, bad = read(tmp_path, f"id,smiles\n{'x' * most},CCO\n{'y' * 5_000_000},CCN\n")
    assert (good.problem, len(good.drug_id)) == (None, most)
    assert bad.problem == f"a drug_id of 5,000,000 characters; give it one of at most {most}"
    assert len(bad.drug_id) < most
    (bad,) = read(tmp_path, f"CCO {'y' * 300}\n", "d.smi")
    assert bad.problem is not None


@pytest.mark.parametrize("name", ["d.smi", "d.smiles.gz", "d.ism", "d.txt", "-"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("CCO a\nCCN b\n", ROWS),
        ("CCO\ta\r\nCCN\tb\r\n", ROWS),
        ("CCO a\rCCN b", ROWS),
        ("\ufeffCCO   a  \n\n   \nCCN\tb\n", ROWS),
        ("SMILES id\nCCO a\nCCN b\n", ROWS),
        ("# from a shop\n#\ncanonical_smiles name\nCCO a\nCCN b\n", ROWS),
        ("CCO\nCCN\n", [("row_1", "CCO"), ("row_2", "CCN")]),
        ("CCO a b c\nCCN d\te\n", [("a b c", "CCO"), ("d\te", "CCN")]),
        ("CCO |(1,2,;3,4,;)| a\nCCN |$;;x y$,^1:0| b\n", ROWS),
        ("CCO |$;;$|\nCCN b\n", [("row_1", "CCO"), ("b", "CCN")]),
        ("CCO a\n#no-smiles b\n", [("a", "CCO"), ("b", "#no-smiles")]),
        ("CCO 'a'\n", [("'a'", "CCO")]),
    ],
)
def test_smiles_files(tmp_path, monkeypatch, name, content, expected):
    if name == "-":
        pipe(monkeypatch, content)
        assert named(compounds(STDIN)) == expected
    else:
        assert named(read(tmp_path, content, name)) == expected


@pytest.mark.parametrize("name", ["d.smi", "d.txt"])
@pytest.mark.parametrize("header", ["", "id smiles\n"])
def test_ids_before_smiles_are_found_out_and_told(tmp_path, name, header):
    text = "CHEMBL25 CC(=O)Oc1ccccc1C(=O)O\nX-1 CCN  an amine\nX-2 [Na+].[Cl-]\n"
    path = write(tmp_path, f"{header}{text}", name)
    assert [(row.drug_id, row.structure) for row in compounds(path)] == [
        ("CHEMBL25", "CC(=O)Oc1ccccc1C(=O)O"),
        ("X-1 an amine", "CCN"),
        ("X-2", "[Na+].[Cl-]"),
    ]
    assert notes_of(path) == ("the first lines have ids before SMILES: read in that order",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in ("CCO", "c1ccccc1", "C%12CC%12", "C[C@@H](N)C(=O)O", "F/C=C/F")),
        *((text, False) for text in ("", "aspirin", "CHEMBL25", "C1CC", "C(C", "CC)", "(C)", "1C", "X-1")),
    ],
)
def test_what_may_be_smiles(text, expected):
    assert may_be_smiles(text) is expected


def test_every_smiles_that_rdkit_writes_may_be_one():
    lines = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()
    assert [line for line in lines if line and not may_be_smiles(line.split()[0])] == []


@pytest.mark.parametrize("name", ["d.csv", "d.txt", "d.tsv"])
def test_titles_above_a_header_are_left_out_and_told(tmp_path, name):
    path = write(tmp_path, "Our library, 2024\n\nid,smiles\na,CCO\nb,CCN\n", name)
    assert [(row.place, row.drug_id, row.structure) for row in compounds(path)] == [
        ("line 4", "a", "CCO"),
        ("line 5", "b", "CCN"),
    ]
    assert notes_of(path) == ("left out the lines above the header ('Our library, 2024')",)


def test_lines_of_smiles_files_are_those_of_the_file(tmp_path):
    rows = read(tmp_path, "#\nsmiles\nCCO a\n\nCCN\n", "d.smi")
    assert [(row.place, row.drug_id) for row in rows] == [("line 3", "a"), ("line 5", "row_2")]


def molblock(smiles: str, title: str = "", *, v3000: bool = False) -> str:
    molecule = Chem.MolFromSmiles(smiles)
    molecule.SetProp("_Name", title)
    return Chem.MolToMolBlock(molecule, forceV3000=v3000)


def sdf(*records: tuple[str, str, dict[str, str]], v3000: bool = False) -> str:
    """Return SDF of (SMILES, title, properties)."""
    return "".join(
        molblock(smiles, title, v3000=v3000)
        + "".join(f">  <{name}>  (1)\n{value}\n\n" for name, value in properties.items())
        + "$$$$\n"
        for smiles, title, properties in records
    )


def parsed(rows: list[Compound]) -> list[tuple[str, str]]:
    """Return ids and SMILES of molblocks."""
    return [(name, Chem.MolToSmiles(Chem.MolFromMolBlock(block))) for name, block in named(rows)]


@pytest.mark.parametrize("name", ["d.sdf", "d.SDF", "d.sd.gz", "d.txt", "-"])
@pytest.mark.parametrize("v3000", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sdf(tmp_path, monkeypatch, name, v3000, end):
    text = sdf(
        ("CCO", "title", {"ID": "a", "NAME": "worse known"}),
        ("CCN", "b", {"weight": "45"}),
        ("CCC", "", {}),
        ("CC", "unused", {"Drug_ID": "d e"}),
        ("C", "no value", {"ID": ""}),
        v3000=v3000,
    ).replace("\n", end)
    if name == "-":
        pipe(monkeypatch, text)
        rows = compounds(STDIN)
    else:
        rows = read(tmp_path, text, name)
    assert parsed(rows) == [("a", "CCO"), ("b", "CCN"), ("row_3", "CCC"), ("d e", "CC"), ("no value", "C")]
    assert [row.place for row in rows] == [f"record {number}" for number in range(1, 6)]


def test_sdf_ids_from_a_given_property_or_the_title(tmp_path):
    text = sdf(("CCO", "t1", {"ID": "a", "CAT": "c1"}), ("CCN", "t2", {"ID": "b"}))
    assert parsed(read(tmp_path, text, "d.sdf", None, "CAT")) == [("c1", "CCO"), ("t2", "CCN")]


def test_sdf_of_one_molecule_without_end(tmp_path):
    assert parsed(read(tmp_path, molblock("CCO", "a"), "d.mol")) == [("a", "CCO")]
    assert parsed(read(tmp_path, sdf(("CCO", "a", {})) + "\n\n", "d.sdf")) == [("a", "CCO")]


def test_a_title_that_looks_like_a_property_is_a_title(tmp_path):
    assert parsed(read(tmp_path, sdf(("CCO", "> <ID>", {})), "d.sdf")) == [("> <ID>", "CCO")]


@pytest.mark.parametrize("v3000", [False, True])
def test_a_cut_sdf_keeps_its_whole_records_wherever_it_is_cut(tmp_path, v3000):
    text = sdf(("CCO", "a", {"ID": "x"}), ("CCN", "b", {"ID": "y"}), v3000=v3000)
    first = text.index("$$$$")
    end = text.index("M  END", first)
    for cut in range(first + 4, end, 7):
        rows = read(tmp_path, text[:cut], "d.sdf")
        assert rows[0].drug_id == "x"
        assert Chem.MolFromMolBlock(rows[0].structure) is not None
        assert len(rows) == 1 or rows[1:] == [
            Compound("record 2", rows[1].drug_id, "", rows[1].problem, rows[1].name)
        ]
        assert all("M  END" in str(row.problem) for row in rows[1:])


def test_an_sdf_record_without_end_is_one_row_and_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(molecule_text, "MOST_RECORD_CHARACTERS", 5000)
    text = sdf(("CCO", "a", {})) + "x" * 6000 + "\n$$$$\n" + "y\n" * 9000 + "$$$$\n" + sdf(("CCN", "b", {}))
    rows = read(tmp_path, text, "d.sdf")
    assert [row.problem for row in rows] == [
        *(None, "a record of 6,001 characters", "a record of 18,000 characters", None)
    ]
    assert [row.drug_id for row in rows] == ["a", "row_2", "y", "b"]
    assert sum(len(row.structure) for row in rows) < 2000


def test_parquet_with_gaps_and_numbers(tmp_path):
    path = tmp_path / "d.parquet"
    pd.DataFrame({"id": [7, 8, 9], "smiles": ["CCO", None, " CCN "]}).to_parquet(path)
    assert named(compounds(path)) == [("7", "CCO"), ("8", ""), ("9", "CCN")]
    # Next to gaps, pandas makes whole numbers floats.
    pd.DataFrame({"id": [7, None, 2**40], "smiles": ["CCO"] * 3}).to_parquet(path)
    assert [row.drug_id for row in compounds(path)] == ["7", "row_2", str(2**40)]
    pd.DataFrame({"id": pd.array([7, None], dtype="Int64"), "smiles": ["CCO"] * 2}).to_parquet(path)
    assert [row.drug_id for row in compounds(path)] == ["7", "row_2"]
    pd.DataFrame({"id": [1.5, float("inf")], "smiles": ["CCO"] * 2}).to_parquet(path)
    assert [row.drug_id for row in compounds(path)] == ["1.5", "inf"]


def test_parquet_of_several_types_and_row_groups(tmp_path):
    path = tmp_path / "d.parquet"
    ids = [f"d{number}" for number in range(10_000)]
    for kind in (pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())):
        smiles = pa.array(["CCO"] * len(ids), pa.string()).cast(kind)
        table = pa.table({"other": ids, "SMILES": smiles, "ID": pa.array(ids).cast(kind)})
        parquet.write_table(table, path, row_group_size=3000)
        rows = compounds(path)
        assert named(rows) == [(one, "CCO") for one in ids]
        assert [row.place for row in rows[:2]] == ["row 1", "row 2"]
    assert compounds(path, None, "other")[5].drug_id == "d5"


def test_parquet_whose_index_is_the_id(tmp_path):
    table = pd.DataFrame({"smiles": ["CCO", "CCN"]}, index=pd.Index(["a", "b"], name="drug_id"))
    table.to_parquet(tmp_path / "d.parquet")
    assert named(compounds(tmp_path / "d.parquet")) == ROWS


def workbook(folder: Path, rows: list[list], name: str = "d.xlsx") -> Path:
    book = Workbook()
    page = book.worksheets[0]
    for row in rows:
        page.append(row)
    book.create_sheet("other").cell(1, 1, "ignored")
    book.save(folder / name)
    return folder / name


def notes_of(path: Path, *columns: str | None) -> tuple[str, ...]:
    with open_compounds(path, *columns) as opened:
        assert list(opened.rows)
        return (*opened.notes, *opened.notes_on_ids())


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Catalog Number,Item Name,SMILES,CAS Number", "Catalog Number"),
        ("Item Name,SMILES", "Item Name"),
        ("broad_id;pert_iname;smiles", "broad_id"),
        ("pert_iname;smiles", "pert_iname"),
        ("name\tIDNUMBER\tsmiles", "IDNUMBER"),
        ("Smiles;Name;ChEMBL ID", "ChEMBL ID"),
        ("CAS-No,Product_Name,Canonical Smiles,Product ID", "Product ID"),
        ("zinc_id,smiles", "zinc_id"),
        ("id,cas,smiles", "id"),
    ],
)
def test_ids_of_vendors_and_databases(tmp_path, header, key):
    separator = next(character for character in "\t;," if character in header)
    columns = header.split(separator)
    cells = ["CCO" if "smiles" in column.lower() else f"x {column}" for column in columns]
    for lines in ("", "!Version: 1\n!Note: a, b\n", f"sep={separator}\n"):
        path = write(tmp_path, f"{lines}{header}\n{separator.join(cells)}\n", "d.txt")
        assert named(compounds(path)) == [(f"x {key}", "CCO")]
        assert notes_of(path) == ()
    pd.DataFrame([cells], columns=pd.Index(columns)).to_parquet(tmp_path / "d.parquet")
    assert named(compounds(tmp_path / "d.parquet")) == [(f"x {key}", "CCO")]
    assert named(compounds(workbook(tmp_path, [columns, cells]))) == [(f"x {key}", "CCO")]


def test_a_date_is_no_id(tmp_path):
    sheet = workbook(tmp_path, [["id", "smiles"], [datetime.date(2021, 3, 1), "CCO"], ["MAR2", "CCN"]])
    first, second = compounds(sheet)
    told = "its id is a date (2021-03-01), as spreadsheets make of MAR1; format the column as text"
    assert (first.problem, second.problem) == (told, None)


def test_files_without_ids_say_what_compounds_are_called(tmp_path):
    note = "no id column (found smiles, MW): called row_N; name one with --id-column"
    for name in ("d.csv", "d.txt", "d.csv.gz"):
        assert notes_of(write(tmp_path, "smiles,MW\nCCO,46\n", name)) == (note, "ignored columns: MW")
    pd.DataFrame({"smiles": ["CCO"], "MW": [46]}).to_parquet(tmp_path / "d.parquet")
    assert notes_of(tmp_path / "d.parquet") == (note, "ignored columns: MW")
    sheet = workbook(tmp_path, [["smiles", "MW"], ["CCO", 46]])
    assert notes_of(sheet) == (note, "ignored columns: MW")
    assert notes_of(tmp_path / "d.xlsx", None, "MW") == ()
    assert notes_of(write(tmp_path, "CCO\nCCN\n", "d.smi")) == (
        "the id after the SMILES is empty in all rows; a drug without an id is called row_N",
    )
    assert notes_of(write(tmp_path, "CCO a\nCCN\n", "d.smi")) == (
        "the id after the SMILES is empty in 1 of 2 rows; a drug without an id is called row_N",
    )
    assert notes_of(write(tmp_path, "CCO a\nCCN b\n", "d.smi")) == ()


BLOCK = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))


def record(title: str, **properties: str) -> str:
    """An SDF record as vendors write it, with a number after the name of each property."""
    lines = [f">  <{name.replace('_', ' ')}>  (1)\n{value}\n" for name, value in properties.items()]
    return "\n".join([title + BLOCK.rstrip("\n"), *lines, "$$$$", ""])


@pytest.mark.parametrize(
    ("properties", "drug_id"),
    [
        ({"Catalog_ID": "K1", "Item_Name": "n"}, "K1"),
        ({"Comment": "c", "IDNUMBER": "K2"}, "K2"),
        ({"CAS": "64-17-5", "chembl_id": "CHEMBL545"}, "CHEMBL545"),
        ({"PUBCHEM_COMPOUND_CID": "702"}, "702"),
    ],
)
def test_ids_in_properties_of_sdf(tmp_path, properties, drug_id):
    for name in ("d.sdf", "d.csv", "d.txt.gz", "d"):
        path = write(tmp_path, record("title", **properties) * 2, name)
        assert [row.drug_id for row in compounds(path)] == [drug_id, drug_id]
        assert notes_of(path) == (("ignored properties: Comment",) if "Comment" in properties else ())


def test_sdf_without_an_id_says_what_compounds_are_called(tmp_path):
    path = write(tmp_path, record("ethanol", MW="46"), "d.sdf")
    told = "no id property (found MW): called by title; name one with --id-column"
    assert ([row.drug_id for row in compounds(path)], notes_of(path)) == (
        ["ethanol"],
        (told, "ignored properties: MW"),
    )
    path = write(tmp_path, record("", MW="46"), "d.sdf")
    told = "no id property (found MW): called row_N; name one with --id-column"
    assert ([row.drug_id for row in compounds(path)], notes_of(path)) == (
        ["row_1"],
        (told, "ignored properties: MW"),
    )
    assert ([row.drug_id for row in compounds(path, None, "MW")], notes_of(path, None, "MW")) == (["46"], ())


def test_tables_by_other_names(tmp_path):
    for name in ("d.sdf", "d.smi", "d.xlsx", "d.parquet", "d.gz.csv", "d"):
        assert named(read(tmp_path, "id,smiles\na,CCO\nb,CCN\n", name)) == ROWS
    (tmp_path / "d.csv").write_bytes(gzip.compress(b"id,smiles\na,CCO\nb,CCN\n"))
    assert named(compounds(tmp_path / "d.csv")) == ROWS
    workbook(tmp_path, [["id", "smiles"], *ROWS], "d.xlsx").rename(tmp_path / "d.csv")
    assert named(compounds(tmp_path / "d.csv")) == ROWS


def test_workbooks(tmp_path):
    rows = compounds(workbook(tmp_path, [["ID", "SMILES"], [7, "CCO"], [], ["b", "CCN"], [None, "CCC"]]))
    assert named(rows) == [("7", "CCO"), ("b", "CCN"), ("row_3", "CCC")]
    assert [row.place for row in rows] == ["row 2", "row 4", "row 5"]
    path = workbook(tmp_path, [[], [None, "mol", "nr"], [None, "CCO", 1.0]])
    assert named(compounds(path, "mol", "nr")) == [("1", "CCO")]


HOSTILE = {
    "missing": ("d.csv", None, "no such file; check the name"),
    "missing parquet": ("d.parquet", None, "no such file; check the name"),
    "missing workbook": ("d.xlsx", None, "no such file; check the name"),
    "other kind": ("d.docx", b"%PDF-1.7", "is a PDF; copy its table into a CSV file"),
    "no suffix": ("drugs", b"\x89PNG\r\n\x1a\n", "is an image (PNG); give the table that it shows"),
    "empty": ("d.csv", b"", "cannot be read as a table (it is empty); save it as CSV"),
    "empty SMILES file": ("d.smi", b"", "holds no drugs; add one row per drug"),
    "empty SDF": ("d.sdf", b"\n\n$$$$\n$$$$\n", "holds no drugs"),
    "empty text": ("d.txt", b"", "holds no drugs"),
    "only comments": ("d.csv", b"#x\n\n,,\n", "cannot be read as a table (it is empty)"),
    "only a header": ("d.csv", b"name,smiles\n\n", "holds no drugs"),
    "only a header of SMILES": ("d.smi", b"smiles name\n", "holds no drugs"),
    "no structures": (
        "d.csv",
        b"name,weight\nx,1\n",
        "no SMILES column (expected 'smiles', found name, weight)",
    ),
    "no header of structures": (
        *("d.csv", b"CC(=O)Oc1ccccc1\nCCN\n"),
        "no SMILES column, and its first line looks like a compound (CC(=O)Oc1ccccc1); add a header, or ",
    ),
    "a header that is not a structure": (
        *("d.csv", b"IC50(uM),B(cells),name=id\n1,2,3\n"),
        "no SMILES column (expected 'smiles', found IC50(uM), B(cells), name=id)",
    ),
    "no header": ("d.csv", b"CCO,a\nCCN,b\n", "no SMILES column (expected 'smiles', found CCO, a)"),
    "one huge line": ("d.csv", b"x" * 5_000_000, "no SMILES column (expected 'smiles', found xxx"),
    "one huge quoted cell": ("d.csv", b'"' + b"x" * 300_000 + b'",name2\nx\n', "no SMILES column"),
    "control characters": (
        "d.csv",
        bytes(range(256)),
        "is a binary file of an unknown kind; save it as a table",
    ),
    "a workbook by another name": (
        "d.csv",
        b"PK\3\4\x14\0\6\0,\x1b[31m\0\n\0",
        "is a zip archive; unpack it",
    ),
    "an HDF5 file": (
        *("d.h5ad", b"\x89HDF\r\n\x1a\n"),
        "is an HDF5 file (GCTX, h5ad and others); save its table of compounds (of AnnData: obs) as CSV",
    ),
    "no gzip": ("d.csv.gz", b"\x1f", "cannot be read"),
    "utf-16": ("d.csv", TABLE.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "no workbook": ("d.xlsx", b"PK\3\4\x14\0\6\0,", "cannot be read as a workbook"),
    "no parquet": ("d.parquet", b"PAR1name,smiles", "cannot be read as a table"),
}


@pytest.mark.parametrize(("name", "content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_unusable_files(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LibraryError) as caught:
        compounds(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {message}")
    assert text.isprintable()
    assert len(text) < 1000


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(LibraryError, match="is a folder; give a file in it"):
        compounds(tmp_path / "d.csv")


def test_tables_without_rows(tmp_path):
    pd.DataFrame({"smiles": []}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(LibraryError, match="holds no drugs"):
        compounds(tmp_path / "d.parquet")
    with pytest.raises(LibraryError, match="has a header but no rows"):
        compounds(workbook(tmp_path, [["smiles"]]))
    with pytest.raises(LibraryError, match="no SMILES column"):
        compounds(workbook(tmp_path, [["mol"], ["CCO"]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "-: holds no drugs"),
        (gzip.compress(TABLE.encode(), mtime=0), r"-: is a gzip file; unpack it on the way \(zcat\)"),
        (TABLE.encode("utf-16"), "-: is UTF-16 text; save it as UTF-8"),
    ],
)
def test_unusable_pipes(monkeypatch, content, message):
    pipe(monkeypatch, content)
    with pytest.raises(LibraryError, match=message):
        compounds(STDIN)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked, "UNPACKED_BYTES", 2**20)
    told = problem(tmp_path, "smiles\n" + ("C" * 9999 + "\n") * 500, "d.csv.gz")
    assert told == "unpacks to more than 200 times its size; unpack it if you trust it"
    # As it does in one line.
    monkeypatch.setattr(compound_text, "LONGEST_LINE", 2**16)
    assert "a line of more than 65,536 characters" in problem(tmp_path, b"\0" * 2**18, "d.csv.gz")
    # The same file unpacked is anybody's own; one of usual rows packs worse.
    monkeypatch.setattr(compound_text, "LONGEST_LINE", 2**20)
    assert len(read(tmp_path, "smiles\n" + ("C" * 9999 + "\n") * 500, "d.csv")) == 500
    rng = random.Random(0)
    usual = "smiles\n" + "".join("C" * rng.randrange(1, 60) + "O\n" for _ in range(60_000))
    assert len(read(tmp_path, usual, "d.csv.gz")) == 60_000


def test_a_bomb_of_a_workbook_is_not_unpacked(tmp_path, monkeypatch):
    path = workbook(tmp_path, [["smiles"], ["CCO"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/zeros", bytes(2**22))
    assert len(compounds(path)) == 1
    monkeypatch.setattr(unpacked, "XML_BYTES", 2**20)
    with pytest.raises(LibraryError, match="unpacks to more than 50 times its size"):
        compounds(path)


def test_a_gzip_file_that_is_cut_never_passes_for_a_whole_one(tmp_path):
    whole = gzip.compress(
        ("smiles,id\n" + "".join(f"{'C' * n}O,d{n}\n" for n in range(300))).encode(), mtime=0
    )
    path = tmp_path / "d.csv.gz"
    for cut in range(1, len(whole), 5):
        path.write_bytes(whole[:cut])
        with pytest.raises(LibraryError, match=r"d\.csv\.gz: cannot be read .* damaged or cut"):
            compounds(path)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return `data` with some bytes changed, cut, or both."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(1, len(changed) + 1)] if rng.random() < 0.3 else changed)


@pytest.mark.parametrize("name", ["d.parquet", "d.xlsx", "d.csv.gz", "d.sdf"])
def test_damaged_files_are_told_or_read_but_never_a_crash(tmp_path, name):
    rng = random.Random(name)
    ids = [f"drug {number}" for number in range(200)]
    structures = ["C" * rng.randrange(1, 30) + "O" for _ in ids]
    if name == "d.parquet":
        path = tmp_path / name
        parquet.write_table(pa.table({"id": ids, "smiles": structures}), path, compression="snappy")
    elif name == "d.xlsx":
        rows = [["id", "smiles"], *map(list, zip(ids, structures, strict=True))]
        path = workbook(tmp_path, rows)
    elif name == "d.sdf":
        path = write(tmp_path, sdf(("CCO", "a", {"ID": "x"}), ("c1ccccc1", "b", {}), v3000=True), name)
    else:
        lines = [f"{one},{smiles}\n" for one, smiles in zip(ids, structures, strict=True)]
        path = write(tmp_path, "id,smiles\n" + "".join(lines), name)
    whole, told = path.read_bytes(), 0
    for _ in range(150):
        path.write_bytes(damaged(whole, rng))
        try:
            assert compounds(path)
        except LibraryError as error:
            told += 1
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    # Any text is some SDF.
    assert told > 20 or name == "d.sdf"


@pytest.mark.parametrize("name", ["d.csv", "d.txt", "d.smi", "d.sdf"])
@given(
    data=st.binary(max_size=300) | st.text(st.sampled_from('\n\r"\t,;ab#$>< \0'), max_size=60).map(str.encode)
)
@quick
def test_any_bytes_are_told_or_read_but_never_a_crash(tmp_path, name, data):
    for content in (data, b"smiles,id\n" + data):
        try:
            rows = read(tmp_path, content, name)
        except LibraryError as error:
            assert str(error).isprintable()  # noqa: PT017
            continue
        assert rows
        assert all(row.drug_id for row in rows)


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t"),
    # With other line ends, Python's writer quotes no lone \r.
    style=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n")]),
    mark=st.sampled_from(["", "\ufeff"]),
)
@example(rows=[('"', "\n\n"), ("\r", '"\r\n"')], separator=",", style=(csv.QUOTE_MINIMAL, "\r\n"), mark="")
@example(rows=[("", ""), ("'=1", "#")], separator=";", style=(csv.QUOTE_ALL, "\n"), mark="\ufeff")
@quick
def test_what_a_program_writes_comes_back(tmp_path, rows, separator, style, mark):
    text = io.StringIO()
    quoting, end = style
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(["drug_id", "smiles"])
    writer.writerows(rows := [*rows, ("x", "C")])
    found = named(read(tmp_path, mark + text.getvalue()))

    def plain(cell: str) -> str:
        """As read: line ends of one kind, no blanks around, and no mark of formulas."""
        return unescaped(cell.replace("\r\n", "\n").replace("\r", "\n").strip())

    filled = (row for row in rows if any(cell.strip() for cell in row))
    assert found == [
        (plain(drug_id) or f"row_{number}", plain(smiles))
        for number, (drug_id, smiles) in enumerate(filled, start=1)
    ]


def test_rows_are_read_as_they_are_asked_for(tmp_path):
    text = "id,smiles\n" + "".join(f"d{number},CCO\n" for number in range(100_000))
    parquet.write_table(
        pa.table({"id": [f"d{number}" for number in range(100_000)], "smiles": ["CCO"] * 100_000}),
        tmp_path / "d.parquet",
    )
    for path in (
        write(tmp_path, text),
        write(tmp_path, text, "d.csv.gz"),
        write(tmp_path, "".join(f"CCO d{number}\n" for number in range(100_000)), "d.smi"),
        tmp_path / "d.parquet",
    ):
        with open_compounds(path) as opened:
            assert next(opened.rows).structure == "CCO"
            begun = opened.share_read()
            assert begun is not None
            assert begun < 0.9
            assert sum(1 for _ in opened.rows) == 99_999
            assert opened.share_read() == pytest.approx(1)


def test_of_a_pipe_nobody_knows_how_much_is_left(monkeypatch):
    pipe(monkeypatch, TABLE)
    with open_compounds(STDIN) as opened:
        assert opened.share_read() is None


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz"])
def test_what_fails_while_the_rows_are_worked_on_is_not_blamed_on_the_file(tmp_path, name):
    """A full disk is not a reason to download the library again."""
    path = write(tmp_path, TABLE, name)
    with pytest.raises(OSError, match="No space left"), open_compounds(path):
        raise OSError(28, "No space left on device")


IDENTITY = (
    "CAS,Compound name,smiles,Cat No.,MW,name,InChIKey\n50,,CCO,,1,e,K\n,prop,CCC,C3,2,,K\n,,CCN,,3,,K\n"
)


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_names_and_further_ids_are_kept(tmp_path, kind):
    path = write(tmp_path, IDENTITY)
    table = pd.read_csv(path, dtype=str)
    if kind == "parquet":
        table.to_parquet(path := tmp_path / "d.parquet", index=False)
    if kind == "xlsx":
        table.to_excel(path := tmp_path / "d.xlsx", index=False)
    with open_compounds(path) as opened:
        rows = [(row.drug_id, row.name, row.further) for row in opened.rows]
        assert opened.further == ("CAS", "Compound name")
        assert opened.notes == ("ignored columns: MW, InChIKey",)
        empty = (
            "column 'Cat No.' is empty in 2 of 3 rows; a drug without an id is called by its name, else row_N"
        )
        assert opened.notes_on_ids() == [empty]
    # The column of ids is "Cat No.", that of names "name"; who has no id goes by the name, then by the row.
    assert rows == [("e", "e", ("50", "")), ("C3", "", ("", "prop")), ("row_3", "", ("", ""))]


def test_names_and_further_ids_of_sdf_are_kept(tmp_path):
    first = record("title", ID="7", CAS="64-17-5", name="ethanol", MW="46")
    path = write(tmp_path, first + record("second", ID="8"), "d.sdf")
    with open_compounds(path) as opened:
        rows = [(row.drug_id, row.name, row.further) for row in opened.rows]
        assert (opened.further, opened.notes) == (("CAS",), ("ignored properties: MW",))
    assert rows == [("7", "ethanol", ("64-17-5",)), ("8", "second", ("",))]


def test_a_long_name_is_shown_in_part(tmp_path):
    (row,) = read(tmp_path, f"id,name,smiles\na,{'n' * 300},CCO\n")
    assert row.name == "n" * 247 + "..."
