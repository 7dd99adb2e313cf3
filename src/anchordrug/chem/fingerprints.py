"""Morgan fingerprints of molecules."""

from collections.abc import Iterable
from functools import cache

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator

from anchordrug.errors import TableError


def fingerprints(molecules: Iterable[Chem.Mol], radius: int, bits: int) -> np.ndarray:
    """Return Morgan fingerprints as uint8 [molecules, bits]; radius 2 and 1024 bits are the paper's ECFP4.

    The bits equal those of deepchem's ``CircularFingerprint`` of the same radius and size, at about
    thirty times its speed (the tests compare the two).
    """
    generator = _generator(radius, bits)
    rows = [generator.GetFingerprintAsNumPy(molecule) for molecule in molecules]
    return np.stack(rows).astype(np.uint8) if rows else np.zeros((0, bits), np.uint8)


def fingerprints_of_smiles(smiles: Iterable[str], radius: int, bits: int) -> np.ndarray:
    """Return `fingerprints` of structures as they are written, uint8 [structures, bits].

    Raises
    ------
    TableError
        A SMILES cannot be read.
    """
    with rdBase.BlockLogs():
        molecules = [(text, Chem.MolFromSmiles(text)) for text in smiles]
    unread = [text for text, molecule in molecules if molecule is None]
    if unread:
        raise TableError(f"SMILES '{unread[0]}' cannot be read ({len(unread)} such); correct or remove it")
    return fingerprints((molecule for _, molecule in molecules), radius, bits)


@cache
def _generator(radius: int, bits: int):
    return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)


def packed_fingerprints(molecule: Chem.Mol, kinds: Iterable[tuple[int, int]]) -> tuple[bytes, ...]:
    """Return the Morgan fingerprints of a molecule for each (radius, bits), eight bits a byte.

    `numpy.unpackbits` undoes it.
    """
    arrays = (_generator(radius, bits).GetFingerprintAsNumPy(molecule) for radius, bits in kinds)
    return tuple(np.packbits(array).tobytes() for array in arrays)
