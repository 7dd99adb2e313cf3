"""The errors of forecasts, and the intervals that follow from them.

The draws of a forecast come from the model, so their spread lacks the model's own errors. An interval has the
limits that held the outcomes of earlier forecasts, in units of that spread (conformal prediction, Vovk et al.
2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COVERAGE = 0.95
Limits = tuple[float, float]
# Of a normal distribution.
NORMAL: Limits = (-1.96, 1.96)


@dataclass(frozen=True)
class Misses:
    """Limits of (outcome - mean of the draws) / spread of the draws, low and high.

    Attributes
    ----------
    score
        Of the macro-F1 after a number of drugs.
    first
        Of the gain of the first drugs that are measured in a target.
    later
        Of the gain of all further drugs.
    """

    score: Limits = NORMAL
    first: Limits = NORMAL
    later: Limits = NORMAL

    def intervals(self, scores: np.ndarray, anchors: int, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the intervals of the macro-F1 and of its gain over the step before, float64 [steps, 2].

        Parameters
        ----------
        scores
            float64 [draws, steps], the macro-F1 of every draw.
        anchors
            Number of drugs measured so far.
        steps
            int64, rising: numbers of further drugs.

        Returns
        -------
        tuple[np.ndarray, np.ndarray]
            The first step has no gain (NaN).
        """
        limits = [self.later if anchors + before else self.first for before in steps[:-1]]
        score = np.clip(_around(scores, np.array([self.score])), 0, 1)
        gain = np.clip(_around(np.diff(scores, axis=1), np.reshape(limits, (-1, 2))), -1, 1)
        return score, np.concatenate([np.full((1, 2), np.nan), gain])


# Of forecasts that have no errors but chance.
CHANCE = Misses()


def _around(draws: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return draws.mean(axis=0)[:, None] + draws.std(axis=0)[:, None] * limits


def limits_of(ratios: Sequence[float]) -> Limits:
    """Return the limits, low at most 0 and high at least 0, that hold the next of `ratios` in 95% of cases.

    Where there are none, those of chance.
    """
    if not len(ratios):
        return NORMAL
    ordered = np.sort(ratios)
    beyond = max(int((len(ordered) + 1) * (1 - COVERAGE) / 2), 1)
    return min(float(ordered[beyond - 1]), 0.0), max(float(ordered[-beyond]), 0.0)
