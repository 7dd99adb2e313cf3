"""How far a drug's predicted response resembles a signature, or reverses it.

The weighted connectivity score is that of the Connectivity Map (Subramanian et al., Cell 171:1437, 2017).
Genes are ranked by the drug's response. A weighted Kolmogorov-Smirnov statistic (Subramanian et al., PNAS
102:15545, 2005) measures how near the signature's up genes are to one end, and its down genes to the other.
Genes are ranked and weighted by their expected change (`expected_change`), so a gene about which little is
known counts for little.
"""

from dataclasses import dataclass

import numpy as np

# Scores that are equal but for rounding count as equal.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Signature:
    """The effect of a disease, or of another drug, on a predictor's genes.

    Attributes
    ----------
    values
        float64 [genes], 0 for genes without a value.
    up, down
        int64 positions of the genes that go up and down, at least one in all.
    """

    values: np.ndarray
    up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Scores of n drugs, float64 [n] each: positive for likeness to the signature, negative for reversal.

    A p-value is how often a signature with permuted genes scores as extremely, (r + 1) / (permutations + 1).
    """

    connectivity: np.ndarray
    p_connectivity: np.ndarray
    cosine: np.ndarray
    p_cosine: np.ndarray


def expected_change(probabilities: np.ndarray, z: np.ndarray | None) -> np.ndarray:
    """Return the expected change of each gene, float64 [n, genes]: z times the probability that it changes.

    Without a predicted z, the difference of the probabilities of up and down.

    Parameters
    ----------
    probabilities
        [n, genes, 3] of down, none, up.
    z
        [n, genes].
    """
    down, none, up = (probabilities[..., label].astype(np.float64) for label in range(3))
    return up - down if z is None else z * (1 - none)


def score(
    responses: np.ndarray, signature: Signature, permutations: int, seed: int, *, reverse: bool
) -> Scores:
    """Score drugs against a signature, and against permutations of its genes.

    Parameters
    ----------
    responses
        [n, genes] of `expected_change`. A drug's scores do not depend on the other drugs.
    reverse
        Whether low scores are wanted; p-values are one-sided.
    """
    rng = np.random.default_rng(seed)
    genes = responses.shape[1]
    # The same permutations for all drugs; the first is the identity.
    places = np.stack([np.arange(genes), *(rng.permutation(genes) for _ in range(permutations))])
    order = np.argsort(-responses, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(genes), order.shape), axis=1)
    weight = np.abs(responses)
    up, down = places[:, signature.up], places[:, signature.down]
    connectivity = np.array(
        [
            _connectivity(_enrichment(ranks, weights, up), _enrichment(ranks, weights, down), signature)
            for ranks, weights in zip(rank, weight, strict=True)
        ]
    ).reshape(len(responses), permutations + 1)
    permuted = np.zeros(places.shape)
    np.put_along_axis(permuted, places, np.broadcast_to(signature.values, places.shape), axis=1)
    sizes = np.linalg.norm(responses, axis=1)[:, None] * np.linalg.norm(signature.values)
    cosine = responses @ permuted.T / np.where(sizes > 0, sizes, 1)
    return Scores(
        connectivity[:, 0], _p_values(connectivity, reverse), cosine[:, 0], _p_values(cosine, reverse)
    )


def _enrichment(rank: np.ndarray, weight: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return the enrichment score of each of `sets` [k, m] of genes in a ranked list, [k].

    The running sum has its extremes at the genes of the set: just after one, or just before. A set of
    genes without any response is enriched nowhere: their order among each other means nothing.
    """
    k, m = sets.shape
    if not m:
        return np.zeros(k)
    by_rank = np.argsort(rank[sets], axis=1)
    genes = np.take_along_axis(sets, by_rank, axis=1)
    hits = weight[genes]
    total = hits.sum(axis=1, keepdims=True)
    responds = total > 0
    hits = hits / np.where(responds, total, 1)
    after = hits.cumsum(axis=1)
    missed = (rank[genes] - np.arange(m)) / max(1, len(rank) - m)
    high, low = (after - missed).max(axis=1), (after - hits - missed).min(axis=1)
    return np.where(high >= -low - ROUNDING, high, low) * responds[:, 0]


def _connectivity(up: np.ndarray, down: np.ndarray, signature: Signature) -> np.ndarray:
    """Return the weighted connectivity score: half the difference, 0 where both are at the same end."""
    if not len(signature.down):
        return up
    if not len(signature.up):
        return -down
    return np.where(np.sign(up) != np.sign(down), (up - down) / 2, 0.0)


def _p_values(scores: np.ndarray, reverse: bool) -> np.ndarray:
    """Return one-sided p-values [n] of the first of [n, permutations + 1] scores; never 0."""
    signed = -scores if reverse else scores
    as_extreme = (signed[:, 1:] >= signed[:, :1] - ROUNDING).sum(axis=1)
    return (as_extreme + 1) / scores.shape[1]


def false_discovery_rate(p: np.ndarray) -> np.ndarray:
    """Return the p-values [n] adjusted by Benjamini and Hochberg (1995)."""
    order = np.argsort(-p, kind="stable")
    steps = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(np.minimum(steps, 1))
    return adjusted
