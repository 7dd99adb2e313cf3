"""Pools without any predictor, and designs by exhaustive computation: the exact posterior in every step."""

import numpy as np
import pytest

from anchordrug.acquisition import Catalogue, PoolView
from anchordrug.acquisition.strategies import a_optimal
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.gp import DrugKernel, KernelWeights
from tests.predictors.atlases import random_sources


def view_of(sources, pool, anchors=(), queries=None):
    """A pool without any predictor: a design needs nothing measured."""
    catalogue = Catalogue(
        sources.fingerprints,
        sources.mechanisms,
        sources.prior,
        None if queries is None else np.array(queries),
    )
    return PoolView(None, np.array(pool), np.array(anchors, np.int64), catalogue)


def random_view(seed, pool=12, anchors=0, queries=8):
    """Scattered drugs of a table of 25; the queries overlaps with the rest by chance. Aim 0 is none."""
    sources = random_sources(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(sources.drugs)
    aimed = rng.permutation(sources.drugs)[:queries] if queries else None
    return view_of(sources, order[:pool], order[pool : pool + anchors], aimed)


def aim_of(view):
    return [*view.drugs, *view.anchors] if view.catalogue.queries is None else list(view.catalogue.queries)


def covariance(view):
    """The process' prior covariance of all drugs of the table, in units of those that play a part."""
    prior = view.catalogue.prior
    parts = sorted({*view.drugs.tolist(), *view.anchors.tolist(), *map(int, aim_of(view))})
    scale = float((prior.evidence_of(np.array(parts)).prior.astype(float) ** 2).mean())
    everyone = np.arange(len(view.catalogue.mechanisms))
    evidence = prior.evidence_of(everyone)
    kernel = DrugKernel(KernelWeights(), prior, everyone, evidence, scale)
    return kernel.to(NumpyOps, evidence, prior.bits[:], everyone)


def uncertainty(matrix, measured, queries):
    """The posterior variance summed over the queries, given noisy measurements."""
    total = 0.0
    for one in queries:
        total += matrix[one, one]
        if measured:
            noisy = matrix[np.ix_(measured, measured)] + a_optimal.NOISE * np.eye(len(measured))
            total -= matrix[one, measured] @ np.linalg.solve(noisy, matrix[measured, one])
    return total


def reductions(view, matrix, chosen):
    """What each free drug of the pool takes off, by position, once the drugs at `chosen` are measured."""
    queries = [int(one) for one in aim_of(view)]
    measured = [*view.anchors.tolist(), *view.drugs[chosen].tolist()]
    before = uncertainty(matrix, measured, queries)
    return {
        position: before - uncertainty(matrix, [*measured, int(drug)], queries)
        for position, drug in enumerate(view.drugs)
        if position not in chosen
    }


def added(view, chosen):
    """What each free drug of the pool adds to the similarity of every aimed drug to the nearest chosen."""
    prior = view.catalogue.prior.evidence_of(np.arange(len(view.catalogue.mechanisms))).prior.astype(float)

    def similarity(one, other):
        length = (sum(prior[one] ** 2) * sum(prior[other] ** 2)) ** 0.5
        return (1 + (sum(prior[one] * prior[other]) / length if length else 0)) / 2

    measured = [*view.anchors, *view.drugs[chosen]]
    nearest = [max([similarity(one, other) for other in measured], default=0.0) for one in aim_of(view)]
    return {
        position: sum(
            max(similarity(one, drug) - before, 0) for one, before in zip(aim_of(view), nearest, strict=True)
        )
        for position, drug in enumerate(view.drugs)
        if position not in chosen
    }


def check_greedy(selection, batch, gains, rtol, atol):
    """In every step, the best drug (the first of equally good ones), and its gain as the score.

    Each step is judged given the drugs chosen before it: of drugs as good as equal, either may be taken.
    """
    chosen = []
    assert len(selection.positions) == len(selection.scores) == batch
    for position, score in zip(selection.positions.tolist(), selection.scores, strict=True):
        values = gains(chosen)
        assert position in values
        assert score == pytest.approx(values[position], rel=rtol, abs=atol)
        assert values[position] >= max(values.values()) * (1 - rtol) - atol
        twins = [one for one, value in values.items() if abs(value - values[position]) < 1e-12]
        assert position == min(twins)
        chosen.append(position)
