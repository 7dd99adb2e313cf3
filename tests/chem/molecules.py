"""Molecules for tests: real molecules, and graphs that cost rdkit more time than it gets."""

from pathlib import Path

from rdkit import RDConfig


def real_smiles() -> list[str]:
    lines = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()
    return [line.split()[0] for line in lines[:400]]


def ring_bonds(edges: list[tuple[int, int]], atom: str, atoms: int) -> str:
    """Return a SMILES in which every bond is a ring closure."""
    closures: list[str] = [""] * atoms
    free = list(range(1, 1000))
    taken: dict[tuple[int, int], int] = {}
    for one in range(atoms):
        for edge in sorted(edge for edge in edges if one in edge):
            number = taken.pop(edge, None)
            if number is None:
                number = taken[edge] = free.pop(0)
            else:
                free.insert(0, number)
            closures[one] += f"%({number})"
    return ".".join(f"[{atom}]{one}" for one in closures)


def bipartite(n: int) -> str:
    """Return n iron atoms, each bound to n others: rdkit's search for rings grows out of hand."""
    return ring_bonds([(one, n + other) for one in range(n) for other in range(n)], "Fe", 2 * n)
