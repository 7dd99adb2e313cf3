"""Lists of compounds for sale, as labs and vendors write them."""

import gzip

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from anchordrug.errors import LibraryError
from anchordrug.raw.compounds import COLUMNS, read_compounds_for_sale
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.molecules import open_compounds
from tests.raw.anndata_made import write_h5ad


def write(folder, content, name="shop.csv", encoding="utf-8"):
    (folder / name).write_bytes(content.encode(encoding))
    return folder / name


def read(folder, content, name="shop.csv"):
    return read_compounds_for_sale(write(folder, content, name))


def problem(folder, content, name="shop.csv"):
    """Return the text of the error about a file; it names the file and is one line."""
    with pytest.raises(LibraryError) as caught:
        read(folder, content, name)
    text = str(caught.value)
    assert text.startswith(f"{folder / name}: ")
    assert "\n" not in text.strip()
    return text.removeprefix(f"{folder / name}: ")


def test_every_column_with_its_line(tmp_path):
    table = read(
        tmp_path,
        "drug_id,smiles,inchikey,name,moa,vendor,cost,stock,source_plate,source_well\n"
        "A1,CCO,LFQSCWFLJHTTHZ-UHFFFAOYSA-N,ethanol,solvent,Shop,1.5,3,P1,A01\n"
        "A2,,,,,,,,,\n",
    )
    assert table.columns.tolist() == [*COLUMNS, "line", "problem"]
    assert table["stock_mm"].isna().all()
    assert table.drop(columns="stock_mm").iloc[0].tolist() == [
        *("A1", "CCO", "LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "ethanol", "solvent", "Shop"),
        *(1.5, 3.0, "P1", "A01", 2, None),
    ]
    assert table.loc[1, "line"] == 3
    for name in ("smiles", "inchikey", "name", "moa", "vendor", "source_plate", "source_well"):
        assert table.loc[1, name] is None
    assert np.isnan(table.loc[1, "cost"])
    assert np.isnan(table.loc[1, "stock"])


def test_columns_that_are_not_there_are_missing_values(tmp_path):
    table = read(tmp_path, "name,colour\nethanol,red\n")
    assert table["name"].tolist() == ["ethanol"]
    assert table[[name for name in COLUMNS if name != "name"]].isna().all(axis=None)
    assert "colour" not in table


@pytest.mark.parametrize(
    ("header", "column"),
    [
        *(("pert_id", "drug_id"), ("Broad Sample", "drug_id"), ("ID", "drug_id"), ("Compound-ID", "drug_id")),
        *(("Canonical SMILES", "smiles"), (" Structure ", "smiles"), ("InChI Key", "inchikey")),
        *(("Product Name", "name"), ("compound", "name"), ("Mechanism of Action", "moa")),
        *(("SUPPLIER", "vendor"), ("source-plate-barcode", "source_plate")),
    ],
)
def test_columns_go_by_other_names_in_any_case(tmp_path, header, column):
    identifier = "drug_id" if column == "smiles" else "smiles"
    table = read(tmp_path, f"{identifier},{header}\nCCO,x y\n")
    assert table[column].tolist() == ["x y"]
    assert table[identifier].tolist() == ["CCO"]


def test_of_two_columns_of_ids_or_structures_the_better_known_one_counts(tmp_path):
    table = read(tmp_path, "id,structure,drug_id,smiles\n1,CC,A1,CCO\n")
    assert table[["drug_id", "smiles"]].to_numpy().tolist() == [["A1", "CCO"]]


SMILES_COLUMNS = {
    "PubChem": ("cid,isosmiles,mw", "isosmiles"),
    "stereo of two": ("canonicalsmiles,isosmiles,cid", "isosmiles"),
    "words around it": ("cid,SMILES (canonical),mw", "SMILES (canonical)"),
    "a longer name": ("cid,rdkit_smiles_2,mw", "rdkit_smiles_2"),
    "the plain name of several": ("desalted_smiles,smiles,cid", "smiles"),
}


def structures(path, smiles_column=None):
    with open_compounds(path, smiles_column) as file:
        return [row.structure for row in file.rows]


@pytest.mark.parametrize("case", SMILES_COLUMNS)
def test_structures_are_found_by_a_name_that_says_smiles(tmp_path, case):
    header, wanted = SMILES_COLUMNS[case]
    cells = ["CCO" if name == wanted else "1" for name in header.split(",")]
    content = f"{header}\n{','.join(cells)}\n"
    assert read(tmp_path, content)["smiles"].tolist() == ["CCO"]
    (tmp_path / "text.csv").write_text(content)
    assert structures(tmp_path / "text.csv") == ["CCO"]


@pytest.mark.parametrize("header", ["smiles,smiles", "SMILES,Smiles", "desalted_smiles,given_smiles"])
def test_two_columns_that_both_say_smiles_are_refused(tmp_path, header):
    content = f"id,{header}\nA,CCO,CC\n"
    told = (
        f"columns {', '.join(header.split(','))} all look like SMILES; rename all but one, or give its name"
    )
    assert problem(tmp_path, content) == told
    (tmp_path / "text.csv").write_text(content)
    with pytest.raises(LibraryError, match=told):
        structures(tmp_path / "text.csv")
    if len(set(header.split(","))) == 2:
        assert structures(tmp_path / "text.csv", header.split(",")[1]) == ["CC"]


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("2.50", 2.5), ("1e3", 1000), (" 7 ", 7)])
def test_costs(tmp_path, text, value):
    assert read(tmp_path, f"smiles,price\nCCO,{text}\n")["cost"].tolist() == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("yes", 1), ("TRUE", 1), ("Y", 1), ("In stock", 1), ("no", 0), ("False", 0), ("n", 0)),
        *(("OUT OF STOCK", 0), ("0", 0), ("12", 12), ("0.5", 0.5)),
    ],
)
def test_stock_is_an_amount_or_yes_or_no(tmp_path, text, value):
    assert read(tmp_path, f"smiles,Availability\nCCO,{text}\n")["stock"].tolist() == [value]


