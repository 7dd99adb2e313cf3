"""Structures and fingerprints, against deepchem and rdkit itself."""

import numpy as np
import pytest
from rdkit import Chem

from anchordrug.chem.fingerprints import fingerprints
from anchordrug.chem.structures import standardise
from tests.chem.molecules import real_smiles


@pytest.fixture(scope="module")
def nci_smiles() -> list[str]:
    """Real molecules that ship inside rdkit."""
    return [text for text in real_smiles() if Chem.MolFromSmiles(text) is not None]


@pytest.mark.parametrize(("radius", "bits"), [(2, 1024), (3, 2048)])
def test_bits_equal_deepchems(nci_smiles, radius, bits):
    pytest.importorskip("deepchem", reason="deepchem is not installed; it needs Python < 3.12")
    from deepchem.feat import CircularFingerprint

    theirs = CircularFingerprint(radius=radius, size=bits).featurize(nci_smiles)
    ours = fingerprints([Chem.MolFromSmiles(text) for text in nci_smiles], radius, bits)
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, theirs)


def test_no_molecules_give_no_rows():
    assert fingerprints([], 2, 512).shape == (0, 512)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)O"),  # salt
        ("C[NH3+].[Cl-]", "CN"),  # hydrochloride
        ("OC(=O)c1ccccc1.O", "O=C(O)c1ccccc1"),  # hydrate
        ("C[N+](=O)[O-]", "CN(=O)=O"),  # two ways to draw a nitro group
        ("c1ccccc1C", "Cc1ccccc1"),
    ],
)
def test_forms_of_one_compound_are_one_drug(one, other):
    assert standardise(one).inchikey == standardise(other).inchikey
    assert standardise(one).smiles == standardise(other).smiles


def test_stereo_isomers_stay_apart():
    assert standardise("C[C@H](N)C(=O)O").inchikey != standardise("C[C@@H](N)C(=O)O").inchikey


def test_standardising_twice_changes_nothing(nci_smiles):
    for text in [text for text in nci_smiles if "[Cu" not in text][:100]:
        once = standardise(text)
        assert standardise(once.smiles).inchikey == once.inchikey


@pytest.mark.parametrize("text", ["", "  ", "not a molecule", "C(C", "c1ccc1c", "restricted", "[Xx]"])
def test_what_is_no_structure_is_refused_quietly(text, capfd):
    with pytest.raises(ValueError, match=r"empty SMILES|not a valid SMILES"):
        standardise(text)
    assert capfd.readouterr().err == ""
