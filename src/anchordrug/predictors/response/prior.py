"""The prior response of a drug: how it acted in other cell lines, and how drugs like it did.

The consensus of a drug over its source cell lines is shrunk towards the mean consensus of its nearest
neighbours, weighted by the cube of their similarity. So a drug that no source line has measured has a prior
too:

    prior = (sum of its responses + neighbours' mean) / (number of its lines + 1)
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.labels import DOWN, UP, labels_of
from anchordrug.predictors.base import Task
from anchordrug.predictors.response.packed_bits import PackedBits

NEIGHBOURS = 30
# Similarity is Tanimoto plus this where two drugs share their mechanisms of action.
SAME_MECHANISM = np.float32(0.1)
# z-scores beyond it say no more than that a gene changes; their size would drown the others.
LARGEST_Z = 4.0
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Evidence:
    """The evidence on n drugs before anything is measured in the target.

    Attributes
    ----------
    prior
        [n, genes] z.
    down, up
        [n, genes] share of the drug's source lines in which the gene went down or up.
    lines
        [n, 1] number of source lines that have measured the drug.
    nearest
        [n, 1] similarity of the most similar other drug of the source lines.
    """

    prior: Array
    down: Array
    up: Array
    lines: Array
    nearest: Array

    def unseen(self, ops: type) -> Array:
        """Return float32 [n, 1]: 1 where no source line has measured the drug, else 0."""
        return ops.cast(ops.equal(self.lines, np.float32(0)), np.float32)

    def unknown(self, ops: type) -> Array:
        """Return float64 [n, 1], how little the prior says: 1 for a new drug that has no like, 0 at least.

        It falls with the number of lines that measured the drug, and with the similarity of its nearest.
        """
        apart = ops.cast(self.nearest, np.float64) * np.float64(-1) + np.float64(1)
        return ops.maximum(apart, np.float64(0)) / (ops.cast(self.lines, np.float64) + np.float64(1))

    def of(self, rows: np.ndarray) -> "Evidence":
        """Return the evidence of some of the drugs, by their positions or a mask."""
        return Evidence(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class ResponsePrior:
    """Tables of the drugs of the atlas, and for a drug that is not in it.

    Only `known` drugs, which source lines have measured, have a row with a number per gene: a library
    may hold a million others.

    Attributes
    ----------
    bits
        [drugs, bits].
    mechanism
        int64 [drugs], equal for drugs of the same mechanisms, negative where unknown.
    lines
        float32 [drugs + 1] number of source lines; the last is that of a drug outside the atlas.
    counts
        float32 [known + 1, 1]: the same; or [known + 1, genes] where some lines measured part of the genes.
    total, down, up
        float32 [known + 1, genes]: sum of responses, and number of lines with the label; the last row, of all
        other drugs, is 0.
    """

    bits: PackedBits
    mechanism: np.ndarray
    lines: np.ndarray
    counts: np.ndarray
    total: np.ndarray
    down: np.ndarray
    up: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """Consensus of the known drugs, float32 [known, genes]."""
        return (self.total / np.maximum(self.counts, 1))[:-1]

    @cached_property
    def known(self) -> np.ndarray:
        """int64 rows of the drugs that source lines have measured."""
        return np.flatnonzero(self.lines[:-1])

    @cached_property
    def row_of(self) -> np.ndarray:
        """int64 [drugs + 1], each drug's row in the tables of known drugs."""
        result = np.full(len(self.lines), len(self.known))
        result[self.known] = np.arange(len(self.known))
        return result

    def similarity(self, ops: type, bits: Array, row: Array, drugs: np.ndarray) -> Array:
        """Return the similarity [n, m] of n drugs to `drugs`, rows of the atlas; at most 1.1."""
        columns = self._known_columns if drugs is self.known else self._columns(drugs)
        mechanism_of = self.mechanism[drugs]
        both = bits @ columns
        tanimoto = both / ops.maximum(ops.total(bits) + columns.sum(axis=0) - both, np.float32(1))
        asked = np.append(np.where(self.mechanism < 0, -1, self.mechanism), -1)
        known = np.where(mechanism_of < 0, -2, mechanism_of)
        same = ops.equal(ops.expand(ops.rows(asked, row), 1), known)
        return tanimoto + ops.cast(same, np.float32) * SAME_MECHANISM

    def _columns(self, drugs: np.ndarray) -> np.ndarray:
        """Return the bits of `drugs`, float32 [bits, drugs]."""
        return np.ascontiguousarray(self.bits[drugs].T)

    @cached_property
    def _known_columns(self) -> np.ndarray:
        # Asked for by every block of a library.
        return self._columns(self.known)

    def self_similarity(self, ops: type, bits: Array, row: Array) -> Array:
        """Return the similarity of n drugs to themselves, [n, 1]."""
        mechanism = SAME_MECHANISM * np.append(self.mechanism >= 0, False).astype(np.float32)
        return ops.cast(ops.total(bits) > np.float32(0), np.float32) + ops.expand(ops.rows(mechanism, row), 1)

    def evidence(self, ops: type, bits: Array, row: Array) -> Evidence:
        """Return the evidence on n drugs with `bits` float32 [n, bits] and atlas `row` int64 [n] (or -1).

        A drug is never its own neighbour. Neighbours are the drugs of source lines that are at least as
        similar as the 30th; those without any similarity count for nothing.
        """
        similarity = self.similarity(ops, bits, row, self.known)
        similarity = ops.where(ops.equal(ops.expand(row, 1), self.known), np.float32(-1), similarity)
        nearest = ops.maximum(ops.kth_largest(similarity, 1), np.float32(0))
        cut = ops.kth_largest(similarity, min(NEIGHBOURS, len(self.known)))
        positive = ops.maximum(similarity, np.float32(0))
        weights = ops.where(similarity >= cut, positive * positive * positive, np.float32(0))
        neighbours = (weights @ self.mean) / ops.maximum(
            self._weight_of_neighbours(ops, weights), np.float32(1e-12)
        )
        of_known = ops.rows(self.row_of, row)
        counts = ops.rows(self.counts, of_known)
        seen = ops.maximum(counts, np.float32(1))
        return Evidence(
            (ops.rows(self.total, of_known) + neighbours) / (counts + np.float32(1)),
            ops.rows(self.down, of_known) / seen,
            ops.rows(self.up, of_known) / seen,
            ops.expand(ops.rows(self.lines, row), 1),
            nearest,
        )

    def _weight_of_neighbours(self, ops: type, weights: Array) -> Array:
        """Return the sums of `weights` [n, known] over neighbours that measured a gene, [n, 1 or genes]."""
        if self.counts.shape[1] == 1:
            return ops.total(weights)
        return weights @ (self.counts[:-1] > 0).astype(np.float32)

    def evidence_of(self, drugs: np.ndarray) -> Evidence:
        """Return the evidence on `drugs`, int64 rows of the atlas, as numpy arrays."""
        parts = [
            self.evidence(NumpyOps, self.bits[part], part)
            for part in np.split(drugs, range(ROWS_AT_ONCE, len(drugs), ROWS_AT_ONCE))
        ]
        names = [field.name for field in fields(Evidence)]
        return Evidence(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def clipped(z: np.ndarray) -> np.ndarray:
    """Return z-scores with their size limited to `LARGEST_Z`."""
    return np.clip(z, -LARGEST_Z, LARGEST_Z)


def mechanism_codes(mechanisms: list[str | None]) -> np.ndarray:
    """Return a number for every distinct mechanism text, int64 [drugs]; -1 where there is none."""
    codes = {name: code for code, name in enumerate(sorted({name for name in mechanisms if name}))}
    return np.array([codes[name] if name else -1 for name in mechanisms], np.int64)


def mechanisms_of(drugs: pd.DataFrame) -> list[str | None]:
    """Return the mechanism of action of every row of a drug table, None where unknown."""
    return [text if isinstance(text, str) and text else None for text in drugs["moa"]]


def prior_of(task: Task) -> ResponsePrior:
    """Return the prior that the source lines of `task` give, with a row per drug of the atlas."""
    mechanism = mechanism_codes(mechanisms_of(task.sources.drugs))
    return prior_from(task.sources, PackedBits.of(task.features.drugs), mechanism, task.threshold)


def prior_from(
    sources: ResponseAtlas, bits: PackedBits, mechanism: np.ndarray, threshold: float
) -> ResponsePrior:
    """Return the prior that the experiments of the source lines give.

    Parameters
    ----------
    bits
        Those of every drug of the atlas.
    mechanism
        As `mechanism_codes` returns.
    threshold
        |z| beyond which a gene is down or up.
    """
    labels, measured = labels_of(sources.z, threshold), np.isfinite(sources.z)
    lines = np.bincount(sources.drug, minlength=len(sources.drugs) + 1).astype(np.float32)
    counts = np.append(lines[lines > 0], np.float32(0))[:, None]
    if not measured.all():
        counts = sum_by_drug(sources, measured.astype(np.float32))
    return ResponsePrior(
        bits,
        mechanism,
        lines,
        counts,
        sum_by_drug(sources, np.nan_to_num(clipped(sources.z))),
        sum_by_drug(sources, (labels == DOWN).astype(np.float32)),
        sum_by_drug(sources, (labels == UP).astype(np.float32)),
    )


def sum_by_drug(sources: ResponseAtlas, values: np.ndarray) -> np.ndarray:
    """Return the sums of `values` float32 [experiments, genes] over the experiments of each drug.

    float32 [known + 1, genes]: one row per drug that has an experiment, in the order of the atlas, and a last
    row of zeros.
    """
    from scipy.sparse import csr_array

    known, row = np.unique(sources.drug, return_inverse=True)
    shape = (len(known) + 1, len(row))
    ones = np.ones(len(row), np.float32)
    return csr_array((ones, (row, np.arange(len(row)))), shape) @ values
