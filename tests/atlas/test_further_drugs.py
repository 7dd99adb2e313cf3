"""Drugs of a library join an atlas without changing what was measured in it."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.further_drugs import with_drugs
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import TableError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits
from anchordrug.settings import DrugFeatures

SETTINGS = DrugFeatures(radius=2, bits=256)
COLUMNS = ["drug_id", "inchikey", "smiles", "name", "moa", "other_ids"]


def table(*rows):
    return pd.DataFrame([[*row, None, None, None] for row in rows], columns=COLUMNS, dtype=object)


@pytest.fixture
def known():
    """An atlas of two drugs, each measured once, and its features."""
    drugs = table(("B", "KEY-B", "CCO"), ("D", "KEY-D", "CCN"))
    z = np.array([[1, 2], [3, 4]], np.float32)
    atlas = ResponseAtlas(z, np.array([1, 0]), np.array([0, 0]), drugs, ["LINE"], ["G1", "G2"])
    bits = unit_rows(drug_bits(drugs["smiles"], SETTINGS))
    return atlas, FeatureBlocks(bits, np.ones((1, 3), np.float32), np.ones((2, 4), np.float32))


def test_new_drugs_get_rows_and_features_in_the_order_of_their_ids(known):
    atlas, features = with_drugs(*known, table(("C", "KEY-C", "CCS"), ("A", "KEY-A", "CCF")), SETTINGS)
    assert atlas.drugs["drug_id"].tolist() == ["A", "B", "C", "D"]
    assert np.array_equal(features.drugs, unit_rows(drug_bits(atlas.drugs["smiles"], SETTINGS)))
    assert np.array_equal(features.genes, known[1].genes)
    assert atlas.drugs["drug_id"].iloc[atlas.drug].tolist() == ["D", "B"]
    assert np.array_equal(atlas.z, known[0].z)


def test_a_compound_of_the_atlas_and_a_repeated_one_get_no_row(known):
    library = table(("mine", "KEY-B", "OCC"), ("first", "KEY-C", "CCS"), ("second", "KEY-C", "SCC"))
    atlas, features = with_drugs(*known, library, SETTINGS)
    assert atlas.drugs["drug_id"].tolist() == ["B", "D", "first"]
    assert len(features.drugs) == 3


def test_a_new_compound_with_the_id_of_another_drug_is_told_apart(known):
    atlas, _ = with_drugs(*known, table(("B", "KEY-C", "CCS")), SETTINGS)
    rows = dict(zip(atlas.drugs["drug_id"], atlas.drugs["inchikey"], strict=True))
    assert rows == {"B": "KEY-B", "D": "KEY-D", "B (library)": "KEY-C"}


def test_a_library_without_a_new_compound_changes_nothing(known):
    atlas, features = with_drugs(*known, table(("mine", "KEY-B", "OCC")), SETTINGS)
    pd.testing.assert_frame_equal(atlas.drugs, known[0].drugs)
    assert np.array_equal(features.drugs, known[1].drugs)


def test_a_structure_that_cannot_be_read_is_an_error(known):
    with pytest.raises(TableError):
        with_drugs(*known, table(("C", "KEY-C", "no structure")), SETTINGS)
