"""The confidence of probabilities, corrected by the target's own anchors.

Settings from the source lines hold on average; in one target fewer genes may change than the drugs' prior
responses suggest, or the responses may be harder to foresee. Anchors that are predicted from the others show
it: a temperature (Guo et al. 2017) and a shift of "none" against the two others are fitted to them, held back
towards no change, because thirty drugs are few. Drugs that no source line has seen have a shift of their own
on top, because one library's new compounds are much stronger than another's.
"""

from dataclasses import dataclass

import numpy as np

from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.labels import NONE

# Penalties on squared log temperature and squared shifts, in drugs' worth of evidence.
TEMPERATURE_PENALTY, SHIFT_PENALTY, GROUP_PENALTY = 10.0, 3.0, 1.0


@dataclass(frozen=True)
class TemperatureScaling:
    """Logits are multiplied with `scale`, and `none` is added to those of label none.

    Of drugs that no source line has seen, `unseen` is added to it as well.
    """

    scale: float = 1.0
    none: float = 0.0
    unseen: float = 0.0

    @property
    def shift(self) -> np.ndarray:
        """float32 [3], the part that is added to scaled logits of all drugs."""
        return np.array([0, self.none, 0], np.float32)

    def of(self, logits: Array, unseen: Array | None = None) -> Array:
        """Return calibrated logits [n, ..., 3] of arrays or of tensors of a graph.

        `unseen` float32 [n, 1, 1] is 1 for a drug that no source line has seen, else 0; None: all are 0.
        """
        scaled = logits * np.float32(self.scale) + self.shift
        if unseen is None or self.unseen == 0:
            return scaled
        return scaled + unseen * np.array([0, self.unseen, 0], np.float32)


UNCALIBRATED = TemperatureScaling()


def fit_temperature_scaling(
    logits: np.ndarray, labels: np.ndarray, unseen: np.ndarray | None = None, *, trust: float = 1.0
) -> TemperatureScaling:
    """Fit to drugs that were held out, by penalised maximum likelihood.

    Parameters
    ----------
    logits
        [drugs, genes, 3].
    labels
        [drugs, genes]: 0, 1, 2, or -1 where a gene was not measured. Genes of one drug are counted as one
        piece of evidence.
    unseen
        bool [drugs]: whether no source line has seen the drug. Without it, or where all drugs are equal, one
        shift is fitted for all.
    trust
        Multiplies the penalties: how far the logits are to be believed already.
    """
    from scipy.optimize import minimize

    known = labels >= 0
    if not known.any():
        return UNCALIBRATED
    rows = logits[known].astype(np.float64)
    measured = labels[known].astype(np.int64)[:, None]
    drugs = int(known.any(axis=1).sum())
    own = np.zeros(len(labels)) if unseen is None else unseen.astype(np.float64)
    group = np.broadcast_to(own[:, None], labels.shape)[known]

    def loss(parameters: np.ndarray) -> float:
        log_scale, none, extra = parameters
        scaled = rows * np.exp(log_scale)
        scaled[:, NONE] += none + extra * group
        fit = -np.take_along_axis(NumpyOps.log_softmax(scaled), measured, axis=1).mean() * drugs
        return fit + trust * (
            TEMPERATURE_PENALTY * log_scale**2 + SHIFT_PENALTY * none**2 + GROUP_PENALTY * extra**2
        )

    log_scale, none, extra = minimize(loss, np.zeros(3), method="L-BFGS-B").x
    return TemperatureScaling(float(np.exp(log_scale)), float(none), float(extra))
