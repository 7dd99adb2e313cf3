"""The expected gain of the next drugs of a campaign, from the predictor's own posterior.

The responses that the next drugs would show are drawn from the Gaussian process given the anchors so far. The
process is updated with each draw. Its predictions of the drugs to be predicted are then scored against labels
drawn from its posterior. Nothing has to be measured; the mean over draws is the expected macro-F1. Draws
are correlated between drugs by the process and between genes as in the source lines, because independent
draws would make every interval too narrow; they still lack the model's own errors, which `misses` adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
from anchordrug.predictors.response.prior import clipped
from anchordrug.predictors.response.pseudo_targets import PseudoTarget, SourceFit

DRAWS = 40
MOST_QUERIES = 300
PSEUDO_TARGETS, PSEUDO_ANCHORS = 3, 30


def noise_scale(settings: GpSettings, targets: Sequence[PseudoTarget]) -> float:
    """Return the variance of z that corresponds to a variance of 1 of the process.

    The process' mean depends on the ratio of its variances alone. Their unit is measured on the first of
    `targets`, the largest source lines: with 30 anchors each, the other drugs show how far predictions miss.
    """
    missed = expected = 0.0
    for number, target in enumerate(targets[:PSEUDO_TARGETS]):
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


def drawn_scores(
    fitted: ResponseFitted,
    source_fit: SourceFit,
    sources: ResponseAtlas,
    order: np.ndarray,
    steps: np.ndarray,
    queries: np.ndarray,
    rng: np.random.Generator,
    draws: int,
) -> np.ndarray:
    """Return the macro-F1 on `queries` in every draw, once `steps` drugs of `order` are measured.

    Parameters
    ----------
    order
        int64 rows of drugs that may be measured next, best first.
    steps
        int64, rising, at most the length of `order`; the first is 0, the present.
    queries
        int64 rows of the drugs to be predicted; an evenly spaced subset of many drugs.

    Returns
    -------
    np.ndarray
        float64 [draws, steps].
    """
    noise, unit = source_fit.gp.noise, source_fit.unit
    queries = queries[
        np.unique(np.linspace(0, len(queries) - 1, min(len(queries), MOST_QUERIES)).astype(np.int64))
    ]
    evidence, bits = fitted.prior.evidence_of(queries), fitted.prior.bits[queries]
    mean, _ = fitted.gp.predict(NumpyOps, evidence, bits, queries)
    net = None if fitted.net is None else fitted.net.logits(NumpyOps, evidence, bits)
    between = fitted.gp.covariance(queries, order)
    own = fitted.gp.covariance(order, order)
    factor = cholesky((own + own.T) / 2 + (noise + 1e-9) * np.eye(len(order)), lower=True)
    # Column k is the information of drug k of the order on every drug, given the drugs before it.
    told = solve_triangular(factor, between.T, lower=True).T
    left = fitted.gp.covariance(queries, queries) - told @ told.T
    rest = cholesky((left + left.T) / 2 + (noise + 1e-6) * np.eye(len(queries)), lower=True)
    genes = _gene_factor(sources)
    size = np.sqrt(unit)
    variances = [np.einsum("nk,nk->n", told[:, k:], told[:, k:]) + left.diagonal() for k in steps]

    def predicted(learned: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        deviation = np.sqrt(variance)[:, None].astype(np.float32)
        probabilities = fitted.mixed(NumpyOps, evidence, learned, deviation, net)
        return probabilities, decide(probabilities, fitted.offsets_of(queries))

    present = predicted(mean, variances[0])
    scores = np.empty((draws, len(steps)))
    for draw in range(draws):
        news = told * size, rng.standard_normal((len(order), len(genes))) @ genes
        remainder = size * (rest @ (rng.standard_normal((len(queries), len(genes))) @ genes))
        for place, step in enumerate(steps):
            probabilities, labels = present
            if step:
                learned = mean + (news[0][:, :step] @ news[1][:step]).astype(np.float32)
                probabilities, labels = predicted(learned, variances[place])
            missing = news[0][:, step:] @ news[1][step:] + remainder
            rank = ndtr(missing / (size * np.sqrt(variances[place] + noise))[:, None])
            truth = 1 + (rank > 1 - probabilities[:, :, 2]).astype(np.int8)
            truth[rank < probabilities[:, :, 0]] = 0
            scores[draw, place] = macro_f1(truth, labels)
    return scores


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
    """Forecasts from the posterior of a Gaussian process, with intervals from played forecasts."""

    source_fit: SourceFit
    sources: ResponseAtlas

    def outlook(
        self, fitted: ResponseFitted, order: np.ndarray, steps: np.ndarray, queries: np.ndarray, seed: int
    ) -> Outlook:
        """Return the expected macro-F1 on `queries`; see `anchordrug.predictors.base.Forecaster`."""
        rng = np.random.default_rng(seed)
        scores = drawn_scores(fitted, self.source_fit, self.sources, order, steps, queries, rng, DRAWS)
        anchors = len(fitted.gp.kernel.drugs)
        return Outlook(steps, scores, *self.source_fit.misses.intervals(scores, anchors, steps))