@pytest.mark.parametrize("text", ["5 EUR", "$5", '"1,50"', "-1", "inf", "nan", "yes", "=1+1", "on request"])
def test_a_cost_that_is_no_number_names_its_line(tmp_path, text):
    told = problem(tmp_path, f"smiles,cost\nCCO,1\nCCC,{text}\nCC,?\n")
    plain = text.strip('"')
    assert told == f"line 3: cost '{plain}' is not a number without currency; correct it"


@pytest.mark.parametrize("text", ["maybe", "-2", "ja", "> 5"])
def test_a_stock_that_says_nothing_names_its_line(tmp_path, text):
    told = problem(tmp_path, f"smiles,stock\nCCO,yes\nCCC,{text}\n")
    assert told == f"line 3: stock '{text}' is not a number, yes or no; correct it"


def test_formulas_and_the_like_stay_text(tmp_path):
    names = ["=1+1", "+44", "@SUM(A1)", "-2", "=HYPERLINK(1)", "NA", "null", "1E5", "007"]
    table = read(tmp_path, "smiles,name\n" + "".join(f"CCO,{name}\n" for name in names))
    assert table["name"].tolist() == names


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(LibraryError, match=r"gone\.csv: no such file; check the name"):
        read_compounds_for_sale(tmp_path / "gone.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(LibraryError, match="is a folder; give a file in it"):
        read_compounds_for_sale(tmp_path)


@pytest.mark.parametrize("name", ["shop.sdf", "shop.csv"])
def test_an_sdf_is_no_list_to_choose_from(tmp_path, name):
    told = problem(tmp_path, "x\n  by hand\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n$$$$\n", name)
    assert told.startswith("is an SDF; give a table instead, with a column of SMILES and one of ids")


def test_a_file_that_dvc_has_not_fetched(tmp_path):
    (tmp_path / "shop.csv.dvc").write_text("outs:\n- md5: 0\n  path: shop.csv\n")
    with pytest.raises(LibraryError, match=r"no such file, but shop.csv.dvc is there; run 'dvc pull .*dvc'"):
        read_compounds_for_sale(tmp_path / "shop.csv")


def test_files_without_compounds(tmp_path):
    assert problem(tmp_path, "") == "cannot be read as a table (it is empty); save it as CSV"
    for text in ("smiles,name\n", "smiles,name\n,\n  ,\n"):
        assert problem(tmp_path, text) == "holds no drugs; add one row per drug"


def test_one_column_is_enough(tmp_path):
    assert read(tmp_path, "smiles\nCCO\nCC\n")["smiles"].tolist() == ["CCO", "CC"]


def test_semicolons_with_decimal_commas(tmp_path):
    table = read(tmp_path, "smiles;cost\nCCO;2,5\n")
    assert table[["smiles", "cost"]].to_numpy().tolist() == [["CCO", 2.5]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("CCC,propane,gas,cold", "4 cells, the header has 3; quote texts that hold ','"),
        ('CCC,"propane,1', "a quotation mark is not closed"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_by_its_line_and_costs_no_other_row(tmp_path, row, told):
    table = read(tmp_path, f"smiles,name,cost\nCCO,ethanol,1\n{row}\nCC,ethane,2\n")
    assert table["problem"].tolist() == [None, told, None]
    assert table["line"].tolist() == [2, 3, 4]
    assert table["cost"].fillna(0).tolist() == [1, 0, 2]


def test_a_file_that_is_no_table(tmp_path):
    assert "write it again" in problem(tmp_path, "PAR1, but no parquet", "shop.parquet")


# ---- The same list to choose from and to predict ----


def workbook(path, rows):
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


SAME = {
    "a title": ("shop.csv", "Our library, 2024\n\nid,smiles\na,CCO\nb,CCN\n"),
    "a title of several lines": ("shop.tsv", "Shop\nPlate\t1\nof\t2024\n\n\nsmiles\tid\nCCO\ta\nCCN\tb\n"),
    "a title like a column": ("shop.csv", "Compound\nid,smiles\na,CCO\nb,CCN\n"),
    "SMILES first": ("shop.smi", "CCO a\nCCN b\n"),
    "SMILES first, packed": ("shop.smi.gz", "CCO a\nCCN b\n"),
    "SMILES first, by contents": ("shop.txt", "CCO a\nCCN b\n"),
    "ids first": ("shop.smi", "CHEMBL1 CC(=O)O\nX-2 CCN\n"),
    "no ids": ("shop.smi", "CCO\nCCN\n"),
    "a row with too many cells": ("shop.csv", "id,smiles\na,CCO,1\nb,CCN\n"),
    "an empty row": ("shop.csv", "id,smiles\na,CCO\n,\nb,CCN\n"),
    "an old comment": ("shop.csv", "# Shop\nsep=;\nid;smiles\na;CCO\nb;CCN\n"),
}


@pytest.mark.parametrize("case", SAME)
def test_a_list_is_read_as_it_is_for_predictions(tmp_path, case):
    name, text = SAME[case]
    content = text.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table = read_compounds_for_sale(path)
    with open_compounds(path) as file:
        rows = [(row.structure, row.drug_id, row.place, row.problem) for row in file.rows]
        notes = [note for note in file.notes if "id" not in note]
    named = table["drug_id"].fillna("row_" + pd.Series(range(1, len(table) + 1)).astype(str))
    places = "line " + table["line"].astype(str)
    assert list(zip(table["smiles"], named, places, table["problem"], strict=True)) == rows
    assert [note for note in table.attrs["notes"] if "id" not in note] == notes


@pytest.mark.parametrize("title", [[["Our library", 2024]], [["Our library"], [], ["of", "this", "year"]]])
def test_titles_in_workbooks_are_left_out_for_both(tmp_path, title):
    path = workbook(
        tmp_path / "shop.xlsx", [*title, ["id", "smiles", "cost"], ["a", "CCO", 2], ["b", "CCN", 3]]
    )
    table = read_compounds_for_sale(path)
    assert table[["drug_id", "smiles", "cost"]].to_numpy().tolist() == [["a", "CCO", 2], ["b", "CCN", 3]]
    assert table["line"].tolist() == [len(title) + 2, len(title) + 3]
    with open_compounds(path) as file:
        assert [(row.drug_id, row.structure) for row in file.rows] == [("a", "CCO"), ("b", "CCN")]
        told = file.notes[0]
    assert told == table.attrs["notes"][0] == "left out the lines above the header ('Our library')"


def test_a_title_above_columns_without_structures(tmp_path):
    table = read(tmp_path, "Our library 2024\nname,price\naspirin,2\n")
    assert table[["name", "cost"]].to_numpy().tolist() == [["aspirin", 2]]


def test_a_list_without_header_is_asked_for_one(tmp_path):
    assert problem(tmp_path, "CC(=O)O,a\nCCN,b\n").endswith("add a header, or call the file .smi")


@pytest.mark.parametrize("content", ["vendor,cost\nShop,1\n", "structures,names\nCCO,ethanol\n", "moa\nx\n"])
def test_a_file_that_identifies_no_compound(tmp_path, content):
    told = problem(tmp_path, content)
    assert told.startswith("no column identifies a compound (found ")
    assert content.splitlines()[0].split(",")[0] in told
    assert told.endswith("add 'smiles', 'inchikey', 'drug_id' or 'name'")


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        *(("moa,mechanism", "moa"), ("cost,price", "cost"), ("stock,Quantity", "stock")),
        *(("inchikey,InChI Key", "inchikey"), ("vendor,supplier", "vendor")),
    ],
)
def test_two_columns_for_one_thing(tmp_path, header, ours):
    told = problem(tmp_path, f"smiles,{header}\nCCO,1,1\n")
    assert told == f"columns {', '.join(header.split(','))} all look like {ours}; rename all but one"


def test_a_repeated_drug_id_is_read_and_left_to_its_structures(tmp_path):
    table = read(tmp_path, "drug_id,smiles\nA,CCO\nB,CC\n A,CCO\n")
    assert table["drug_id"].tolist() == ["A", "B", "A"]


# Header of each list, and which of its columns are the id and the name.
LISTS = {
    "Selleck": ("Item Name,Catalog Number,CAS Number,SMILES", "Catalog Number", "Item Name"),
    "MedChemExpress": ("Product Name;Cat. No.;CAS No.;SMILES", "Cat. No.", "Product Name"),
    "Repurposing Hub": (
        "broad_id\tpert_iname\tvendor\tcatalog_no\tsmiles\tpubchem_cid",
        "broad_id",
        "pert_iname",
    ),
    "ChEMBL": ("pref_name,molecule_chembl_id,canonical_smiles", "molecule_chembl_id", "pref_name"),
    "ZINC": ("smiles,zinc-id", "zinc-id", None),
    "Enamine": ("Catalog_ID,SMILES,MW", "Catalog_ID", None),
    "Specs": ("name,IDNUMBER,SMILES", "IDNUMBER", "name"),
    "DrugBank": ("GENERIC NAME,DrugBank ID,CAS,SMILES", "DrugBank ID", "GENERIC NAME"),
    "a lab": ("CAS,id,compound,smiles", "id", "compound"),
}


@pytest.mark.parametrize(("header", "key", "name"), LISTS.values(), ids=LISTS)
def test_ids_and_names_of_vendors_and_databases(tmp_path, header, key, name):
    separator = next(character for character in "\t;," if character in header)
    columns = header.split(separator)
    cells = ["CCO" if "smiles" in column.lower() else f"x {column}" for column in columns]
    table = read(tmp_path, f"{header}\n{separator.join(cells)}\n")
    assert table.loc[0, ["drug_id", "smiles"]].tolist() == [f"x {key}", "CCO"]
    assert table.loc[0, "name"] == (None if name is None else f"x {name}")
    assert not any("called row_N" in note for note in table.attrs["notes"])


def test_a_column_of_ids_that_the_user_names(tmp_path):
    path = write(tmp_path, "id,Lab code,smiles\n1,L7,CCO\n")
    assert read_compounds_for_sale(path, "Lab code")["drug_id"].tolist() == ["L7"]
    with pytest.raises(LibraryError, match=r"shop\.csv: no column 'lab code' .*did you mean 'Lab code'"):
        read_compounds_for_sale(path, "lab code")


def test_compounds_without_ids_and_names_are_noted(tmp_path):
    assert read(tmp_path, "smiles,MW\nCCO,46\n").attrs["notes"] == [
        "no id column (found smiles, MW): called row_N; name one with --id-column",
        "ignored columns: MW",
    ]


def test_further_ids_and_names_are_kept_as_the_file_calls_them(tmp_path):
    text = "Cat No.,CAS,Compound name,smiles,name,drug_id,price,InChI Key,colour\nA1,,x,CCO,y,007,2,,red\n"
    table = read(tmp_path, text)
    assert table.loc[0, ["drug_id", "name", "cost"]].tolist() == ["007", "y", 2]
    assert table.columns.tolist()[-3:] == ["Cat No.", "CAS", "Compound name"]
    assert table.iloc[0, -3:].tolist() == ["A1", None, "x"]
    assert table.attrs["notes"] == ["ignored columns: colour"]
    named = read_compounds_for_sale(write(tmp_path, text), "Cat No.")
    assert named.columns.tolist()[-3:] == ["CAS", "Compound name", "drug_id_"]
    assert named.loc[0, ["drug_id", "drug_id_"]].tolist() == ["A1", "007"]


def test_empty_ids_are_counted(tmp_path):
    table = read(tmp_path, "drug_id,smiles\n,CCO\n,CC\n")
    assert table["drug_id"].isna().all()
    called = "a drug without an id is called by its id in the atlas, else"
    assert table.attrs["notes"] == [f"column 'drug_id' is empty in all rows; {called} row_N"]
    table = read(tmp_path, "id,name,smiles\n,x,CCO\nA,y,CC\n")
    assert table.attrs["notes"] == [f"column 'id' is empty in 1 of 2 rows; {called} by its name, else row_N"]
    table = read(tmp_path, "CCO\nCC\n", "shop.smi")
    assert table.attrs["notes"] == [f"the id after the SMILES is empty in all rows; {called} row_N"]


@pytest.mark.parametrize(
    "name", ["1-Mar", "Sep-02", "15. Okt 2024", "3/4/2024", "2024-05-06", "1.2E+05", "1,2e+05", "1E-12"]
)
def test_ids_that_a_spreadsheet_has_changed_are_noted(tmp_path, name):
    table = read(tmp_path, f"id;smiles\n{name};CCO\nA;CC\n")
    assert table["drug_id"].tolist() == [name, "A"]
    assert table.attrs["notes"] == [
        f"1 id looks like a date or a number that a spreadsheet has written in place of an id ('{name}'); "
        "compare with the original list, and import its ids as text"
    ]


@pytest.mark.parametrize(
    "name", ["64-17-5", "13-34-5678", "1E5", "E-05", "2.5", "BRD-K1", "99/99/2024", "120000"]
)
def test_other_ids_are_not_noted(tmp_path, name):
    assert read(tmp_path, f"id,smiles\n{name},CCO\n").attrs["notes"] == []


@pytest.mark.parametrize(("name", "tab"), [("shop.tsv", "\t"), ("shop.txt", "\t"), ("shop.csv", ",")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_separators_and_line_ends(tmp_path, name, tab, encoding, end):
    content = f"smiles{tab}name{end}CCO{tab}Tränen{end}"
    table = read_compounds_for_sale(write(tmp_path, content, name, encoding))
    assert table[["smiles", "name"]].to_numpy().tolist() == [["CCO", "Tränen"]]


def test_parquet_with_numbers_and_nothing(tmp_path):
    table = pd.DataFrame(
        {
            "smiles": ["CCO", None, "CC"],
            "id": [7, 8, 9],
            "cost": [1.5, None, 2.0],
            "stock": [True, False, True],
        }
    )
    table.to_parquet(tmp_path / "shop.parquet")
    found = read_compounds_for_sale(tmp_path / "shop.parquet")
    assert found["drug_id"].tolist() == ["7", "8", "9"]
    assert found["smiles"].tolist() == ["CCO", None, "CC"]
    assert found["cost"].fillna(-1).tolist() == [1.5, -1, 2.0]
    assert found["stock"].tolist() == [1, 0, 1]


def test_lines_are_those_of_the_file_though_some_are_blank(tmp_path):
    table = read(tmp_path, "smiles,name\nCCO,ethanol\n\n\nCCC,propane\n")
    assert table["line"].tolist() == [2, 5]


def test_a_first_column_without_name_is_left_out(tmp_path):
    assert read(tmp_path, ",smiles,name\n0,CCO,ethanol\n")["name"].tolist() == ["ethanol"]


@pytest.mark.parametrize("row", ["CCO,ethanol,", "CCO,ethanol, pure"])
def test_a_row_with_more_cells_than_the_header_moves_no_cell_to_another_column(tmp_path, row):
    try:
        table = read(tmp_path, f"smiles,name\n{row}\n")
    except LibraryError:
        return
    assert table["smiles"].tolist() == ["CCO"]
    assert table["name"].tolist() == ["ethanol"]


# ---- AnnData ----


def test_obs_of_anndata_names_compounds_once_each(tmp_path):
    cells = pd.DataFrame(
        {
            "drug": ["x", "x", "y", "x"],
            "canonical_smiles": ["CCO", "CCO", "CCN", "CCO"],
            "depth": [1.0, 2, 3, 4],
            "code": ["1", "1", "2", "3"],
        },
        index=["c1", "c2", "c3", "c4"],
    )
    path = write_h5ad(tmp_path / "a.h5ad", np.zeros((4, 1)), cells, pd.DataFrame(index=["g"]))
    table = read_compounds_for_sale(path)
    assert table["smiles"].tolist() == ["CCO", "CCN", "CCO"]
    assert table["name"].tolist() == ["x", "y", "x"]
    assert table["line"].tolist() == [1, 3, 4]
    assert read_compounds_for_sale(path, "depth")["drug_id"].tolist() == ["1", "2", "3", "4"]


def test_names_of_samples_are_ids_where_nothing_else_is(tmp_path):
    cells = pd.DataFrame({"depth": [1.0, 2]}, index=["x", "y"])
    path = write_h5ad(tmp_path / "a.h5ad", np.zeros((2, 1)), cells, pd.DataFrame(index=["g"]))
    assert read_compounds_for_sale(path)["drug_id"].tolist() == ["x", "y"]


def test_other_hdf5_is_no_list_of_compounds(tmp_path):
    write_gctx(
        tmp_path / "a.gctx", np.zeros((1, 1)), pd.DataFrame({"id": ["x"]}), pd.DataFrame({"id": ["g"]})
    )
    with pytest.raises(LibraryError, match=r"a.gctx: is an HDF5 file .*; save its matrix as CSV"):
        read_compounds_for_sale(tmp_path / "a.gctx")
