"""response_net: a network that predicts all genes of a drug in one pass, from structure and prior response.

Inputs of a profile are the drug's fingerprint; principal components of its prior response (made without the
profile's own cell line); whether and in how many source lines the drug was measured; and the cell line's
embedding. Every gene also sees its own prior directly. The network is pre-trained on the source lines and
fine-tuned on anchors.
"""

import math
from dataclasses import dataclass

import numpy as np

from anchordrug.graph.numpy_ops import Array
from anchordrug.predictors.response.prior import Evidence, ResponsePrior

COMPONENTS = 64
PATHS = 4
SLOPE = 0.01


@dataclass(frozen=True)
class NetSettings:
    """Widths of the two hidden layers, dropout, and Adam's training before and on anchors."""

    hidden: tuple[int, int]
    dropout: float
    epochs: int
    learning_rate: float
    finetune_epochs: int
    finetune_learning_rate: float
    weight_decay: float = 1e-4
    batch: int = 64
    finetune_batch: int = 16
    device: str = "cpu"


@dataclass(frozen=True)
class PriorBasis:
    """Principal components of prior responses.

    Attributes
    ----------
    mean
        float32 [genes].
    components
        float32 [genes, at most 64], scaled so that the first component varies by about 1/4.
    """

    mean: np.ndarray
    components: np.ndarray


def prior_basis(prior: np.ndarray) -> PriorBasis:
    """Return the basis of prior responses [drugs, genes]; the largest entry of a component is positive."""
    mean = prior.mean(axis=0, dtype=np.float64)
    centred = prior - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    vectors = vectors[:, ::-1][:, :COMPONENTS]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    spread = 4 * math.sqrt(max(float(values[-1]), 1e-12) / max(1, len(prior)))
    return PriorBasis(mean.astype(np.float32), (vectors / spread).astype(np.float32))


def basis_of(prior: ResponsePrior) -> PriorBasis:
    """Return the principal components of the prior responses of the drugs that source lines have measured.

    Only of those, so that the result does not depend on the drugs that one may choose.
    """
    return prior_basis(prior.evidence_of(prior.known).prior)


def response_inputs(ops: type, basis: PriorBasis, evidence: Evidence) -> Array:
    """Return a network's inputs from a drug's prior response, float32 [n, components + 2].

    Its components, whether any source line has measured the drug, and the log of how many have.
    """
    lines = ops.log(evidence.lines + np.float32(1))
    seen = ops.cast(evidence.lines > np.float32(0), np.float32)
    return ops.concat([(evidence.prior - basis.mean) @ basis.components, seen, lines])


def drug_inputs(ops: type, basis: PriorBasis, evidence: Evidence, bits: Array) -> Array:
    """Return a profile's inputs but the cell line, float32 [n, bits + components + 2]."""
    norm = ops.sqrt(ops.total(bits * bits))
    scaled = bits * np.float32(4) / ops.maximum(norm, np.float32(1e-6))
    return ops.concat([scaled, response_inputs(ops, basis, evidence)])


def gene_paths(ops: type, prior: Array) -> list[Array]:
    """Return the inputs of a gene from its own prior, `PATHS` arrays [n, genes]."""
    half, shift = np.float32(0.5), np.float32(1)
    return [prior * half, ops.abs(prior) * half, ops.tanh(prior - shift), ops.tanh(prior + shift)]


@dataclass(frozen=True)
class NetFit:
    """A trained network of one target as arrays, [in, out]; the cell line is part of the first bias."""

    basis: PriorBasis
    drug: np.ndarray
    drug_bias: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray
    path: np.ndarray

    def logits(self, ops: type, evidence: Evidence, bits: Array) -> Array:
        """Return logits [n, genes, 3]."""

        def leaky(values: Array) -> Array:
            return ops.maximum(values, values * np.float32(SLOPE))

        first = leaky(drug_inputs(ops, self.basis, evidence, bits) @ self.drug + self.drug_bias)
        second = leaky(first @ self.hidden + self.hidden_bias)
        logits = ops.reshape(second @ self.output, (-1, self.path.shape[1], 3)) + self.output_bias
        for number, path in enumerate(gene_paths(ops, evidence.prior)):
            logits = logits + ops.expand(path, 2) * self.path[number]
        return logits
