"""Predictors of several targets as one, for a list of anchors that they share (PAPER, scenario S1).

The genes of the targets are side by side. So a mean or a sum over genes, or an embedding of all genes
concatenated, becomes the same over the targets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anchordrug.predictors.base import Fitted, FittedNetwork, Predictor, network_of


@dataclass(frozen=True)
class JointFitted:
    """Fitted predictors of several targets; a `FittedPredictor` with the genes of all of them."""

    parts: Sequence[Fitted]

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, targets x genes, 3]."""
        return np.concatenate([part.probabilities(drugs) for part in self.parts], axis=1)

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return int8 [drugs, targets x genes]."""
        return np.concatenate([part.labels(drugs) for part in self.parts], axis=1)


@dataclass(frozen=True)
class JointNetwork(JointFitted):
    """Fitted networks of several targets; a `FittedNetwork`."""

    @property
    def networks(self) -> list[FittedNetwork]:
        """The parts, as networks."""
        return [network for part in self.parts if (network := network_of(part)) is not None]

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise."""
        streams = [part.dropout_probabilities(drugs, passes, rng) for part in self.networks]
        for together in zip(*streams, strict=True):
            yield np.concatenate(together, axis=1)

    def embeddings(self, drugs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield embeddings and probabilities of the first target's genes, then of the next one's."""
        for part in self.networks:
            yield from part.embeddings(drugs)

    def loss_gradient(
        self, drugs: np.ndarray, shift: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels predicted under `shift`, and the gradient of the mean loss over all genes."""
        results = [
            part.loss_gradient(drugs, shift, own)
            for part, own in zip(self.networks, np.split(labels, len(self.parts), axis=1), strict=True)
        ]
        predicted, gradients = zip(*results, strict=True)
        return np.concatenate(predicted, axis=1), np.mean(np.stack(gradients), axis=0)


@dataclass(frozen=True)
class JointPredictor:
    """Predictors of several targets that learn from the same anchors."""

    parts: Sequence[Predictor]

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> JointFitted:
        """Fit every target to `anchors` and its own share of `z` [anchors, targets x genes]."""
        shares = np.split(z, len(self.parts), axis=1)
        fitted = [
            part.fit(anchors, own, seed=seed, final=final)
            for part, own in zip(self.parts, shares, strict=True)
        ]
        return joined(fitted)


def joined(parts: Sequence[Fitted]) -> JointFitted:
    """Return fitted predictors of several targets as one, which strategies can look inside if it can be."""
    return JointFitted(parts) if None in map(network_of, parts) else JointNetwork(parts)
