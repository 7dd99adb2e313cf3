"""Figures as the documents print them, and as the benchmarks' results have them."""

import json
import re
from functools import cache

import pandas as pd
import pytest

from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks/results"
PAPER = ROOT / "benchmarks/paper/results"
NUMBER = r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?"


@cache
def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def record(name: str):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@cache
def cells(name: str) -> pd.DataFrame:
    """Records of benchmarks/predictors.py, a mean over seeds for each method, target and split."""
    records = pd.DataFrame(record(name)).drop(columns=["seed", "pool"])
    return records.groupby(["hidden", "predictor", "strategy", "budget", "target", "split"]).mean()


def of_method(name: str, predictor: str, strategy: str, budget: int, *, hidden: bool = False) -> pd.DataFrame:
    return cells(name).loc[hidden, predictor, strategy, budget]


def rows(name: str, label: str, heading: str = "") -> list[list[str]]:
    """The numbers in the table rows of a page (below a heading) whose first cells are `label`."""
    text = page(name).partition(f"## {heading}\n")[2].partition("\n## ")[0] if heading else page(name)
    assert text, heading
    found = re.findall(rf"^\| {re.escape(label)} \|(.*)\|$", text, re.M)
    assert found, (name, label)
    return [re.findall(NUMBER, re.sub(r"\[how\]\([^)]*\)", "", row)) for row in found]


def said(name: str, pattern: str) -> list[str]:
    """The numbers in the one place that `pattern` describes: N is a number, a space is any white space."""
    (found,) = re.finditer(pattern.replace("N", f"({NUMBER})").replace(" ", r"\s+"), page(name))
    return list(found.groups())


def check(shown: list[str], values) -> None:
    """Compare numbers as they are printed with the values that they round."""
    values = [float(value) for value in values]
    assert len(shown) == len(values), (shown, values)
    for text, value in zip(shown, values, strict=True):
        digits = len(text.partition(".")[2])
        assert float(text.replace(",", "")) == pytest.approx(value, abs=0.5001 * 10**-digits), (shown, values)
