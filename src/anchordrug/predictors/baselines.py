"""Baselines without a model: predictions that every evaluation shows next to the chosen predictor."""

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.chem.similarity import tanimoto
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.labels import NONE, labels_of

THRESHOLDS = tuple(round(0.3 + 0.1 * step, 1) for step in range(18))
NEIGHBOURS = 10


def all_none(drugs: int, genes: int) -> np.ndarray:
    """Return label none for every drug and gene, int8 [drugs, genes]."""
    return np.full((drugs, genes), NONE, np.int8)


def gene_majority(anchor_labels: np.ndarray, drugs: int) -> np.ndarray:
    """Return for every drug each gene's most frequent label among the anchors, int8 [drugs, genes]."""
    counts = np.stack([(anchor_labels == label).sum(axis=0) for label in range(3)])
    return np.tile(counts.argmax(axis=0).astype(np.int8), (drugs, 1))


def consensus_threshold(sources: ResponseAtlas, threshold: float) -> float:
    """Return the |z| at which a consensus best predicts labels, learned on the source lines alone.

    A mean over cell lines is smaller than its members, so the labels' own threshold is too strict for
    it. Every source line is used as the target in turn, its drugs predicted from the other source lines.
    """
    total, lines = sources.consensus()
    again = lines[sources.drug] > 1
    counts = np.zeros(total.shape, np.int64)
    np.add.at(counts, sources.drug, np.isfinite(sources.z))
    count = counts[sources.drug][again]
    # A gene that no other line has measured is none; a gene that this line has not measured is not scored.
    rest = (total[sources.drug][again] * count - sources.z[again]) / np.maximum(count - 1, 1)
    rest = np.where(count > 1, rest, 0)
    measured = labels_of(sources.z[again], threshold)
    if not len(measured):
        return threshold
    scores = [macro_f1(measured, labels_of(rest, candidate)) for candidate in THRESHOLDS]
    return THRESHOLDS[int(np.argmax(scores))]


def neighbour_consensus(sources: ResponseAtlas, fingerprints: np.ndarray, drugs: np.ndarray) -> np.ndarray:
    """Return z float32 [drugs, genes]: Tanimoto-weighted mean consensus of the ten nearest other drugs.

    Parameters
    ----------
    fingerprints
        [all drugs, bits], non-zero where a bit is set.
    drugs
        int64 rows of the drug table to predict; a drug is never its own neighbour. Where no other drug is
        known, z is 0.
    """
    consensus, lines = sources.consensus()
    known = np.flatnonzero(lines)
    similarity = tanimoto(fingerprints[drugs], fingerprints[known])
    similarity[drugs[:, None] == known[None]] = -1
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]
    near = np.take_along_axis(similarity, nearest, axis=1)
    # The smallest weight keeps neighbours without a common bit; the drug itself has none at all.
    weights = np.where(near < 0, 0, np.maximum(near, 1e-6))
    total = weights.sum(axis=1, keepdims=True)
    weights /= np.where(total > 0, total, 1)
    return np.einsum("dn,dng->dg", weights, consensus[known][nearest]).astype(np.float32)
