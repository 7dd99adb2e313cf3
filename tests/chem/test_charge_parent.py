"""The charge parent against rdkit's own."""

import random
import re

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from anchordrug.chem.charge_parent import charge_parent, cleanup, is_plain
from anchordrug.chem.parents import NON_METALS
from tests.chem.molecules import real_smiles

# Each is one that some step of rdkit changes: charges, protons, odd ways to draw a group, radicals, isotopes.
GROUPS = (
    *("[NH3+]", "[O-]", "C([O-])=O", "[N+](C)(C)C", "[S-]", "[N-]", "[CH2-]", "[B-]", "[SH2+]", "[O-][n+]"),
    *("N(=O)=O", "N=N#N", "S(=O)C", "[SH](=O)=O", "C([O-])=[N+]", "[S+]([O-])C", "I(=O)=O", "C=[N+]=[N-]"),
    *(
        "C(O)=N",
        "[H]",
        "[2H]",
        "[13CH3]",
        "[CH2]",
        "/C=C/C",
        "[C@H](F)Cl",
        "[N-]C([O-])=[N+]",
        "P(=O)(O)[O-]",
        "[N+](=O)[O-]",
        "C(=O)O",
        "S(=O)(=O)O",
    ),
)


def altered(count: int) -> list[Chem.Mol]:
    """Return fragments that are real molecules with some of `GROUPS` in them."""
    drawn, bases, found = random.Random(0), real_smiles(), []
    with rdBase.BlockLogs():
        while len(found) < count:
            text = drawn.choice(bases)
            for _ in range(drawn.randint(1, 3)):
                group, place = drawn.choice(GROUPS), drawn.randint(0, len(text))
                instead = re.sub(r"(?<![A-Za-z\[@])([NOCS])(?![a-z\]])", group, text, count=1)
                text = drawn.choice((text + group, f"{text[:place]}({group}){text[place:]}", instead))
            molecule = Chem.MolFromSmiles(text)
            found += parts(molecule)
    return found


def parts(molecule: Chem.Mol | None) -> tuple[Chem.Mol, ...]:
    """Return the fragments of a molecule without metals, else none."""
    if molecule is None or any(atom.GetAtomicNum() not in NON_METALS for atom in molecule.GetAtoms()):
        return ()
    return Chem.GetMolFrags(molecule, asMols=True)


def test_it_is_what_rdkit_gives():
    fragments = [part for text in real_smiles() for part in parts(Chem.MolFromSmiles(text))]
    changed = plain = 0
    with rdBase.BlockLogs():
        for molecule in (*fragments, *altered(500)):
            before = Chem.MolToSmiles(molecule)
            for ours, theirs in (
                (charge_parent, rdMolStandardize.ChargeParent),
                (cleanup, rdMolStandardize.Cleanup),
            ):
                expected = Chem.MolToSmiles(theirs(molecule))
                assert Chem.MolToSmiles(ours(molecule)) == expected, before
                changed += expected != before
                # It is not looked at again.
                assert expected == before or not is_plain(molecule), before
            plain += is_plain(molecule)
            assert Chem.MolToSmiles(molecule) == before
    assert changed > 300
    assert plain > len(fragments) * 0.8
