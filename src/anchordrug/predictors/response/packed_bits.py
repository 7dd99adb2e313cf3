"""The bits of many structures, packed: a million drugs of 1,024 bits take 128 MB."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PackedBits:
    """Rows of bits; indexing, as of an array, gives float32 [n, bits] of 0 and 1.

    Attributes
    ----------
    packed
        uint8 [drugs, bytes], eight bits each.
    width
        Number of bits.
    """

    packed: np.ndarray
    width: int

    @classmethod
    def of(cls, fingerprints: np.ndarray) -> "PackedBits":
        """Pack [drugs, bits] numbers; a bit is set where one is above 0."""
        return cls(np.packbits(fingerprints > 0, axis=1), fingerprints.shape[1])

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.unpackbits(self.packed[rows], axis=-1, count=self.width).astype(np.float32)
