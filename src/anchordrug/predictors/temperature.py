"""What the target's own anchors say of how far its probabilities can be taken at their word.

What the source lines teach holds on average; in one target fewer genes may change than the drugs' prior
responses suggest, or the responses may be harder to foresee. Anchors that are predicted from the others show
it: a temperature (Guo et al. 2017) and a shift of "none" against the two others are fitted to them, held back
towards no change, because thirty drugs are few.
"""

from dataclasses import dataclass

import numpy as np

from anchordrug.graph.numpy_ops import Array, NumpyOps

# Penalties on squared log temperature and squared shift, in drugs' worth of evidence.
TEMPERATURE_PENALTY, SHIFT_PENALTY = 10.0, 3.0
NONE = 1


@dataclass(frozen=True)
class TemperatureScaling:
    """Logits are multiplied with `scale`, and `none` is added to those of label none."""

    scale: float = 1.0
    none: float = 0.0

    @property
    def shift(self) -> np.ndarray:
        """float32 [3], what is added to scaled logits."""
        return np.array([0, self.none, 0], np.float32)

    def of(self, logits: Array) -> Array:
        """Return calibrated logits [..., 3] of arrays or of tensors of a graph."""
        return logits * np.float32(self.scale) + self.shift


UNCALIBRATED = TemperatureScaling()


def fit_temperature_scaling(logits: np.ndarray, labels: np.ndarray, trust: float = 1.0) -> TemperatureScaling:
    """Fit to drugs that were held out, by penalised maximum likelihood.

    Parameters
    ----------
    logits
        [drugs, genes, 3].
    labels
        [drugs, genes]: 0, 1, 2. Genes of one drug are counted as one piece of evidence.
    trust
        Multiplies the penalties: how far the logits are to be believed already.
    """
    from scipy.optimize import minimize

    rows = logits.reshape(-1, 3).astype(np.float64)
    measured = labels.reshape(-1, 1).astype(np.int64)

    def loss(parameters: np.ndarray) -> float:
        log_scale, none = parameters
        logs = NumpyOps.log_softmax(rows * np.exp(log_scale) + np.array([0, none, 0]))
        fit = -np.take_along_axis(logs, measured, axis=1).mean() * len(labels)
        return fit + trust * (TEMPERATURE_PENALTY * log_scale**2 + SHIFT_PENALTY * none**2)

    log_scale, none = minimize(loss, np.zeros(2), method="L-BFGS-B").x
    return TemperatureScaling(float(np.exp(log_scale)), float(none))
