"""A signature x gene matrix on disk, read in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError
from anchordrug.raw.names import check_ids
from anchordrug.raw.text import MISSING_NUMBER

# Reading over this many unwanted values costs no more than one more call into HDF5 (about 0.1 ms).
_CHEAP_GAP = 2**14


@dataclass(frozen=True)
class SignatureMatrix:
    """An open Level 5 matrix and the metadata that its file carries.

    Attributes
    ----------
    path
        The file.
    signatures
        One row per signature in file order; first column 'sig_id', then the file's own columns.
    genes
        One row per gene in file order; first column 'gene_id', then the file's own columns.
    chunk_rows
        Signatures that the file stores, and so reads, together.
    read
        ``read(rows, columns)`` returns that rectangle [signatures, genes] of the file.
    places
        ``places(rows, columns)`` returns the ranges of bytes (first, after the last) in which the file has
        sorted rows of a span of columns; None for text.
    cheap_gap
        So many unwanted values are read over rather than skipped.
    """

    path: Path
    signatures: pd.DataFrame
    genes: pd.DataFrame
    chunk_rows: int
    read: Callable[[slice, slice], np.ndarray]
    places: Callable[[np.ndarray, slice], list[tuple[int, int]]] | None = None
    cheap_gap: int = _CHEAP_GAP

    def __post_init__(self):
        for noun, ids in (("signature", self.signatures["sig_id"]), ("gene", self.genes["gene_id"])):
            if ids.empty:
                raise RawDataError(f"{self.path}: holds no {noun}s; export it again")
            check_ids(self.path, f"{noun} id", ids, noun)

    @cached_property
    def signature_ids(self) -> list[str]:
        """Signature ids in file order."""
        return self.signatures["sig_id"].tolist()

    @cached_property
    def gene_ids(self) -> list[str]:
        """Gene ids in file order."""
        return self.genes["gene_id"].tolist()

    def blocks(
        self, rows: np.ndarray, columns: np.ndarray, block_rows: int = 2048
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Stream the values of some signatures and genes in the order of the file.

        Memory is bounded by `block_rows` x the span of `columns`, whatever the size of the file: a block
        covers at most `block_rows` neighbouring rows of the file, and holds those of them that are wanted.

        Parameters
        ----------
        rows
            Integer positions of signatures in the file, in any order, repeats allowed.
        columns
            Integer positions of genes in the file, in any order, repeats allowed.
        block_rows
            Rows of the file that one block covers, at least 1.

        Yields
        ------
        positions, block
            Positions into `rows` [n] and their float32 values [n, len(columns)] in C order; missing
            values are NaN. Every position is yielded once.

        Raises
        ------
        IndexError
            A position is outside the matrix.
        RawDataError
            The file cannot be read, because it is cut or damaged.
        """
        rows = _positions(rows, len(self.signatures), "row")
        columns = _positions(columns, len(self.genes), "column")
        # Whole chunks, so that no chunk is decompressed twice, unless one chunk is larger than a block.
        band = block_rows - block_rows % self.chunk_rows or block_rows
        order = np.argsort(rows, kind="stable")
        for positions in _split_where(order, np.diff(rows[order] // band) > 0):
            yield positions, self._gather(rows[positions], columns)

    def _gather(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Read sorted `rows` [n] at `columns` [m] by ranges: one call per run of neighbouring rows."""
        block = np.empty((len(rows), len(columns)), dtype=np.float32)
        if not len(columns):
            return block
        left = columns.min()
        span = slice(int(left), int(columns.max()) + 1)
        gap = max(self.chunk_rows, self.cheap_gap // (span.stop - span.start))
        for run in _split_where(np.arange(len(rows)), np.diff(rows) > gap):
            top = rows[run[0]]
            values = self.read(slice(int(top), int(rows[run[-1]]) + 1), span)
            block[run] = values[np.ix_(rows[run] - top, columns - left)]
        block[block == MISSING_NUMBER] = np.nan
        return block


def _positions(values: np.ndarray, size: int, noun: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.intp)
    if len(values) and not (values.min() >= 0 and values.max() < size):
        raise IndexError(f"{noun} positions {values.min()} to {values.max()} are outside 0 to {size - 1}")
    return values


def _split_where(values: np.ndarray, cuts: np.ndarray) -> list[np.ndarray]:
    """Split `values` [n] after every true of `cuts` [n - 1]; nothing gives no parts."""
    return np.split(values, np.flatnonzero(cuts) + 1) if len(values) else []
