"""The design that leaves the least uncertainty about the drugs one wants to predict.

It needs nothing measured in the target, and chooses in a fixed order, whatever the batch: the first ten of a
hundred drugs are the best ten.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from anchordrug.acquisition.reasons import lessons
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.scores import first_of_largest
from anchordrug.acquisition.spacing import evenly_spaced
from anchordrug.acquisition.view import PoolView
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.gp import DrugKernel, KernelWeights
from anchordrug.predictors.response.prior import Evidence, ResponsePrior
from anchordrug.predictors.response.pseudo_targets import mean_square

NOISE = 1.0
# With more drugs than this, the kernel is taken through so many of them (Nystroem): no [drugs, drugs] matrix.
LANDMARKS = 1024
ROWS_AT_ONCE = 4096


@register("a_optimal")
def a_optimal(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Choose the drugs that most reduce what remains uncertain about the drugs one wants to predict.

    Greedy A-optimal design on the Gaussian process of `response_gp` (Seo et al. 2000, there "ALC"): each next
    drug is the one whose measurement takes most off the posterior variance summed over the catalogue's
    `queries`, given all drugs chosen before. Without query drugs it is pool and anchors themselves. The score
    is that reduction. A posterior variance does not depend on what was measured, so none of it is needed.
    """
    distinct, places = _distinct(np.concatenate([view.drugs, view.anchors, view.queries]))
    features = _features(view.prior, distinct)
    pool, anchors, aimed = (
        features[place] for place in np.split(places, np.cumsum([len(view.drugs), len(view.anchors)]))
    )
    covariance = _posterior(anchors)
    towards_queries = aimed.T @ aimed
    towards = pool @ covariance
    variance = np.einsum("nr,nr->n", towards, pool)
    gain = np.einsum("nr,nr->n", towards @ towards_queries, towards)
    positions, scores, steps = [], [], []
    for _ in range(batch):
        value = np.maximum(gain, 0) / (np.maximum(variance, 0) + NOISE)
        value[positions] = -1
        best = first_of_largest(value)
        positions.append(best)
        scores.append(float(value[best]))
        step = covariance @ pool[best]
        total = float(pool[best] @ step) + NOISE
        steps.append(step / np.sqrt(total))
        covariant = pool @ step
        pull = towards_queries @ step
        gain += (
            covariant**2 * float(step @ pull) / total**2
            - 2 * covariant * (pool @ (covariance @ pull)) / total
        )
        variance -= covariant**2 / total
        covariance -= np.outer(step, step) / total
    reasons = _reasons(view, aimed, anchors, view.drugs[positions], steps)
    return Selection(np.array(positions), np.array(scores), tuple(reasons))


def _reasons(
    view: PoolView, aimed: np.ndarray, anchors: np.ndarray, chosen: np.ndarray, steps: list[np.ndarray]
) -> Iterator[str]:
    """Yield the reason for each of the `chosen` drugs, given those before it.

    Parameters
    ----------
    aimed, anchors
        Features of the view's queries and anchors, [drugs, features].
    steps
        One per chosen drug, float64 [features]: the square of its inner product with a drug's features is the
        variance that the chosen drug takes from that drug.
    """
    queries, places = np.unique(view.queries, return_index=True)
    aimed = aimed[places]
    first = np.einsum("nr,nr->n", aimed, aimed, dtype=np.float64)
    to_anchors = aimed @ anchors.T
    noisy = anchors @ anchors.T + NOISE * np.eye(len(anchors))
    before = first - np.einsum("nk,kn->n", to_anchors, np.linalg.solve(noisy, to_anchors.T))
    mechanisms = np.array([view.catalogue.mechanisms[row] for row in queries], object)
    for drug, step in zip(chosen, steps, strict=True):
        taken = np.square(aimed @ step.astype(aimed.dtype), dtype=np.float64)
        other = queries != drug
        yield lessons(first[other], before[other], taken[other], mechanisms[other].tolist())
        before = before - taken


def _distinct(drugs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each of `drugs` once, in the order of their first places, and the place of each in that."""
    _, first, number = np.unique(drugs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return drugs[first[order]], np.argsort(order)[number]


def _features(prior: ResponsePrior, drugs: np.ndarray) -> np.ndarray:
    """Return rows [drugs, landmarks] whose inner products are the process' kernel.

    Exact up to `LANDMARKS` drugs, where every drug is one; beyond, evenly spaced ones are (float32).
    """
    # Of all drugs, in the order of the drug table: the same in every round, and for every order of the pool.
    landmarks = evenly_spaced(np.unique(drugs), LANDMARKS)
    evidence = prior.evidence_of(landmarks)
    kernel = DrugKernel(KernelWeights(), prior, landmarks, evidence, mean_square(evidence.prior))
    own = _kernel_rows(kernel, evidence, landmarks)
    own = (own + own.T) / 2
    # Twins make the matrix singular; this much noise on each drug is far below the measurements'.
    factor = cholesky(own + 1e-6 * np.eye(len(own)) * own.diagonal().mean(), lower=True)
    exact = len(landmarks) < LANDMARKS
    result = np.empty((len(drugs), len(landmarks)), np.float64 if exact else np.float32)
    for start in range(0, len(drugs), ROWS_AT_ONCE):
        part = drugs[start : start + ROWS_AT_ONCE]
        rows = _kernel_rows(kernel, prior.evidence_of(part), part)
        result[start : start + ROWS_AT_ONCE] = solve_triangular(factor, rows.T, lower=True).T
    return result


def _kernel_rows(kernel: DrugKernel, evidence: Evidence, drugs: np.ndarray) -> np.ndarray:
    return kernel.to(NumpyOps, evidence, kernel.tables.bits[drugs], drugs)


def _posterior(anchors: np.ndarray) -> np.ndarray:
    """Return the covariance float64 [features, features] of the process' weights, given measured drugs."""
    prior = np.eye(anchors.shape[1])
    if not len(anchors):
        return prior
    anchors = anchors.astype(np.float64)
    noisy = anchors @ anchors.T + NOISE * np.eye(len(anchors))
    return prior - anchors.T @ cho_solve(cho_factor(noisy, lower=True), anchors)
