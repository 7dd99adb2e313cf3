"""Drug structures: standardisation, identity (InChIKey) and Morgan fingerprints, with rdkit alone."""

import re
from dataclasses import dataclass
from functools import cached_property

from rdkit import Chem, rdBase

from anchordrug.chem.parents import parent_of

# A larger structure is refused before rdkit spends minutes on it.
MOST_ATOMS = 500
MOST_CHARACTERS = {"SMILES": 10_000, "molblock": 200_000}


@dataclass(frozen=True)
class Drug:
    """A standardised structure: its molecule and InChIKey."""

    molecule: Chem.Mol
    inchikey: str

    @cached_property
    def smiles(self) -> str:
        """The canonical SMILES."""
        return Chem.MolToSmiles(self.molecule)


def standardise(structure: str) -> Drug:
    """Return the parent structure of a SMILES or molblock: cleaned, largest fragment, uncharged, stereo kept.

    So salts and charge states of one compound share one InChIKey; stereo-isomers do not.

    Raises
    ------
    ValueError
        The text is empty, is neither, is not a small molecule, or has no InChIKey (rdkit's reason is in the
        message).
    """
    text = structure.strip(" \t\r\n")
    kind = "molblock" if "\n" in text else "SMILES"
    if not text:
        raise ValueError("empty SMILES")
    if len(text) > MOST_CHARACTERS[kind]:
        raise ValueError(
            f"{len(text):,} characters; no small molecule has more than {MOST_CHARACTERS[kind]:,}"
        )
    if "\0" in text:
        raise ValueError(f"not a valid {kind}: it holds a null character")
    # A name may follow a SMILES. Such characters before and after it rdkit would leave out without a word.
    odd = re.search(r"^[^ \t]*?([^ -~\t])", text) if kind == "SMILES" else None
    if odd is not None:
        raise ValueError(f"not a valid SMILES: it holds {odd[1]!a}")
    with rdBase.BlockLogs():
        try:
            # The lines of a molblock count, the first of which may be empty.
            molecule = Chem.MolFromSmiles(text) if kind == "SMILES" else Chem.MolFromMolBlock(structure)
            if molecule is None or molecule.GetNumAtoms() == 0:
                raise ValueError(f"not a valid {kind}")
            if molecule.GetNumAtoms() > MOST_ATOMS:
                atoms = molecule.GetNumAtoms()
                raise ValueError(f"{atoms:,} atoms; no small molecule has more than {MOST_ATOMS}")
            parent = parent_of(molecule)
            inchikey = Chem.MolToInchiKey(parent)
        except (Chem.MolSanitizeException, RuntimeError) as error:
            raise ValueError(f"cannot be standardised ({' '.join(str(error).split())})") from error
    if not inchikey:
        raise ValueError("no InChIKey can be made of it")
    return Drug(parent, inchikey)
