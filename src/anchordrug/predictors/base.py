"""What every predictor offers, so that campaigns and evaluation need not know which one they hold."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np


class FittedPredictor(Protocol):
    """A predictor of one target cell line; `drugs` are int64 rows of the atlas' drug table."""

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        ...

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the labels it decides for, int8 [drugs, genes]."""
        ...


@runtime_checkable
class FittedNetwork(FittedPredictor, Protocol):
    """A fitted predictor that strategies can look inside."""

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise."""
        ...

    def embeddings(self, drugs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, some genes at a time, penultimate embeddings and the probabilities made of them.

        float32 [drugs, some genes, width] and [drugs, some genes, 3]; all genes come once, in order.
        """
        ...

    def loss_gradient(
        self, drugs: np.ndarray, shift: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict drugs whose features are moved by `shift`, and say how to move them further.

        Parameters
        ----------
        shift
            float32 [drugs, features], added to the drugs' scaled features; without columns, nothing is.
        labels
            [drugs, genes]: what the cross entropy is taken with.

        Returns
        -------
        tuple
            Likeliest labels [drugs, genes], and the gradient of every drug's mean cross entropy over genes
            with respect to its features, float32 [drugs, features].
        """
        ...


class Predictor(Protocol):
    """A way to learn one target cell line from anchors."""

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> FittedPredictor:
        """Fit to `anchors` (int64 drug rows, maybe none) and their measured `z` float32 [anchors, genes].

        `final` marks the last fit of a budget, where a predictor may treat the labels differently.
        """
        ...
