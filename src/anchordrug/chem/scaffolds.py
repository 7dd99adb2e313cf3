"""Bemis-Murcko scaffolds of drugs, and the order of drugs that a split by scaffold cuts."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold


def scaffold(smiles: str) -> str:
    """Return the Bemis-Murcko scaffold without chirality as SMILES, empty for a drug without rings.

    Raises
    ------
    ValueError
        `smiles` is not a valid SMILES.
    """
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ValueError(f"not a valid SMILES: {smiles!a}")
    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)


def scaffold_order(smiles: Sequence[str]) -> np.ndarray:
    """Return positions of `smiles` ordered by scaffold, int64 [drugs].

    Drugs of one scaffold are next to each other, large scaffolds first. So the tail of the order has
    scaffolds that the head does not. Of two scaffolds with equally many drugs, the one whose first drug
    comes later is first. Drugs without rings form a group like any other. The order equals that of
    deepchem's ``ScaffoldSplitter`` (the tests compare the two where deepchem is installed).

    Raises
    ------
    ValueError
        One of `smiles` is not a valid SMILES.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(smiles):
        groups[scaffold(text)].append(position)
    ordered = sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True)
    return np.array([position for group in ordered for position in group], dtype=np.int64)
