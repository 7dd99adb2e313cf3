"""From a predicted z and the evidence on drug and gene to calibrated probabilities of the labels.

A multinomial logistic regression on functions of the predicted z, its uncertainty and the source lines'
evidence. It is learned on pseudo-targets (`anchordrug.predictors.response.pseudo_targets`), whose true labels
are known. So anchors chosen on purpose cannot bias it.

A second regression is learned on drugs that were hidden from the source lines. It serves drugs that no source
line has measured, and has the more weight, the larger their share of the library. If few drugs are new, they
are leftovers of other screens, and mostly weak. If most are new, they are like any other drugs.
"""

from dataclasses import dataclass, replace

import numpy as np

from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.predictors.response.prior import Evidence

PENALTY = 1e-3


@dataclass(frozen=True)
class GeneRates:
    """How often a gene changes in the source lines: share down, share up, and spread of z, each [genes]."""

    down: np.ndarray
    up: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class LabelModel:
    """The regression's weights for features of (drug, gene), of drugs, and of genes.

    Attributes
    ----------
    pair, drug
        float32 [features, 3].
    gene
        float32 [genes, 3]: the genes' share of the logits and the intercept.
    unseen_pair, unseen_drug, unseen_gene
        Added to these for drugs that no source line has measured.
    spread
        float32 [genes], the typical size of the gene's z.
    threshold
        float32 [], that of the labels.
    """

    pair: np.ndarray
    drug: np.ndarray
    gene: np.ndarray
    unseen_pair: np.ndarray
    unseen_drug: np.ndarray
    unseen_gene: np.ndarray
    spread: np.ndarray
    threshold: np.ndarray

    def logits(self, ops: type, evidence: Evidence, mean: Array, deviation: Array) -> Array:
        """Return logits [n, genes, 3] for a predicted `mean` [n, genes], with `deviation` [n, 1 or genes]."""
        pair, drug = features(ops, evidence, mean, deviation, self.spread, self.threshold)
        logits = pair @ self.pair + ops.expand(drug @ self.drug, 1) + self.gene
        if not self.unseen_pair.any():
            return logits
        further = pair @ self.unseen_pair + ops.expand(drug @ self.unseen_drug, 1) + self.unseen_gene
        return logits + ops.expand(evidence.unseen(ops), 2) * further

    def for_library(self, share: float) -> "LabelModel":
        """Return the model for a library of which source lines have not measured this `share`, 0 to 1.

        As fitted, it is that for a library of new drugs alone.
        """
        of_unseen = {
            name: getattr(self, name) * np.float32(share)
            for name in ("unseen_pair", "unseen_drug", "unseen_gene")
        }
        return replace(self, **of_unseen)

    def with_unseen(self, other: "LabelModel") -> "LabelModel":
        """Return this model with the weights of `other`, of the same genes, for drugs of no source line."""
        return replace(
            self,
            unseen_pair=other.pair - self.pair,
            unseen_drug=other.drug - self.drug,
            unseen_gene=other.gene - self.gene,
        )


def features(
    ops: type,
    evidence: Evidence,
    mean: Array,
    deviation: Array,
    spread: np.ndarray,
    threshold: np.ndarray,
) -> tuple[Array, Array]:
    """Return the features of every (drug, gene) [n, genes, features] and of every drug [n, features].

    `deviation` is [n, 1] or [n, genes]. Signed features tell down from up, their sizes tell either from none;
    squashed inputs bend the line at the labels' `threshold`, float32 []. `spread` [genes] is the typical size
    of the gene's z.
    """
    half = np.float32(0.5)
    genes = np.float32(len(spread))
    size = ops.abs(mean)
    root = ops.sqrt(size)
    strength = ops.sqrt(ops.total(mean * mean) / genes + np.float32(1e-12))
    lines = ops.log(evidence.lines + np.float32(1))
    relative = mean / spread
    pair = [
        mean,
        size,
        root,
        root * ops.tanh(mean * np.float32(50)),
        ops.log(size + np.float32(0.1)),
        ops.tanh(mean),
        ops.tanh(mean * half),
        ops.tanh(mean - threshold),
        ops.tanh(mean + threshold),
        relative,
        relative / ops.maximum(deviation, np.float32(0.05)),
        evidence.prior,
        ops.abs(evidence.prior),
        evidence.down,
        evidence.up,
        evidence.down * lines,
        evidence.up * lines,
        mean * deviation,
        size * deviation,
        mean * lines,
        size * lines,
        mean * strength,
        size * strength,
        size * np.float32(0) + deviation,
    ]
    drug = [
        strength,
        ops.sqrt(strength),
        ops.log(strength + np.float32(0.1)),
        lines,
        evidence.nearest,
    ]
    return ops.stack(pair), ops.concat(drug)


def fit_label_model(
    pair: np.ndarray,
    drug: np.ndarray,
    gene: np.ndarray,
    labels: np.ndarray,
    rates: GeneRates,
    threshold: np.ndarray,
) -> LabelModel:
    """Fit the regression to rows of (drug, gene); drugs that source lines have not measured are like others.

    Parameters
    ----------
    pair, drug
        [rows, features] of `features`, those of its drug repeated for each gene.
    gene
        int64 [rows], position of the gene in `rates`.
    labels
        [rows]: 0, 1, 2, each of which must occur.
    """
    from sklearn.linear_model import LogisticRegression

    by_gene = np.stack([rates.down, rates.up, rates.spread], axis=1)
    inputs = np.concatenate([pair, drug, by_gene[gene]], axis=1).astype(np.float64)
    centre, width = inputs.mean(axis=0), inputs.std(axis=0)
    width[width < 1e-9] = 1
    # scikit-learn's C is the inverse of a penalty on the sum over rows, ours is on their mean.
    regression = LogisticRegression(C=1 / (PENALTY * len(inputs)), max_iter=300)
    regression.fit((inputs - centre) / width, labels)
    weights = (regression.coef_ / width).T
    intercept = regression.intercept_ - centre @ weights
    split = (pair.shape[1], pair.shape[1] + drug.shape[1])
    of_pair, of_drug, of_gene = np.split(weights, split)
    of_pair, of_drug = of_pair.astype(np.float32), of_drug.astype(np.float32)
    of_genes = (by_gene @ of_gene + intercept).astype(np.float32)
    return LabelModel(
        of_pair,
        of_drug,
        of_genes,
        np.zeros_like(of_pair),
        np.zeros_like(of_drug),
        np.zeros_like(of_genes),
        rates.spread.astype(np.float32),
        threshold,
    )


def probabilities(
    model: LabelModel, evidence: Evidence, mean: np.ndarray, deviation: np.ndarray
) -> np.ndarray:
    """Return float32 [n, genes, 3] of numpy arrays."""
    return NumpyOps.softmax(model.logits(NumpyOps, evidence, mean, deviation))
