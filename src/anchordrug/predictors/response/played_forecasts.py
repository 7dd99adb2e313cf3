"""Forecasts in source lines used as the target, where the outcome is known.

Some drugs of a line are anchors, the gain of the next drugs is forecast, and then they are taken from the
line's measured responses. The drugs come in random order, whatever strategy a campaign will have.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from anchordrug.evaluation.metrics import macro_f1
from anchordrug.labels import labels_of
from anchordrug.predictors.response.fitted import ResponseFitted
from anchordrug.predictors.response.forecast import drawn_scores
from anchordrug.predictors.response.misses import Misses, limits_of
from anchordrug.predictors.response.pseudo_targets import PseudoTarget, SourceFit

# Numbers of anchors at which each line forecasts, for every order of its drugs, and number of next drugs.
ANCHORS, BATCH = ((0, 10), (0, 30)), 10
# Drugs that are predicted; a line needs the fewest.
FEWEST_QUERIES, MOST_QUERIES = 10, 80
DRAWS = 20

# Given a line, its drugs and their z, returns the predictor that is fitted to them.
Fit = Callable[[PseudoTarget, np.ndarray, np.ndarray], ResponseFitted]


def played_misses(
    targets: Sequence[PseudoTarget], fit: Fit, source_fit: SourceFit, threshold: float, seed: int
) -> Misses:
    """Return the errors of forecasts in `targets`.

    Parameters
    ----------
    source_fit
        Settings of the process and the unit of its variance.
    threshold
        |z| beyond which a gene is down or up.
    """
    score, first, later = [], [], []
    rng = np.random.default_rng([seed, 2])
    for target in targets:
        for anchors, (before, after, gain) in _played(target, fit, source_fit, threshold, rng):
            score += [before, after]
            (later if anchors else first).append(gain)
    return Misses(limits_of(score), limits_of(first), limits_of(later))


def _played(
    target: PseudoTarget, fit: Fit, source_fit: SourceFit, threshold: float, rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the anchors of each forecast, and the misses of the score before and after and of the gain.

    Each miss is in units of the spread of the draws.
    """
    for numbers in ANCHORS:
        order = rng.permutation(len(target.drugs))
        for anchors in numbers:
            following, rest = np.split(order[anchors : anchors + BATCH + MOST_QUERIES], [BATCH])
            if len(rest) < FEWEST_QUERIES:
                continue
            queries, truth = target.drugs[rest], labels_of(target.z[rest], threshold)
            fits = [
                fit(target, target.drugs[known], target.z[known]).deciding_for(queries)
                for known in (order[:anchors], order[: anchors + BATCH])
            ]
            steps = np.array([0, len(following)])
            draws = drawn_scores(
                fits[0], source_fit, target.sources, target.drugs[following], steps, queries, rng, DRAWS
            )
            outcome = np.array([macro_f1(truth, fitted.labels(queries)) for fitted in fits])
            draws, outcome = (np.append(part, np.diff(part), axis=-1) for part in (draws, outcome))
            yield anchors, (outcome - draws.mean(axis=0)) / np.maximum(draws.std(axis=0), 1e-6)
