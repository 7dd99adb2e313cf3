"""The expected gain of the next drugs of a campaign, from the predictor's own posterior.

The responses that the next drugs would show are drawn from the Gaussian process given the anchors so far, the
process is updated with each draw, and what it then says of the drugs to be predicted is scored against labels
drawn from what it believes. Nothing has to be measured; the mean over draws is the expected macro-F1, and the
spread its interval. Draws are correlated between drugs by the process and between genes as in the source
lines, because independent ones would make every interval too narrow.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import ndtr

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import decide
from anchordrug.predictors.base import Outlook
from anchordrug.predictors.response.fitted import ResponseFitted
from anchordrug.predictors.response.gp import GpSettings, fit_gp
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import ResponsePrior, clipped
from anchordrug.predictors.response.pseudo_targets import pseudo_targets

DRAWS = 40
MOST_QUERIES = 300
PSEUDO_TARGETS, PSEUDO_ANCHORS = 3, 30


def noise_scale(
    settings: GpSettings,
    sources: ResponseAtlas,
    bits: PackedBits,
    mechanism: np.ndarray,
    threshold: float,
) -> float:
    """Return the variance of z that a variance of 1 of the process stands for.

    The process' mean depends on the ratio of its variances alone. Their unit is measured on the largest
    source lines: each plays the target with 30 anchors, and its other drugs show how far predictions miss.
    """
    missed = expected = 0.0
    for number, target in enumerate(pseudo_targets(sources, bits, mechanism, threshold)):
        if number == PSEUDO_TARGETS:
            break
        known = min(PSEUDO_ANCHORS, len(target.drugs) // 2)
        order = np.random.default_rng(number).permutation(len(target.drugs))
        anchors, rest = order[:known], order[known:]
        fit = fit_gp(
            settings, target.prior, target.sources, target.drugs[anchors], target.z[anchors], target.scale
        )
        drugs = target.drugs[rest]
        mean, deviation = fit.predict(
            NumpyOps, target.prior.evidence_of(drugs), target.prior.bits[drugs], drugs
        )
        measured = np.isfinite(target.z[rest])
        missed += float(np.nansum(np.square(clipped(target.z[rest]) - mean), dtype=np.float64))
        variance = np.square(deviation, dtype=np.float64) + settings.noise
        expected += float((variance * measured).sum())
    return missed / expected if expected else 1.0


def outlook(
    fitted: ResponseFitted,
    noise: float,
    unit: float,
    sources: ResponseAtlas,
    order: np.ndarray,
    steps: np.ndarray,
    queries: np.ndarray,
    seed: int,
) -> Outlook:
    """Return the expected macro-F1 on `queries` after the first `steps` drugs of `order` have been measured.

    Parameters
    ----------
    noise
        `GpSettings.noise`.
    unit
        As `noise_scale` returns.
    order
        int64 rows of drugs that may be measured next, best first.
    steps
        int64, rising, at most the length of `order`; 0 is the present.
    queries
        int64 rows of the drugs to be predicted; of many, evenly spaced ones are looked at.
    """
    rng = np.random.default_rng(seed)
    queries = queries[
        np.unique(np.linspace(0, len(queries) - 1, min(len(queries), MOST_QUERIES)).astype(np.int64))
    ]
    evidence, bits = fitted.prior.evidence_of(queries), fitted.prior.bits[queries]
    mean, _ = fitted.gp.predict(NumpyOps, evidence, bits, queries)
    net = None if fitted.net is None else fitted.net.logits(NumpyOps, evidence, bits)
    between = fitted.gp.covariance(queries, order)
    own = fitted.gp.covariance(order, order)
    factor = cholesky((own + own.T) / 2 + (noise + 1e-9) * np.eye(len(order)), lower=True)
    # Column k is what drug k of the order tells about every drug, given the drugs before it.
    told = solve_triangular(factor, between.T, lower=True).T
    left = fitted.gp.covariance(queries, queries) - told @ told.T
    rest = cholesky((left + left.T) / 2 + (noise + 1e-6) * np.eye(len(queries)), lower=True)
    genes = _gene_factor(sources)
    size = np.sqrt(unit)
    scores = np.empty((DRAWS, len(steps)))
    for draw in range(DRAWS):
        news = told * size, rng.standard_normal((len(order), len(genes))) @ genes
        remainder = size * (rest @ (rng.standard_normal((len(queries), len(genes))) @ genes))
        for place, step in enumerate(steps):
            learned = mean + (news[0][:, :step] @ news[1][:step]).astype(np.float32)
            missing = news[0][:, step:] @ news[1][step:] + remainder
            variance = np.einsum("nk,nk->n", told[:, step:], told[:, step:]) + left.diagonal()
            deviation = np.sqrt(variance)[:, None].astype(np.float32)
            probabilities = fitted.mixed(NumpyOps, evidence, learned, deviation, net)
            rank = ndtr(missing / (size * np.sqrt(variance + noise))[:, None])
            truth = 1 + (rank > 1 - probabilities[:, :, 2]).astype(np.int8)
            truth[rank < probabilities[:, :, 0]] = 0
            scores[draw, place] = macro_f1(truth, decide(probabilities, fitted.offsets_of(queries)))
    return Outlook(steps, scores)


def _gene_factor(sources: ResponseAtlas) -> np.ndarray:
    """Return float64 [genes, genes] that gives independent normal rows the genes' correlation."""
    z = clipped(sources.z).astype(np.float64)
    # Genes that were not measured count as ordinary responses.
    correlation = np.corrcoef(np.nan_to_num(z - np.nanmean(z, axis=0)).T)
    correlation = np.where(np.isfinite(correlation), correlation, 0)
    np.fill_diagonal(correlation, 1)
    shrunk = 0.9 * correlation + 0.1 * np.eye(len(correlation))
    return cholesky(shrunk, lower=True).T


@dataclass(frozen=True)
class GpForecaster:
    """Forecasts from the posterior of a Gaussian process; the unit of its variance is measured once."""

    settings: GpSettings
    sources: ResponseAtlas
    prior: ResponsePrior
    threshold: float

    @cached_property
    def unit(self) -> float:
        """As `noise_scale` returns."""
        return noise_scale(self.settings, self.sources, self.prior.bits, self.prior.mechanism, self.threshold)

    def outlook(
        self, fitted: ResponseFitted, order: np.ndarray, steps: np.ndarray, queries: np.ndarray, seed: int
    ) -> Outlook:
        """Return the expected macro-F1 on `queries`; see `anchordrug.predictors.base.Forecaster`."""
        return outlook(fitted, self.settings.noise, self.unit, self.sources, order, steps, queries, seed)
