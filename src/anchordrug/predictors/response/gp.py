"""response_gp: a Gaussian process over drugs that corrects the prior response by the anchors.

    z(d, g) = (slope + w0) prior(d, g) + sum_l w_l (z_l(d, g) - consensus(d, g)) + f_g(d) + noise

The weights w, one a source line and shared by all genes, shift the prior towards lines that resemble the
target (ridge regression on the anchors). What remains is a Gaussian process per gene with one kernel, so that
a single Cholesky factor serves all genes. Everything is closed form; a fit takes milliseconds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.predictors.response.prior import Evidence, ResponsePrior, clipped, sum_by_drug

# Added to squared norms, so that a prior of zeros can be divided by its norm.
TINY = 1e-12
SMALLEST_VARIANCE = 1e-9


@dataclass(frozen=True)
class KernelWeights:
    """Weights of the drug kernel's parts.

    Cosine and inner product of prior responses, structural similarity, and a constant (each gene's offset).
    """

    cosine: float = 0.1
    linear: float = 1.0
    structure: float = 0.1
    constant: float = 0.1


@dataclass(frozen=True)
class GpSettings:
    """What the source lines say of the model: learned by `anchordrug.predictors.response.pseudo_targets`.

    Attributes
    ----------
    slope
        What a prior is multiplied with before there are anchors.
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
    prior
        float32 [m, genes], theirs.
    scale
        Mean square of prior responses, in units of which inner products are taken.
    """

    weights: KernelWeights
    tables: ResponsePrior
    drugs: np.ndarray
    prior: np.ndarray
    scale: float

    def to(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> Array:
        """Return the float64 kernel [n, m] between n drugs and `drugs`."""
        weights, genes = self.weights, self.prior.shape[1]
        inner = ops.cast(evidence.prior, np.float64) @ np.ascontiguousarray(self.prior.T, np.float64)
        norm = _norm(NumpyOps, self.prior.astype(np.float64))[:, 0]
        structure = self.tables.similarity(ops, bits, row, self.drugs)
        cosine = inner / (_norm(ops, ops.cast(evidence.prior, np.float64)) * norm)
        return (
            inner * np.float64(weights.linear / (genes * self.scale))
            + (cosine + np.float64(1)) * np.float64(weights.cosine / 2)
            + ops.cast(structure, np.float64) * np.float64(weights.structure)
            + np.float64(weights.constant)
        )

    def variance(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> Array:
        """Return the float64 kernel of n drugs with themselves, [n, 1]."""
        weights, prior = self.weights, ops.cast(evidence.prior, np.float64)
        squares = ops.total(prior * prior)
        # A prior of zeros has a cosine of 0 with itself, here as between drugs.
        cosine = squares / (squares + np.float64(TINY)) + np.float64(1)
        structure = ops.cast(self.tables.self_similarity(ops, bits, row), np.float64)
        return (
            squares * np.float64(weights.linear / (self.prior.shape[1] * self.scale))
            + cosine * np.float64(weights.cosine / 2)
            + structure * np.float64(weights.structure)
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
        float32 [drugs of the atlas + 1, genes]: the weighted deviations of the drug's source lines.
    coefficients
        float64 [anchors, genes].
    precision
        float64 [anchors, anchors], the inverse of kernel plus noise.
    """

    slope: np.float32
    shift: np.ndarray
    kernel: DrugKernel
    coefficients: np.ndarray
    precision: np.ndarray

    def predict(self, ops: type, evidence: Evidence, bits: Array, row: Array) -> tuple[Array, Array]:
        """Return the posterior mean of z, float32 [n, genes], and its standard deviation, float32 [n, 1].

        The deviation is in units of the noise-free kernel and shared by all genes.
        """
        mean = evidence.prior * self.slope + ops.rows(self.shift, row)
        variance = self.kernel.variance(ops, evidence, bits, row)
        if len(self.kernel.drugs):
            to_anchors = self.kernel.to(ops, evidence, bits, row)
            mean = mean + ops.cast(to_anchors @ self.coefficients, np.float32)
            variance = variance - ops.total((to_anchors @ self.precision) * to_anchors)
        return mean, ops.cast(ops.sqrt(ops.maximum(variance, np.float64(SMALLEST_VARIANCE))), np.float32)

    def covariance(self, drugs: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the posterior covariance float64 [drugs, others], both int64 rows of the atlas.

        In units of the noise-free kernel, like the deviation of `predict`.
        """
        prior, kernel = self.kernel.tables, self.kernel
        evidence = prior.evidence_of(drugs)
        towards = DrugKernel(kernel.weights, prior, others, prior.evidence_of(others).prior, kernel.scale)
        result = towards.to(NumpyOps, evidence, prior.bits[drugs], drugs)
        if not len(kernel.drugs):
            return result
        left = kernel.to(NumpyOps, evidence, prior.bits[drugs], drugs)
        right = kernel.to(NumpyOps, prior.evidence_of(others), prior.bits[others], others)
        return result - left @ self.precision @ right.T


def deviations(sources: ResponseAtlas, prior: ResponsePrior, drugs: np.ndarray) -> np.ndarray:
    """Return how every source line's response to `drugs` differs from their consensus.

    float32 [drugs, genes, cell lines]; 0 where a line has not measured the drug.
    """
    result = np.zeros((len(drugs), sources.z.shape[1], len(sources.cell_lines)), np.float32)
    place = np.full(len(sources.drugs), -1)
    place[drugs] = np.arange(len(drugs))
    held = np.flatnonzero(place[sources.drug] >= 0)
    drug = sources.drug[held]
    result[place[drug], :, sources.cell_line[held]] = clipped(sources.z[held]) - prior.mean[drug]
    return result


def line_weights(deviation: np.ndarray, prior: np.ndarray, residual: np.ndarray, ridge: float) -> np.ndarray:
    """Return the weights of the source lines and of the prior, float64 [cell lines + 1], by ridge regression.

    Parameters
    ----------
    deviation
        [anchors, genes, cell lines].
    prior, residual
        [anchors, genes]; the residual is measured z minus slope times prior.
    """
    inputs = _inputs(deviation, prior).reshape(-1, deviation.shape[2] + 1)
    gram = inputs.T @ inputs + ridge * np.eye(inputs.shape[1])
    return np.linalg.solve(gram, inputs.T @ residual.ravel())


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
    kernel = DrugKernel(settings.kernel, prior, anchors, evidence.prior, scale)
    residual = clipped(z).astype(np.float64) - settings.slope * evidence.prior
    shift = np.zeros_like(prior.total)
    slope = settings.slope
    precision = np.zeros((len(anchors), len(anchors)))
    if len(anchors):
        deviation = deviations(sources, prior, anchors)
        weights = line_weights(deviation, evidence.prior, residual, settings.ridge)
        slope += weights[-1]
        residual -= _inputs(deviation, evidence.prior) @ weights
        own = weights[sources.cell_line].astype(np.float32)[:, None]
        shift = sum_by_drug(sources, own * (clipped(sources.z) - prior.mean[sources.drug]))
        noisy = _symmetric(kernel, prior, evidence, settings.noise)
        precision = cho_solve(cho_factor(noisy, lower=True), np.eye(len(anchors)))
    return GpFit(np.float32(slope), shift, kernel, precision @ residual, precision)


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

    float32 [anchors, genes] and [anchors, 1], as `GpFit.predict` returns.

    Removing an anchor changes the weights of the lines (a small solve) and, through them, the residuals of
    all others; the process' own leave-one-out is then read off the precision (Rasmussen and Williams 2006,
    section 5.4.2). It needs at least two anchors.
    """
    evidence = prior.evidence_of(anchors)
    kernel = DrugKernel(settings.kernel, prior, anchors, evidence.prior, scale)
    precision = np.linalg.inv(_symmetric(kernel, prior, evidence, settings.noise))
    inputs = _inputs(deviations(sources, prior, anchors), evidence.prior)
    residual = clipped(z).astype(np.float64) - settings.slope * evidence.prior
    grams = np.einsum("dgl,dgk->dlk", inputs, inputs)
    moments = np.einsum("dgl,dg->dl", inputs, residual)
    penalty = settings.ridge * np.eye(inputs.shape[2])
    result = np.empty_like(residual)
    for anchor in range(len(anchors)):
        weights = np.linalg.solve(
            grams.sum(axis=0) - grams[anchor] + penalty, moments.sum(axis=0) - moments[anchor]
        )
        remainder = residual - inputs @ weights
        from_others = remainder[anchor] - precision[anchor] @ remainder / precision[anchor, anchor]
        result[anchor] = settings.slope * evidence.prior[anchor] + inputs[anchor] @ weights + from_others
    variance = np.maximum(1 / np.diag(precision) - settings.noise, SMALLEST_VARIANCE)
    return result.astype(np.float32), np.sqrt(variance).astype(np.float32)[:, None]
