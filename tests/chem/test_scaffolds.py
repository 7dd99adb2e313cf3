"""Scaffolds and the order of drugs by scaffold: worked examples, and deepchem's splitter next to ours."""

import csv

import numpy as np
import pytest
from rdkit import Chem, rdBase

from anchordrug.chem.scaffolds import scaffold, scaffold_order
from tests.conftest import DEMO


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", ""),  # no ring
        ("CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1"),
        ("Cc1ccc(CCC2CCNCC2)cc1", "c1ccc(CCC2CCNCC2)cc1"),  # the linker between rings belongs to it
        ("CC1CCC(C)C1=O", "O=C1CCCC1"),  # what a ring's double bond leads to belongs to it
        ("C[C@H]1C[C@@H]2CC[C@H]1O2", "C1CC2CCC1O2"),  # no chirality
        ("CC(=O)[O-].[NH3+]Cc1ccccc1", "c1ccccc1"),  # a salt
    ],
)
def test_the_scaffold_is_rings_and_the_linkers_between_them(smiles, expected):
    assert scaffold(smiles) == expected


def test_large_scaffolds_are_first_and_of_two_that_tie_the_later():
    smiles = ["C1CC1", "CCO", "Cc1ccccc1", "Cc1ccncc1", "CCC", "Oc1ccccc1", "Oc1ccncc1", "Nc1ccncc1"]
    order = scaffold_order(smiles)
    assert order.dtype == np.int64
    # Pyridine; benzene and no ring tie, and the first benzene comes after the first without a ring.
    assert order.tolist() == [3, 6, 7, 2, 5, 1, 4, 0]


def test_no_drugs_have_no_order():
    order = scaffold_order([])
    assert order.shape == (0,)
    assert order.dtype == np.int64


@pytest.mark.parametrize("smiles", ["C(C", "restricted"])
def test_what_is_no_smiles_is_refused_and_not_left_out(smiles):
    with rdBase.BlockLogs(), pytest.raises(ValueError, match="not a valid SMILES: '"):
        scaffold_order(["CCO", smiles])


def structures(folder) -> list[str]:
    """The different SMILES of a raw bundle that rdkit can read, in the file's order."""
    with (folder / "compoundinfo_beta.txt").open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        found = dict.fromkeys(row["canonical_smiles"] for row in rows)
    with rdBase.BlockLogs():
        return [smiles for smiles in found if smiles and Chem.MolFromSmiles(smiles) is not None]


def assert_deepchems_order(smiles: list[str]) -> None:
    pytest.importorskip("deepchem", reason="deepchem is not installed; it needs Python < 3.12")
    from deepchem.data import NumpyDataset
    from deepchem.splits import ScaffoldSplitter

    dataset = NumpyDataset(np.zeros((len(smiles), 1)), ids=np.array(smiles, dtype=object))
    groups = ScaffoldSplitter().generate_scaffolds(dataset)
    # As much as the order has to tell: ties of more than one drug, and drugs without rings.
    sizes = [len(group) for group in groups]
    assert len([size for size in set(sizes) if size > 1 and sizes.count(size) > 1]) > 1
    assert any(scaffold(text) == "" for text in smiles)
    assert scaffold_order(smiles).tolist() == [position for group in groups for position in group]


def test_the_order_of_the_demos_drugs_is_deepchems():
    # All of the demo's drugs have rings.
    assert_deepchems_order(["CCO", *structures(DEMO), "CCCN"])


@pytest.mark.real
def test_the_order_of_real_drugs_is_deepchems(lincs):
    smiles = structures(lincs)
    assert len(smiles) == 1355
    assert_deepchems_order(smiles)
