"""The design that leaves the least uncertainty about the drugs one wants to predict.

It needs nothing measured in the target, and chooses in a fixed order, whatever the batch: the first ten of a
hundred drugs are the best ten.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
# Of more drugs than this, each step looks at the so many that promised most when all were looked at.
SHORTLIST = 8192
# From so many drugs on, features are kept in half the bytes.
MANY = 262_144


class _Step(NamedTuple):
    """The effect of a chosen drug, for every drug by its features; vectors are float64 [features].

    Attributes
    ----------
    direction
        Its inner product with a drug's features is the covariance of the two drugs.
    pull
        Its inner product with them is the joint information of the two on the query drugs.
    variance
        Of the chosen drug's measurement.
    gain
        The reduction of the query drugs' variance by the chosen drug's measurement, times that variance.
    """

    direction: np.ndarray
    pull: np.ndarray
    variance: float
    gain: float


@dataclass
class _Candidates:
    """Drugs to choose from: features [drugs, features], and float64 [drugs] the gain of each.

    The score of a drug is its `gain` over its `variance` plus noise.
    """

    features: np.ndarray
    gain: np.ndarray
    variance: np.ndarray

    def scores(self) -> np.ndarray:
        """Return float64 [drugs] the loss of variance of the query drugs by measuring each drug."""
        return np.maximum(self.gain, 0) / (np.maximum(self.variance, 0) + NOISE)

    def learn(self, steps: Sequence[_Step]) -> None:
        """Take into account that drugs were chosen."""
        directions = np.stack([step.direction for step in steps], axis=1)
        pulls = np.stack([step.pull for step in steps], axis=1)
        total, gain = (np.array([getattr(step, name) for step in steps]) for name in ("variance", "gain"))
        for rows, part in _blocks(self.features):
            covariant = part @ directions.astype(part.dtype)
            self.gain[rows] += covariant**2 @ (gain / total**2)
            self.gain[rows] -= 2 * (covariant * (part @ pulls.astype(part.dtype))) @ (1 / total)
            self.variance[rows] -= covariant**2 @ (1 / total)

    def of(self, rows: np.ndarray) -> "_Candidates":
        """Return some of them."""
        features = self.features[rows].astype(np.float64, copy=False)
        return _Candidates(features, self.gain[rows], self.variance[rows])


@register("a_optimal")
def a_optimal(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """Choose the drugs that most reduce the uncertainty about the drugs to be predicted.

    Greedy A-optimal design on the Gaussian process of `response_gp` (Seo et al. 2000, there "ALC"): each next
    drug is that whose measurement most reduces the posterior variance summed over the catalogue's
    `queries`, given all drugs chosen before. Without query drugs it is pool and anchors themselves. The score
    is that reduction. A posterior variance does not depend on the measured values, so they are not needed.

    Of more than `SHORTLIST` drugs, each step compares those of a shortlist. A drug's score barely ever grows
    from measuring others, so a drug outside counts with its last score; once that is the largest, all drugs
    are scored again (the lazy evaluation of Minoux 1978).
    """
    distinct, places = _distinct(np.concatenate([view.drugs, view.anchors, view.queries]))
    features = _features(view.prior, distinct)
    pool, anchors, queries = np.split(places, np.cumsum([len(view.drugs), len(view.anchors)]))
    known = _posterior(features[anchors]) if len(anchors) else None
    covariance = np.eye(features.shape[1]) if known is None else known.copy()
    towards_queries = _inner(features, np.bincount(queries, minlength=len(features)))
    every = _candidates(features[: len(pool)], known, towards_queries)
    chosen: list[int] = []
    scores: list[float] = []
    steps: list[_Step] = []
    learned = 0
    last = every.scores()
    rows, own = _shortlist(every, last)
    while len(chosen) < batch:
        value = own.scores()
        value[np.isin(rows, chosen)] = -1
        best = first_of_largest(value)
        if learned < len(steps) and len(rows) < len(pool) and last.max() > value[best]:
            every.learn(steps[learned:])
            learned = len(steps)
            last = every.scores()
            last[chosen] = -1
            rows, own = _shortlist(every, last)
            continue
        chosen.append(int(rows[best]))
        scores.append(float(value[best]))
        step = _step(own.features[best], covariance, towards_queries)
        covariance -= np.outer(step.direction, step.direction) / step.variance
        own.learn([step])
        steps.append(step)
    reasons = _reasons(view, features, queries, known, view.drugs[chosen], steps)
    return Selection(np.array(chosen), np.array(scores), tuple(reasons))


def _reasons(
    view: PoolView,
    features: np.ndarray,
    places: np.ndarray,
    covariance: np.ndarray | None,
    chosen: np.ndarray,
    steps: Sequence[_Step],
) -> Iterator[str]:
    """Yield the reason for each of the `chosen` drugs, given those before it.

    Parameters
    ----------
    features, places
        [drugs, features], and which rows are those of the view's queries.
    covariance
        As `_posterior` of the anchors returns; None where nothing is measured.
    """
    queries, first_places = np.unique(view.queries, return_index=True)
    directions = np.stack([step.direction / np.sqrt(step.variance) for step in steps], axis=1)
    first, before = np.empty(len(queries)), np.empty(len(queries))
    taken = np.empty((len(queries), len(steps)), np.float32)
    for start in range(0, len(queries), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        part = features[places[first_places[rows]]].astype(np.float64)
        first[rows] = before[rows] = np.einsum("nr,nr->n", part, part)
        if covariance is not None:
            before[rows] = np.einsum("nr,nr->n", part @ covariance, part)
        taken[rows] = np.square(part @ directions)
    mechanisms = np.array([view.catalogue.mechanisms[row] for row in queries], object)
    for number, drug in enumerate(chosen):
        other = queries != drug
        yield lessons(first[other], before[other], taken[other, number], mechanisms[other].tolist())
        before -= taken[:, number]


def _shortlist(every: _Candidates, scores: np.ndarray) -> tuple[np.ndarray, _Candidates]:
    """Return the rows of the candidates that score highest, in order, and these; set their `scores` to -1."""
    rows = np.arange(len(scores))
    if len(rows) > SHORTLIST:
        rows = np.sort(np.argpartition(scores, -SHORTLIST)[-SHORTLIST:])
    scores[rows] = -1
    return rows, every.of(rows)


def _step(features: np.ndarray, covariance: np.ndarray, towards_queries: np.ndarray) -> _Step:
    direction = covariance @ features
    pull = towards_queries @ direction
    return _Step(direction, covariance @ pull, float(features @ direction) + NOISE, float(direction @ pull))


def _candidates(
    features: np.ndarray, covariance: np.ndarray | None, towards_queries: np.ndarray
) -> _Candidates:
    """Return the drugs with `features`; their `covariance` is None where nothing is measured."""
    gain, variance = np.empty(len(features)), np.empty(len(features))
    for rows, part in _blocks(features):
        towards = part if covariance is None else part @ covariance.astype(part.dtype)
        variance[rows] = np.einsum("nr,nr->n", towards, part)
        gain[rows] = np.einsum("nr,nr->n", towards @ towards_queries.astype(part.dtype), towards)
    return _Candidates(features, gain, variance)


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield which rows, and these: float64 where all of them could be on the shortlist, else float32."""
    dtype = np.float64 if len(features) <= SHORTLIST else np.float32
    for start in range(0, len(features), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        yield rows, features[rows].astype(dtype, copy=False)


def _inner(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return float64 [features, features], the products of each row with itself, `weights` [rows] times."""
    result = np.zeros((features.shape[1], features.shape[1]))
    for rows, part in _blocks(features):
        result += part.T @ (part * weights[rows, None].astype(part.dtype))
    return result


def _distinct(drugs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each of `drugs` once, in the order of their first places, and the place of each in that."""
    _, first, number = np.unique(drugs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return drugs[first[order]], np.argsort(order)[number]


def _features(prior: ResponsePrior, drugs: np.ndarray) -> np.ndarray:
    """Return rows [drugs, landmarks] whose inner products are the process' kernel.

    Exact up to `LANDMARKS` drugs, where every drug is a landmark; beyond, evenly spaced drugs are (float32;
    float16 from `MANY` drugs on).
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
    dtype = np.float64 if exact else np.float32 if len(drugs) < MANY else np.float16
    result = np.empty((len(drugs), len(landmarks)), dtype)
    for start in range(0, len(drugs), ROWS_AT_ONCE):
        part = drugs[start : start + ROWS_AT_ONCE]
        rows = _kernel_rows(kernel, prior.evidence_of(part), part)
        result[start : start + ROWS_AT_ONCE] = solve_triangular(factor, rows.T, lower=True).T
    return result


def _kernel_rows(kernel: DrugKernel, evidence: Evidence, drugs: np.ndarray) -> np.ndarray:
    return kernel.to(NumpyOps, evidence, kernel.tables.bits[drugs], drugs)


def _posterior(anchors: np.ndarray) -> np.ndarray:
    """Return the covariance float64 [features, features] of the process' weights, given measured drugs."""
    anchors = anchors.astype(np.float64)
    noisy = anchors @ anchors.T + NOISE * np.eye(len(anchors))
    return np.eye(anchors.shape[1]) - anchors.T @ cho_solve(cho_factor(noisy, lower=True), anchors)
