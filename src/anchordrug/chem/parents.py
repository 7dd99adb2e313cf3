"""The parent of a structure: the drug without its counter-ions and solvents; a metal complex has none."""

import csv
from collections.abc import Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Literal, NamedTuple, cast

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from anchordrug.chem.charge_parent import charge_parent, cleanup, is_plain

# Named in exported models. Another rule gives some compounds another identity, and has another name.
PARENT_RULE = "anchordrug parent 2"
# The counter-ions and solvents, the most probable parent first; docs/howto/compounds.md names the sources.
TABLE = Path(__file__).with_name("counter_ions.csv")
# The first block of an InChIKey: a structure without charge by protons, stereo and isotopes.
SKELETON = 14
CARBON, NITROGEN = 6, 7
# With the metalloids, which no standardisation takes off.
NON_METALS = frozenset(
    {0, 1, 2, *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 85, 86, 117, 118}
)
ALKALI = frozenset({3, 11, 19, 37, 55, 87})
ALKALINE_EARTH = frozenset({4, 12, 20, 38, 56, 88})
# Those of a salt (the last four are Al, Zn, Ag and Bi, only as free ions); all others form complexes.
COUNTER_IONS = ALKALI | ALKALINE_EARTH | {13, 30, 47, 83}
# Those that are never the point of a salt with an organic counter-ion; lithium and zinc are.
INERT = frozenset({11, 12, 19, 20, 37, 55})

Kind = Literal["organic", "solvent", "inorganic"]
KINDS: tuple[Kind, ...] = ("organic", "solvent", "inorganic")


class CounterIon(NamedTuple):
    """A row of the table: its kind, its place among all, and its elements."""

    kind: Kind
    place: int
    formula: bytes


@cache
def counter_ions() -> dict[str, CounterIon]:
    """Return the table by the first block of each InChIKey, the most probable parent first."""
    found = {}
    with TABLE.open(encoding="utf-8", newline="") as file, rdBase.BlockLogs():
        for place, row in enumerate(csv.DictReader(file)):
            molecule = Chem.MolFromSmiles(row["smiles"])
            found[_skeleton(molecule)] = CounterIon(cast(Kind, row["kind"]), place, _formula(molecule))
    return found


@cache
def _formulas() -> frozenset[bytes]:
    return frozenset(counter_ion.formula for counter_ion in counter_ions().values())


def parent_of(molecule: Chem.Mol) -> Chem.Mol:
    """Return the parent of a structure, uncharged.

    A counter-ion or solvent is the parent only if no other organic fragment is there, an inorganic one only
    if there is nothing else. Of several other fragments the parent is the largest.

    Raises
    ------
    ValueError
        It is a metal complex, or a salt of which the metal is the point.
    """
    is_whole, plain = len(Chem.GetMolFrags(molecule)) == 1, is_plain(molecule)
    if is_whole and plain:
        return molecule
    # A metal is not plain.
    found = () if plain else molecule.GetSubstructMatches(_metal())
    metals = [molecule.GetAtomWithIdx(atom) for (atom,) in found]
    if not metals and is_whole:
        return charge_parent(molecule)
    if metals:
        _require_no_complex(molecule, metals)
    if not plain:
        molecule = rdMolStandardize.Cleanup(molecule) if metals else cleanup(molecule)
    chosen = _chosen(Chem.GetMolFrags(molecule, asMols=True), metals)
    if metals or len(chosen) > 1:
        return rdMolStandardize.ChargeParent(reduce(Chem.CombineMols, chosen), skipStandardize=True)
    return chosen[0] if plain else charge_parent(chosen[0])


@cache
def _metal() -> Chem.Mol:
    return Chem.MolFromSmarts(f"[{';'.join(f'!#{element}' for element in sorted(NON_METALS))}]")


def _require_no_complex(molecule: Chem.Mol, metals: Sequence[Chem.Atom]) -> None:
    """Check that each metal is the ion of a salt, or stays bound to carbon when the structure is cleaned."""
    cut = rdMolStandardize.MetalDisconnector().Disconnect(molecule)
    lost = [
        metal
        for metal in metals
        if not _is_of_a_salt(metal) and CARBON not in _neighbours(cut.GetAtomWithIdx(metal.GetIdx()))
    ]
    if lost:
        raise ValueError(f"holds a metal ({_symbols(lost)}) that standardisation would take off its ligands")


def _is_of_a_salt(metal: Chem.Atom) -> bool:
    """Say whether a metal is a counter-ion. Some files draw a bond from alkali metals to their anion."""
    element, neighbours = metal.GetAtomicNum(), _neighbours(metal)
    if element in ALKALI:
        return True
    if element in ALKALINE_EARTH:
        return not neighbours & {CARBON, NITROGEN}
    return element in COUNTER_IONS and not neighbours


def _neighbours(atom: Chem.Atom) -> set[int]:
    return {other.GetAtomicNum() for other in atom.GetNeighbors()}


def _chosen(fragments: Sequence[Chem.Mol], metals: Sequence[Chem.Atom]) -> list[Chem.Mol]:
    """Return the fragments of which the largest is the parent."""
    listed, others = [], []
    for fragment in fragments:
        elements = {atom.GetAtomicNum() for atom in fragment.GetAtoms()}
        if elements - NON_METALS and CARBON not in elements:
            continue
        # An InChIKey takes a third of a millisecond; almost no drug has a formula of the table.
        known = _formula(fragment) in _formulas()
        counter_ion = counter_ions().get(_skeleton(fragment)) if known else None
        if counter_ion is None:
            others.append((CARBON in elements, fragment))
        else:
            listed.append((counter_ion.place, counter_ion.kind, fragment))
    if others:
        organic = any(is_organic for is_organic, _ in others)
        return [fragment for is_organic, fragment in others if is_organic == organic]
    _, kind, first = min(listed, key=lambda row: row[0], default=(0, "inorganic", fragments[0]))
    points = metals if kind == "inorganic" else [m for m in metals if m.GetAtomicNum() not in INERT]
    if points:
        raise ValueError(
            f"holds a metal ({_symbols(points)}) that standardisation would take off, "
            "and next to it nothing but counter-ions"
        )
    return [first]


def _symbols(atoms: Sequence[Chem.Atom]) -> str:
    return ", ".join(dict.fromkeys(atom.GetSymbol() for atom in atoms))


def _formula(molecule: Chem.Mol) -> bytes:
    """Return the atomic numbers of the heavy atoms, sorted."""
    return bytes(sorted(atom.GetAtomicNum() for atom in molecule.GetAtoms() if atom.GetAtomicNum() > 1))


def _skeleton(molecule: Chem.Mol) -> str:
    return Chem.MolToInchiKey(molecule)[:SKELETON]
