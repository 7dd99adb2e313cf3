"""response_gp: a Gaussian process over drugs that corrects the prior response by the anchors.

    z(d, g) = (slope + w0) prior(d, g) + sum_l w_l (z_l(d, g) - consensus(d, g)) + f_g(d) + noise

The weights w, one a source line and shared by all genes, shift the prior towards lines that resemble the
target (ridge regression on the anchors). The residual is a Gaussian process per gene with one kernel, so that
a single Cholesky factor serves all genes with the same anchors. Everything is closed form; a fit takes
milliseconds.

A z of NaN was not measured. It takes no part: a gene learns from the anchors that measured it. A gene that no
anchor measured takes from the other genes the part that it shares with them in the source lines.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.predictors.response.prior import Evidence, ResponsePrior, clipped, sum_by_drug

# Added to squared norms, so that a prior of zeros can be divided by its norm.
TINY = 1e-12
SMALLEST_VARIANCE = 1e-9
# Penalty on squared weights between genes.
GENE_RIDGE = 3000.0


@dataclass(frozen=True)
class KernelWeights:
    """Weights of the drug kernel's parts.

    Cosine and inner product of prior responses, structural similarity, a constant (each gene's offset), and
    structural similarity again, of drugs in so far as their priors are unknown. A drug that resembles no
    other drug has a small prior. The last part makes it unknown, not inert.
    """

    cosine: float = 0.1
    linear: float = 1.0
    structure: float = 0.1
    constant: float = 0.1
    unknown: float = 1.0


@dataclass(frozen=True)
class GpSettings:
    """The model's settings, learned from the source lines by `anchordrug.predictors.response.pseudo_targets`.

    Attributes
    ----------
    slope
        The factor of a prior before there are anchors.
    noise
        Variance of the measurements, in the units of the kernel.
    ridge
        Penalty on squared weights of source lines.
    """

    slope: float
    noise: float
    ridge: float
    kernel: KernelWeights


@dataclass(frozen=True)
class DrugKernel:
    """Similarity of any drugs to `drugs`, by which residuals carry over.

    Attributes
    ----------
    drugs
        int64 [m] rows of the atlas.
    evidence
        Their evidence.
    scale
        Mean square of prior responses, in units of which inner products are taken.
    """

    weights: KernelWeights
    tables: ResponsePrior
    drugs: np.ndarray
    evidence: Evidence
    scale: float

    def to(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> Array:
        """Return the float64 kernel [n, m] between n drugs and `drugs`."""
        weights, prior = self.weights, self.evidence.prior.astype(np.float64)
        inner = ops.cast(evidence.prior, np.float64) @ np.ascontiguousarray(prior.T)
        norm = _norm(NumpyOps, prior)[:, 0]
        structure = ops.cast(self.tables.similarity(ops, bits, row, self.drugs), np.float64)
        cosine = inner / (_norm(ops, ops.cast(evidence.prior, np.float64)) * norm)
        unknown = evidence.unknown(ops) * self.evidence.unknown(NumpyOps)[:, 0]
        return (
            inner * np.float64(weights.linear / (prior.shape[1] * self.scale))
            + (cosine + np.float64(1)) * np.float64(weights.cosine / 2)
            + structure * np.float64(weights.structure)
            + structure * unknown * np.float64(weights.unknown)
            + np.float64(weights.constant)
        )

    def variance(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> Array:
        """Return the float64 kernel of n drugs with themselves, [n, 1]."""
        weights, prior = self.weights, ops.cast(evidence.prior, np.float64)
        squares = ops.total(prior * prior)
        # A prior of zeros has a cosine of 0 with itself, here as between drugs.
        cosine = squares / (squares + np.float64(TINY)) + np.float64(1)
        structure = ops.cast(self.tables.self_similarity(ops, bits, row), np.float64)
        unknown = evidence.unknown(ops)
        return (
            squares * np.float64(weights.linear / (self.evidence.prior.shape[1] * self.scale))
            + cosine * np.float64(weights.cosine / 2)
            + structure * np.float64(weights.structure)
            + structure * unknown * unknown * np.float64(weights.unknown)
            + np.float64(weights.constant)
        )


def _norm(ops: type, prior: Array) -> Array:
    return ops.sqrt(ops.total(prior * prior) + np.float64(TINY))


@dataclass(frozen=True)
class GpFit:
    """A posterior; predicts any drug from its evidence.

    Attributes
    ----------
    slope
        `GpSettings.slope` + w0.
    shift
        float32 [known drugs + 1, genes]: the weighted deviations of the drug's source lines.
    coefficients
        float64 [anchors, genes]; 0 where an anchor's gene was not measured.
    precision
        float64 [patterns, anchors, anchors], one matrix per set of anchors that share genes: the inverse of
        their kernel plus noise, 0 for the other anchors.
    pattern
        int64 [genes], which of them is the gene's.
    """

    slope: np.float32
    shift: np.ndarray
    kernel: DrugKernel
    coefficients: np.ndarray
    precision: np.ndarray
    pattern: np.ndarray

    def predict(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> tuple[Array, Array]:
        """Return the posterior mean of z, float32 [n, genes], and its standard deviation.

        The deviation is in units of the noise-free kernel: float32 [n, 1] where all genes were measured for
        the same anchors, else [n, genes].
        """
        mean = evidence.prior * self.slope + ops.rows(self.shift, ops.rows(self.kernel.tables.row_of, row))
        variance = self.kernel.variance(ops, evidence, bits, row)
        if len(self.kernel.drugs):
            to_anchors = self.kernel.to(ops, evidence, bits, row)
            mean = mean + ops.cast(to_anchors @ self.coefficients, np.float32)
            variance = variance - self._explained(ops, to_anchors)
        deviation = ops.cast(ops.sqrt(ops.maximum(variance, np.float64(SMALLEST_VARIANCE))), np.float32)
        return mean, deviation if len(self.precision) == 1 else deviation @ self._of_pattern

    def _explained(self, ops: type, to_anchors: Array) -> Array:
        """Return the variance that the anchors take away, [n, patterns]."""
        patterns, anchors, _ = self.precision.shape
        if patterns == 1:
            return ops.total((to_anchors @ self.precision[0]) * to_anchors)
        side_by_side = np.ascontiguousarray(self.precision.transpose(1, 0, 2)).reshape(anchors, -1)
        products = ops.reshape(to_anchors @ side_by_side, (-1, patterns, anchors))
        return ops.reshape(ops.total(products * ops.expand(to_anchors, 1)), (-1, patterns))

    @cached_property
    def _of_pattern(self) -> np.ndarray:
        """float32 [patterns, genes] that turns a column per pattern into one per gene."""
        return (np.arange(len(self.precision))[:, None] == self.pattern).astype(np.float32)

    def covariance(self, drugs: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the posterior covariance float64 [drugs, others], both int64 rows of the atlas.

        In units of the noise-free kernel, like the deviation of `predict`. Of several patterns of measured
        genes, it is the mean over genes.
        """
        prior, kernel = self.kernel.tables, self.kernel
        evidence = prior.evidence_of(drugs)
        towards = DrugKernel(kernel.weights, prior, others, prior.evidence_of(others), kernel.scale)
        result = towards.to(NumpyOps, evidence, prior.bits[drugs], drugs)
        if not len(kernel.drugs):
            return result
        left = kernel.to(NumpyOps, evidence, prior.bits[drugs], drugs)
        right = kernel.to(NumpyOps, prior.evidence_of(others), prior.bits[others], others)
        return result - left @ self._mean_precision @ right.T

    @property
    def _mean_precision(self) -> np.ndarray:
        if len(self.precision) == 1:
            return self.precision[0]
        share = np.bincount(self.pattern, minlength=len(self.precision)) / len(self.pattern)
        return np.tensordot(share, self.precision, 1)


def deviations(sources: ResponseAtlas, prior: ResponsePrior, drugs: np.ndarray) -> np.ndarray:
    """Return how every source line's response to `drugs` differs from their consensus.

    float32 [drugs, genes, cell lines]; 0 where a line has not measured the drug's gene.
    """
    result = np.zeros((len(drugs), sources.z.shape[1], len(sources.cell_lines)), np.float32)
    place = np.full(len(sources.drugs), -1)
    place[drugs] = np.arange(len(drugs))
    held = np.flatnonzero(place[sources.drug] >= 0)
    drug = sources.drug[held]
    result[place[drug], :, sources.cell_line[held]] = np.nan_to_num(
        clipped(sources.z[held]) - prior.mean[prior.row_of[drug]]
    )
    return result


def line_weights(deviation: np.ndarray, prior: np.ndarray, residual: np.ndarray, ridge: float) -> np.ndarray:
    """Return the weights of the source lines and of the prior, float64 [cell lines + 1], by ridge regression.

    Parameters
    ----------
    deviation
        [anchors, genes, cell lines].
    prior, residual
        [anchors, genes]; the residual is measured z minus slope times prior, NaN where it was not measured.
    """
    inputs = _inputs(deviation, prior)
    known = np.isfinite(residual)
    rows = inputs.reshape(-1, inputs.shape[2]) if known.all() else inputs[known]
    gram = rows.T @ rows + ridge * np.eye(rows.shape[1])
    return np.linalg.solve(gram, rows.T @ residual[known])


def _inputs(deviation: np.ndarray, prior: np.ndarray) -> np.ndarray:
    return np.concatenate([deviation, prior[:, :, None]], axis=2).astype(np.float64)


def fit_gp(
    settings: GpSettings,
    prior: ResponsePrior,
    sources: ResponseAtlas,
    anchors: np.ndarray,
    z: np.ndarray,
    scale: float,
) -> GpFit:
    """Fit to `anchors` (int64 rows of the atlas, maybe none) and their `z` float32 [anchors, genes].

    Parameters
    ----------
    sources
        The experiments that `prior` was made of.
    scale
        See `DrugKernel`.
    """
    evidence = prior.evidence_of(anchors)
    kernel = DrugKernel(settings.kernel, prior, anchors, evidence, scale)
    genes = z.shape[1]
    if not len(anchors):
        nothing = np.zeros((1, 0, 0)), np.zeros(genes, np.int64)
        shift = np.zeros_like(prior.total)
        return GpFit(np.float32(settings.slope), shift, kernel, np.zeros((0, genes)), *nothing)
    residual = clipped(z).astype(np.float64) - settings.slope * evidence.prior
    deviation = deviations(sources, prior, anchors)
    weights = line_weights(deviation, evidence.prior, residual, settings.ridge)
    residual -= _inputs(deviation, evidence.prior) @ weights
    own = weights[sources.cell_line].astype(np.float32)[:, None]
    consensus = prior.mean[prior.row_of[sources.drug]]
    shift = sum_by_drug(sources, own * np.nan_to_num(clipped(sources.z) - consensus))
    noisy = _symmetric(kernel, prior, evidence, settings.noise)
    known, pattern = patterns_of(z)
    precision = np.stack([_inverse(noisy, anchors_of) for anchors_of in known])
    coefficients = np.zeros((len(anchors), genes))
    for number, matrix in enumerate(precision):
        own_genes = pattern == number
        coefficients[:, own_genes] = matrix @ np.nan_to_num(residual[:, own_genes])
    asked = np.any(known[pattern], axis=1)
    if asked.any() and not asked.all():
        coefficients[:, ~asked] = coefficients[:, asked] @ _between_genes(sources.z, asked)
    slope = np.float32(settings.slope + weights[-1])
    return GpFit(slope, shift, kernel, coefficients, precision, pattern)


def _between_genes(z: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the regression of the other genes on `measured` [genes] in the source lines, [measured, others].

    Ridge regression on the experiments' z; genes that no anchor measured follow those that move with them.
    """
    inputs, outputs = (
        np.nan_to_num(clipped(z[:, genes])).astype(np.float64) for genes in (measured, ~measured)
    )
    gram = inputs.T @ inputs + GENE_RIDGE * np.eye(inputs.shape[1])
    return np.linalg.solve(gram, inputs.T @ outputs)


def patterns_of(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sets of anchors by which genes were measured, and which is each gene's.

    bool [patterns, anchors], and int64 [genes] for `z` [anchors, genes].
    """
    known = np.isfinite(z)
    if known.all():
        return np.ones((1, len(z)), bool), np.zeros(z.shape[1], np.int64)
    sets, pattern = np.unique(known, axis=1, return_inverse=True)
    return sets.T, pattern.reshape(-1)


def _inverse(noisy: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the inverse of the rows and columns that are `known`, with 0 in the others."""
    from scipy.linalg import cho_factor, cho_solve

    result = np.zeros_like(noisy)
    if known.any():
        own = cho_factor(noisy[np.ix_(known, known)], lower=True)
        result[np.ix_(known, known)] = cho_solve(own, np.eye(int(known.sum())))
    return result


def _symmetric(kernel: DrugKernel, prior: ResponsePrior, evidence: Evidence, noise: float) -> np.ndarray:
    between = kernel.to(NumpyOps, evidence, prior.bits[kernel.drugs], kernel.drugs)
    return (between + between.T) / 2 + noise * np.eye(len(between))


def leave_one_out(
    settings: GpSettings,
    prior: ResponsePrior,
    sources: ResponseAtlas,
    anchors: np.ndarray,
    z: np.ndarray,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each anchor's z as predicted from the others, without refitting, and its deviation.

    float32 [anchors, genes] and [anchors, 1] or [anchors, genes], as `GpFit.predict` returns. A gene
    that the anchor did not measure is predicted from the others that did; a gene that no other anchor
    measured, from the source lines alone.

    Removing an anchor changes the weights of the lines (a small solve) and, through them, the residuals of
    all others; the process' own leave-one-out is then read off the precision (Rasmussen and Williams 2006,
    section 5.4.2). It needs at least two anchors.
    """
    evidence = prior.evidence_of(anchors)
    kernel = DrugKernel(settings.kernel, prior, anchors, evidence, scale)
    noisy = _symmetric(kernel, prior, evidence, settings.noise)
    known, pattern = patterns_of(z)
    precision = np.stack([_inverse(noisy, measured_by) for measured_by in known])
    inputs = _inputs(deviations(sources, prior, anchors), evidence.prior)
    residual = clipped(z).astype(np.float64) - settings.slope * evidence.prior
    # Of genes that were not measured, neither inputs nor residual count.
    counted = np.where(np.isfinite(residual)[:, :, None], inputs, 0)
    grams = np.einsum("dgl,dgk->dlk", counted, counted)
    moments = np.einsum("dgl,dg->dl", counted, np.nan_to_num(residual))
    penalty = settings.ridge * np.eye(inputs.shape[2])
    result = np.empty_like(residual)
    variance = np.empty((len(anchors), len(known)))
    for anchor in range(len(anchors)):
        weights = np.linalg.solve(
            grams.sum(axis=0) - grams[anchor] + penalty, moments.sum(axis=0) - moments[anchor]
        )
        remainder = np.nan_to_num(residual - inputs @ weights)
        of_others, variance[anchor] = _from_others(noisy, precision, known, anchor, settings.noise)
        result[anchor] = settings.slope * evidence.prior[anchor] + inputs[anchor] @ weights
        result[anchor] += np.einsum("gd,dg->g", of_others[pattern], remainder)
    deviation = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE)).astype(np.float32)
    return result.astype(np.float32), deviation if len(known) == 1 else deviation[:, pattern]


def _from_others(
    noisy: np.ndarray, precision: np.ndarray, known: np.ndarray, anchor: int, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the other anchors in the prediction of `anchor`, and its variance.

    [patterns, anchors] and [patterns].
    """
    own = precision[:, anchor, anchor]
    without = precision[:, anchor] / np.where(own > 0, -own, 1)[:, None]
    without[:, anchor] = 0
    unasked = noisy[anchor] @ precision
    variance = noisy[anchor, anchor] - noise - unasked @ noisy[anchor]
    measured = known[:, anchor]
    weights = np.where(measured[:, None], without, unasked)
    return weights, np.where(measured, 1 / np.where(own > 0, own, 1) - noise, variance)
