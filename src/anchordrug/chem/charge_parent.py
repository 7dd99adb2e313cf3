"""rdkit's ChargeParent, by the cheapest steps that give the same molecule."""

from functools import cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

_CHARGED = "[!+0]"
_HYDROGEN = "[#1]"
# Every rule of rdkit's normaliser begins with a charge, with nitrogen, phosphorus, arsenic or antimony of
# more bonds than three, or with sulphur of four. Rules of later versions begin with the last two groups.
_RARE = "!#6&!#7&!#8&!#9&!#16&!#17&!#35&!#53,#16&!v2&!v6,$([OX2H][#6]=[#7]),$([#9,#17,#35,#53;X0])"
_NOT_PLAIN = f"[!+0,#7!v3,{_RARE}]"
# No rule begins with the charges of a nitro group on carbon, and no acid gives its proton to them.
_NITRO = "!$([O-X1][N+X3](=[OX1])[#6])&!$([N+X3](=[OX1])([O-X1])[#6])"
_NOT_PLAIN_NOR_NITRO = f"[!+0&{_NITRO},#7!v3&{_NITRO},{_RARE}]"


def is_plain(fragment: Chem.Mol) -> bool:
    """Say whether no step of rdkit's ChargeParent can change a fragment, by its atoms and bonds alone.

    It has no charge but those of nitro groups, no hydrogen of its own, none of the rarer elements, and no
    group that a rule of the normaliser begins with.
    """
    # The first pattern takes half the time, and most drugs have no nitro group.
    return any(
        not fragment.HasSubstructMatch(_pattern(smarts)) for smarts in (_NOT_PLAIN, _NOT_PLAIN_NOR_NITRO)
    )


def charge_parent(fragment: Chem.Mol) -> Chem.Mol:
    """Return `rdMolStandardize.ChargeParent` of one fragment without a metal.

    rdkit makes its normaliser again for every molecule, which takes most of its time, and cleans up before
    and after charges are taken off. Here the normaliser is made once. A molecule without a charge after the
    first cleanup does not need uncharging, so a second cleanup would find it as the first has left it.
    """
    clean = cleanup(fragment)
    if not clean.HasSubstructMatch(_pattern(_CHARGED)):
        return clean
    _tools()[2].unchargeInPlace(clean)
    # Also finds the valences that cannot be without the charge.
    return cleanup(Chem.RemoveHs(clean))


def cleanup(molecule: Chem.Mol) -> Chem.Mol:
    """Return `rdMolStandardize.Cleanup` of a molecule without a metal."""
    normaliser, reioniser, _ = _tools()
    with_hydrogen = molecule.HasSubstructMatch(_pattern(_HYDROGEN))
    clean = Chem.RemoveHs(molecule) if with_hydrogen else Chem.Mol(molecule)
    # If there are several places to begin with, `normalize` would take another.
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
