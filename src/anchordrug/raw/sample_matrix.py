"""Matrices of samples x genes that may be too large or too sparse to be held whole: blocks, sums, checks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchordrug.errors import RawDataError
from anchordrug.raw.sheet import Sheet

MOST_VALUES = 2**26  # of a matrix that is held whole: 512 MiB of float64
_LOOKED_AT = 2**20  # values by which counts are told from other values


@dataclass(frozen=True)
class SampleMatrix:
    """One matrix of samples x genes, with a table of each.

    Attributes
    ----------
    path
        The file or folder.
    name
        The matrix's own name in it, such as 'X' or 'counts'.
    samples, genes
        One row per sample and one per gene, in the order of the matrix; the first column has their names.
    blocks
        Returns blocks (samples, genes, values): slices of the matrix, and its values there, as an array or as
        a sparse matrix of scipy, float64. The blocks cover the matrix once.
    """

    path: Path
    name: str
    samples: Sheet
    genes: Sheet
    blocks: Callable[[], Iterator[tuple[slice, slice, Any]]]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and of genes."""
        return len(self.samples.cells), len(self.genes.cells)

    def values(self) -> np.ndarray:
        """Return all values, float64 [samples, genes], NaN where missing.

        Raises
        ------
        RawDataError
            There are more than `MOST_VALUES`, one is infinite, or they cannot be read.
        """
        if self.shape[0] * self.shape[1] > MOST_VALUES:
            raise RawDataError(
                f"{self.path}: {self.name} has {self.shape[0]:,} x {self.shape[1]:,} values, more than "
                f"{MOST_VALUES:,}; keep fewer samples or genes, or sum single cells first"
            )
        whole = np.zeros(self.shape)
        for rows, columns, values in self._finite_blocks():
            whole[rows, columns] = values if isinstance(values, np.ndarray) else values.toarray()
        return whole

    def rows(self, wanted: Sequence[int]) -> np.ndarray:
        """Return the values of some samples, float64 [wanted, genes], NaN where missing.

        Raises
        ------
        RawDataError
            They are more than `MOST_VALUES`, one of the matrix is infinite, or they cannot be read.
        """
        groups = np.full(self.shape[0], -1)
        groups[list(wanted)] = np.arange(len(wanted))
        return self._added(groups, len(wanted))

    def sums(self, groups: np.ndarray, count: int) -> np.ndarray:
        """Return the sums of counts over groups of samples, float64 [count, genes].

        Parameters
        ----------
        groups
            int [samples]: the group of each sample, below `count`, or -1 for none.

        Raises
        ------
        RawDataError
            A value of a sample in a group is negative, fractional or missing; or there are more than
            `MOST_VALUES` sums.
        """
        return self._added(groups, count, require=self._require_counts)

    def _added(
        self, groups: np.ndarray, count: int, require: Callable[..., None] | None = None
    ) -> np.ndarray:
        """Return sums over groups; `require` checks every block before."""
        from scipy.sparse import csr_array

        if count * self.shape[1] > MOST_VALUES:
            raise RawDataError(
                f"{self.path}: {count:,} groups x {self.shape[1]:,} genes are more than {MOST_VALUES:,} "
                "sums; keep fewer groups or genes"
            )
        sums = np.zeros((count, self.shape[1]))
        for rows, columns, values in self._finite_blocks():
            own = groups[rows]
            used = np.flatnonzero(own >= 0)
            if require is not None:
                require(values, used, rows, columns)
            adder = csr_array((np.ones(len(used)), (own[used], used)), shape=(count, len(own)))
            added = adder @ values
            sums[:, columns] += added if isinstance(added, np.ndarray) else added.toarray()
        return sums

    def looks_like_counts(self) -> bool:
        """Return whether the first values are whole, not negative, and not all 0."""
        seen = np.empty(0)
        for _, _, values in self.blocks():
            seen = np.concatenate([seen, _numbers(values)[:_LOOKED_AT]])
            if len(seen) >= _LOOKED_AT:
                break
        known = seen[np.isfinite(seen)]
        return bool(known.any() and (known >= 0).all() and (known == np.floor(known)).all())

    def _finite_blocks(self) -> Iterator[tuple[slice, slice, Any]]:
        """Yield the blocks, without an infinite value in any."""
        for rows, columns, values in self.blocks():
            wrong = np.isinf(_numbers(values))
            if wrong.any():
                place, value = self._place(values, int(wrong.argmax()), rows.start, columns.start)
                raise RawDataError(f"{place}: {value:g} is not a number; leave the value out or correct it")
            yield rows, columns, values

    def _require_counts(self, values: Any, used: np.ndarray, rows: slice, columns: slice) -> None:
        """Refuse the first value of the `used` rows of a block that is not a count."""
        part = values[used]
        numbers = _numbers(part)
        wrong = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
        if not wrong.any():
            return
        place, value = self._place(part, int(wrong.argmax()), rows.start + used, columns.start)
        fault = "is negative" if value < 0 else "is not a whole number"
        fault = "is missing" if np.isnan(value) else fault
        raise RawDataError(
            f"{place}: {value:.6g} {fault}, so these are not raw counts; give the matrix of raw counts"
        )

    def _place(self, part: Any, place: int, rows: int | np.ndarray, first_column: int) -> tuple[str, float]:
        """Return where a value of a part of the matrix is, in words, and the value.

        `rows` are the samples of the part, or the first of them if they follow each other.
        """
        if isinstance(part, np.ndarray):
            row, column = divmod(place, part.shape[1])
        else:
            found = part.tocoo()
            row, column = int(found.row[place]), int(found.col[place])
        sample = self.samples.names(0)[rows + row if isinstance(rows, int) else rows[row]]
        gene = self.genes.names(0)[first_column + column]
        where = f"{self.path}: {self.name}: '{sample[:60]}', gene '{gene[:60]}'"
        return where, float(_numbers(part)[place])


def _numbers(values: Any) -> np.ndarray:
    """Return the stored values of a block."""
    return values.ravel() if isinstance(values, np.ndarray) else values.data
