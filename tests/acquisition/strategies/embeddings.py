"""Predictors with embeddings, and plain loops over embeddings that are built in full."""

import numpy as np

from tests.acquisition.fakes import Stored, random_probabilities


def random_predictor(seed, drugs=14, genes=5, width=4, coarse=False, offset=0.0):
    rng = np.random.default_rng(seed)
    vectors = offset + (
        rng.integers(-1, 2, (drugs, genes, width)) if coarse else rng.normal(size=(drugs, genes, width))
    )
    return Stored(random_probabilities(rng, drugs, genes), vectors=vectors, genes_at_once=1 + seed % 6)


def embeddings_of(predictor):
    """float64 [drugs, genes x width]."""
    return predictor.vectors.astype(float).reshape(len(predictor.vectors), -1)


def gradients_of(predictor):
    """float64 [drugs, genes x 3 x width]: the gradients of the last layer's weights, gene after gene."""
    rows = []
    for p, vectors in zip(predictor.table.astype(float), predictor.vectors.astype(float), strict=True):
        parts = []
        for gene, vector in zip(p, vectors, strict=True):
            likeliest = np.zeros(3)
            likeliest[gene.argmax()] = 1
            parts.append(np.outer(gene - likeliest, vector).ravel())
        rows.append(np.concatenate(parts))
    return np.array(rows)


def squared(a, b):
    return float(((a - b) ** 2).sum())


def seeds_by_loop(rows, first, batch, rng):
    """k-means++ seeds and the distance at which each was drawn."""
    chosen, scores = [first], [0.0]
    while len(chosen) < batch:
        nearest = np.array([min(squared(row, rows[centre]) for centre in chosen) for row in rows])
        nearest[chosen] = 0
        pick = int(rng.choice(len(rows), p=nearest / nearest.sum()))
        scores.append(nearest[pick] ** 0.5)
        chosen.append(pick)
    return chosen, scores
