"""What every predictor offers, so that campaigns and evaluation need not know which one they hold."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np


class FittedPredictor(Protocol):
    """A predictor of one target cell line; `drugs` are int64 rows of the atlas' drug table."""

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        ...

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise."""
        ...


class Predictor(Protocol):
    """A way to learn one target cell line from anchors."""

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> FittedPredictor:
        """Fit to `anchors` (int64 drug rows, maybe none) and their measured `z` float32 [anchors, genes].

        `final` marks the last fit of a budget, where a predictor may treat the labels differently.
        """
        ...
