"""rdkit's ChargeParent, by the cheapest steps that give the same molecule."""

from functools import cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

_CHARGED = "[!+0]"
_HYDROGEN = "[#1]"


def charge_parent(fragment: Chem.Mol) -> Chem.Mol:
    """Return what `rdMolStandardize.ChargeParent` does of one fragment without a metal.

    rdkit makes its normaliser anew for every molecule, which takes most of its time, and cleans up before and
    after charges are taken off. Here the normaliser is made once. A molecule without a charge after the
    first cleanup has none to be taken off, so a second cleanup would find it as the first has left it.
    """
    clean = cleanup(fragment)
    if not clean.HasSubstructMatch(_pattern(_CHARGED)):
        return clean
    _tools()[2].unchargeInPlace(clean)
    # Also finds the valences that cannot be without the charge.
    return cleanup(Chem.RemoveHs(clean))


def cleanup(molecule: Chem.Mol) -> Chem.Mol:
    """Return what `rdMolStandardize.Cleanup` does of a molecule without a metal."""
    normaliser, reioniser, _ = _tools()
    with_hydrogen = molecule.HasSubstructMatch(_pattern(_HYDROGEN))
    clean = Chem.RemoveHs(molecule) if with_hydrogen else Chem.Mol(molecule)
    # Of several places to begin with, `normalize` would take another one.
    normaliser.normalizeInPlace(clean)
    # Protons move from acids to charged groups only.
    if clean.HasSubstructMatch(_pattern(_CHARGED)):
        reioniser.reionizeInPlace(clean)
    Chem.AssignStereochemistry(clean, cleanIt=True, force=True)
    return clean


@cache
def _pattern(smarts: str) -> Chem.Mol:
    return Chem.MolFromSmarts(smarts)


@cache
def _tools() -> tuple[rdMolStandardize.Normalizer, rdMolStandardize.Reionizer, rdMolStandardize.Uncharger]:
    return rdMolStandardize.Normalizer(), rdMolStandardize.Reionizer(), rdMolStandardize.Uncharger()
