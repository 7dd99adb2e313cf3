"""Stock concentrations of compounds for sale, whatever their unit."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import LibraryError
from anchordrug.raw.compounds import read_compounds_for_sale


def stocks(tmp_path, column, *cells, separator=","):
    """Return the stocks (mM) of compounds with these cells."""
    path = tmp_path / "shop.csv"
    table = pd.DataFrame({"smiles": ["CCO"] * len(cells), "stock": "yes", column: cells})
    table.to_csv(path, index=False, sep=separator)
    read = read_compounds_for_sale(path)
    assert (read["stock"] == 1).all()
    return read["stock_mm"].tolist()


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("stock_mM", ["10", "2.5"], [10, 2.5]),
        ("Stock (uM)", ["10000"], [10]),
        ("stock [\u00b5M]", ["500"], [0.5]),
        ("Stock conc. (nM)", ["1e6"], [1]),
        ("stock_concentration", ["10 mM", "5mM in DMSO", "500 \u03bcM", "0.01 M"], [10, 5, 0.5, 10]),
        ("Stock concentration (mM)", ["10 mM", "10"], [10, 10]),
    ],
)
def test_units(tmp_path, column, cells, expected):
    assert stocks(tmp_path, column, *cells) == pytest.approx(expected)


def test_an_empty_cell_or_no_column_is_no_stock(tmp_path):
    assert np.isnan(stocks(tmp_path, "stock_mm", "", "10")).tolist() == [True, False]
    assert np.isnan(stocks(tmp_path, "colour", "red")).all()
    assert stocks(tmp_path, "stock_mm", "2,5", separator=";") == [2.5]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        (
            "stock_concentration",
            "10",
            r"line 2: stock concentration '10' has no unit; call the column stock_mm",
        ),
        ("stock_mm", "10 mg/mL", r"line 2: stock concentration '10 mg/mL': its unit is unknown; write M, mM"),
        ("stock_mm", "10 uM", r"'10 uM' contradicts the unit of its column"),
        ("stock_mm", "0", r"'0' is not a positive number with a unit"),
        ("stock_mm", "ten", r"'ten' is not a positive number"),
        ("stock_mm", "-1 mM", r"'-1 mM' is not a positive number"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path, column, cell, message):
    with pytest.raises(LibraryError, match=message):
        stocks(tmp_path, column, cell)


def test_two_columns_of_stocks_are_refused(tmp_path):
    path = tmp_path / "shop.csv"
    pd.DataFrame({"smiles": ["CCO"], "stock_mm": [10], "stock (uM)": [10]}).to_csv(path, index=False)
    with pytest.raises(LibraryError, match=r"columns 'stock_mm' and 'stock \(uM\)' both look like concentr"):
        read_compounds_for_sale(path)
