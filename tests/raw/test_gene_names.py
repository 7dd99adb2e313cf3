"""Gene names of every kind, and the dates that spreadsheets make of them."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.raw.gene_names import dates_problem, excel_dates, gene_predicate, match_genes
from anchordrug.raw.tables import read_genes

GENES = pd.DataFrame(
    {
        "gene": ["GNPDA1", "CDH3", "CIAO3", "HDAC6", np.nan, "HLA-DMA"],
        "gene_id": ["10007", "1001", "64428", "10013", "2", "3108"],
        "ensembl_id": [
            "ENSG00000113552",
            "ENSG00000062038",
            "ENSG00000103245",
            np.nan,
            "ENSG00000000002",
            np.nan,
        ],
    }
)


def rows(*names):
    return match_genes(list(names), GENES).rows.tolist()


def test_each_naming_is_found():
    symbols = match_genes(["CDH3", "nothing", "GNPDA1"], GENES)
    assert (symbols.rows.tolist(), symbols.naming) == ([1, -1, 0], "symbol")
    assert symbols.rows.dtype == np.int64
    ensembl = match_genes(["ENSG00000113552.14", "ENSG00000062038", "ENSG00000999999"], GENES)
    assert (ensembl.rows.tolist(), ensembl.naming) == ([0, 1, -1], "Ensembl")
    entrez = match_genes(["10007.0", "1001", " 2 ", "77"], GENES)
    assert (entrez.rows.tolist(), entrez.naming) == ([0, 1, 4, -1], "Entrez")
    entrez = match_genes(["GeneID:10007", "ENTREZID_1001"], GENES)
    assert (entrez.rows.tolist(), entrez.naming) == ([0, 1], "Entrez")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("NARFL", 2),  # the symbol before CIAO3
        ("HLA.DMA", 5),  # as R writes it
        ("CDH3|1001", 1),
        ("?|1001", 1),
        ("OLDNAME|10013", 3),
        ("ENSG00000062038.5_CDH3", 1),
        ("ENSG00000062038|CDH3", 1),
        ("CDH3_ENSG00000062038", 1),
        ("ENSG00000062038.5_PAR_Y", 1),
        ("ENSG00000999999_HDAC6", 3),
        ("hdac6", 3),
        ("CDH3 (1001)", 1),  # DepMap
        ("CDH3 (ENSG00000062038)", 1),
        ("CDH3 (ENSG00000062038.5)", 1),
        ("CDH3..1001.", 1),  # DepMap, as R writes it
        ("OLDNAME (10013)", 3),
        ("HLA-DMA [3108]", 5),
        ("HLA-DMA (3108)", 5),
        ("CDH3:ENSG00000062038", 1),
        ("ENSG00000062038.5;CDH3", 1),
        ("ENSG00000999999 HDAC6", 3),
    ],
)
@pytest.mark.parametrize("others", [("GNPDA1",), ("ENSG00000113552",)])
def test_spellings(name, row, others):
    assert rows(*others, name) == [0, row]


def test_the_naming_is_that_of_the_majority():
    mixed = ["GNPDA1", "CDH3", "ENSG00000103245", "10013"]
    assert match_genes(mixed, GENES).naming == "symbol"
    assert rows(*mixed) == [0, 1, 2, -1], "a number is not a Entrez id in a file of symbols"
    assert match_genes(["ENSG00000103245", "ENSG00000062038", "GNPDA1"], GENES).naming == "Ensembl"


def test_case_counts_only_where_nothing_else_matches():
    mouse = match_genes(["Gnpda1", "Cdh3"], GENES)
    assert mouse.rows.tolist() == [0, 1]
    assert mouse.ignoring_case == ("Gnpda1", "Cdh3")
    both = match_genes(["Gnpda1", "GNPDA1"], GENES)
    assert both.rows.tolist() == [-1, 0]
    assert both.ignoring_case == ()


def test_a_symbol_in_a_file_of_ensembl_ids_may_mean_a_gene_again():
    assert rows("ENSG00000062038", "ENSG00000113552", "ENSG00000999999_CDH3") == [1, 0, 1]


def test_an_old_symbol_is_no_second_name_of_a_gene_that_is_found():
    assert rows("NARFL", "CIAO3") == [-1, 2]


def test_names_of_one_gene_are_reported():
    match = match_genes(["CDH3", "GNPDA1", "CDH3", "ENSG00000113552.1", "ENSG00000000002", "?|2"], GENES)
    assert match.rows.tolist() == [1, 0, 1, 0, 4, 4]
    assert match.repeated == {
        "GNPDA1": ("GNPDA1", "ENSG00000113552.1"),
        "CDH3": ("CDH3", "CDH3"),
        "2": ("ENSG00000000002", "?|2"),
    }
    assert match_genes(["CDH3"], GENES).repeated == {}


def test_an_ambiguous_table_finds_nothing():
    twins = pd.DataFrame({"gene": ["A1X", "A1X", "B1X", "b1x"], "gene_id": ["1", "2", "3", "4"]})
    assert match_genes(["A1X", "B1X", "b1X"], twins).rows.tolist() == [-1, 2, 3]
    assert match_genes(["1", "2"], twins).rows.tolist() == [0, 1]
    assert match_genes(["B1x", "b1X"], twins).rows.tolist() == [-1, -1]


def test_no_names():
    assert match_genes([], GENES).rows.tolist() == []
    assert match_genes(["", "  "], GENES).rows.tolist() == [-1, -1]


SYMBOLS = [f"{letters}{number}" for letters in ("ABC", "XYZ") for number in range(20)]
TABLE = pd.DataFrame(
    {
        "gene": SYMBOLS,
        "gene_id": [str(5000 + position) for position in range(len(SYMBOLS))],
        "ensembl_id": [f"ENSG{position:011d}" for position in range(len(SYMBOLS))],
    }
)


@given(
    st.permutations(range(len(SYMBOLS))),
    st.sampled_from(
        [
            lambda row: TABLE["gene"][row],
            lambda row: TABLE["gene_id"][row] + ".0",
            lambda row: TABLE["ensembl_id"][row] + ".7",
            lambda row: f"{TABLE['ensembl_id'][row]}_{TABLE['gene'][row]}",
            lambda row: f"{TABLE['gene'][row]}|{TABLE['gene_id'][row]}",
            lambda row: TABLE["gene"][row].capitalize(),
        ]
    ),
)
def test_every_spelling_finds_its_row_in_any_order(order, spell):
    match = match_genes([spell(row) for row in order], TABLE)
    assert match.rows.tolist() == list(order)
    assert match.repeated == {}


def test_predicate():
    is_gene = gene_predicate(GENES)
    for name in (
        "CDH3",
        "cdh3",
        "1001",
        "1001.0",
        "ENSG00000062038.3",
        "ENSG00000999999",
        "CDH3|5",
        "x|1001",
    ):
        assert is_gene(name), name
    for name in ("", "A01", "aspirin", "4", "BRD-K00000001", "stat"):
        assert not is_gene(name), name


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("2-Sep", "SEPTIN2"),
        ("2-Sep", "SEPT2"),
        ("Sep-02", "SEPTIN2"),
        ("02.Sep", "SEPTIN2"),
        ("02. Sep", "SEPTIN2"),
        ("2-sept", "SEPTIN2"),
        ("2-Sep-22", "SEPTIN2"),
        ("Sep 2, 2022", "SEPTIN2"),
        ("2022-09-02", "SEPTIN2"),
        ("2022-09-02 00:00:00", "SEPTIN2"),
        ("2022-09-02T00:00:00", "SEPTIN2"),
        ("9/2/2023", "SEPTIN2"),
        ("02.09.2023", "SEPTIN2"),
        ("2/9/23", "SEPTIN2"),
        (datetime(2022, 9, 2), "SEPTIN2"),
        (pd.Timestamp("2022-09-02"), "SEPTIN2"),
        (date(2022, 9, 2), "SEPTIN2"),
        ("44806", "SEPTIN2"),
        ("44806.0", "SEPTIN2"),
        (44806.0, "SEPTIN2"),
        ("15-Sep", "SELENOF"),
        ("1-Mar", "MARCHF1"),
        ("1-Mar", "MARCH1"),
        ("1-Mar", "MARC1"),
        ("Mar-01", "MARCHF1"),
        ("1. Mrz", "MARCHF1"),
        ("11-Mar", "MARCHF11"),
        ("1-Dec", "DELEC1"),
        ("1-Dec", "DEC1"),
        ("01.Dez", "DEC1"),
        ("3/9/2023", "MARCHF9"),
        ("3/9/2023", "SEPTIN3"),
    ],
)
def test_dates_that_were_genes(text, symbol):
    (found,) = excel_dates(["CDH3", text, "GNPDA1"])
    assert found.position == 1
    assert symbol in found.symbols
    if not isinstance(text, str | float):
        assert found.text.startswith("2022-09-02")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SEPT2",
            "SEPTIN2",
            "MARCH1",
            "DEC1",
            "SEP15",
            "MARC1",
            "2-Oct",
            "31-Dec",
            "20-Sep",
            "1-Apr",
            "Sep-22",
        ),
        *("2022-09-30", "9/20/2023", "44807.5", "44837", "10007", "A2M", "", "HLA-A", "1/2", "99999"),
    ],
)
def test_names_that_are_no_such_dates(name):
    assert excel_dates(["CDH3", name, "GNPDA1"]) == []


def test_numbers_among_entrez_ids_are_no_dates():
    assert excel_dates(["44806", "10007", "1001", "CDH3"]) == []
    assert [gene.text for gene in excel_dates(["44806", "CDH3", "GNPDA1", "HDAC6"])] == ["44806"]


def test_dates_problem():
    text = dates_problem(excel_dates(["2-Sep", "CDH3", "1-Dec"]), ["line 2", "line 4"])
    assert text.startswith(
        "a spreadsheet turned 2 gene names into dates: line 2 is '2-Sep' (was SEPTIN2 or SEPT2), "
        "line 4 is '1-Dec' (was DELEC1 or DEC1); export the file again without"
    )


def test_the_gene_table_has_ensembl_ids_where_the_file_has_them(tmp_path):
    path = tmp_path / "geneinfo_beta.txt"
    path.write_text("gene_id\tgene_symbol\tensembl_id\n10007\tGNPDA1\tENSG00000113552\n1\tA1BG\t\n")
    genes = read_genes(path)
    assert genes.columns.tolist() == ["gene_id", "gene", "ensembl_id"]
    assert genes["ensembl_id"].isna().tolist() == [False, True]
    assert match_genes(["ENSG00000113552.3"], genes).rows.tolist() == [0]


@pytest.mark.real
def test_real_gene_table(lincs):
    genes = read_genes(lincs / "geneinfo_beta.txt")
    everything = np.arange(len(genes))
    for column, naming in (("gene", "symbol"), ("gene_id", "Entrez"), ("ensembl_id", "Ensembl")):
        there = genes[column].notna()
        match = match_genes(genes.loc[there, column].tolist(), genes)
        assert match.naming == naming
        found = match.rows >= 0
        assert found.mean() > 0.99
        np.testing.assert_array_equal(match.rows[found], everything[there][found])
        assert excel_dates(genes.loc[there, column].tolist()) == []
    mouse = match_genes([symbol.capitalize() for symbol in genes["gene"]], genes)
    assert (mouse.rows >= 0).mean() > 0.99
