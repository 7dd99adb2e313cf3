"""Real molecules for the simulated bundle, from the NCI file that ships with rdkit, by chemical family."""

from pathlib import Path

from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import rdMolDescriptors

from anchordrug.files.atomic import require_file

MOLECULES = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
# One family per mechanism. A molecule belongs to the first pattern that it matches, so rare patterns come
# first.
FAMILIES = {
    "pyrazolopyrimidine": "c1ncc2cnnc2n1",
    "purine": "c1ncc2ncnc2n1",
    "thiosemicarbazide": "NC(=S)NN",
    "quinone": "O=C1[#6]~[#6]C(=O)[#6]~[#6]1",
    "quinoline": "c1ccc2ncccc2c1",
    "sulfonamide": "cS(=O)(=O)[N,O]",
    "azo": "c[#7]=[#7]c",
    "carbamate": "[#7]C(=O)O[#6]",
    "imide": "O=C[NX3]C=O",
    "hydrazone": "[#6]=NN",
    "nitroarene": "c[N+](=O)[O-]",
    "benzoate": "OC(=O)c1ccccc1",
    "aryl ketone": "cC(=O)c",
    "anilide": "cNC(=O)[#6]",
}
ELEMENTS = {"C", "N", "O", "S", "F", "Cl", "Br", "I"}


def families() -> list[list[str]]:
    """Return the canonical SMILES of the drug-like molecules of each of `FAMILIES`, in the order of the file.

    Raises
    ------
    RawDataError
        rdkit comes without its NCI molecules.
    """
    patterns = [Chem.MolFromSmarts(smarts) for smarts in FAMILIES.values()]
    members: list[dict[str, None]] = [{} for _ in patterns]  # dicts, because sets have no order
    require_file(MOLECULES, "install rdkit from its wheel (pip install rdkit)")
    with rdBase.BlockLogs(), MOLECULES.open(encoding="utf-8") as lines:
        for line in lines:
            molecule = Chem.MolFromSmiles(line.split()[0])
            if molecule is None or not _is_drug_like(molecule):
                continue
            family = next((i for i, p in enumerate(patterns) if molecule.HasSubstructMatch(p)), None)
            if family is not None:
                members[family][Chem.MolToSmiles(molecule)] = None
    return [list(family) for family in members]


def _is_drug_like(molecule: Chem.Mol) -> bool:
    """Tell whether `molecule` is one organic fragment of 10 to 40 heavy atoms, with a ring, not floppy."""
    return (
        10 <= molecule.GetNumHeavyAtoms() <= 40
        and len(Chem.GetMolFrags(molecule)) == 1
        and molecule.GetRingInfo().NumRings() > 0
        and rdMolDescriptors.CalcNumRotatableBonds(molecule) <= 8
        and all(atom.GetSymbol() in ELEMENTS for atom in molecule.GetAtoms())
    )


def respelled(smiles: str) -> str:
    """Return another SMILES of the same structure, which starts at its last atom."""
    molecule = Chem.MolFromSmiles(smiles)
    return Chem.MolToSmiles(molecule, canonical=False, rootedAtAtom=molecule.GetNumAtoms() - 1)


def inchikey_of(smiles: str) -> str:
    """Return the InChIKey of `smiles`, empty where it has none; nothing is standardised."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles else None
        return "" if molecule is None else Chem.MolToInchiKey(molecule)
