"""The decision for macro-F1: the offset of "none" with the best expected score over the drugs one wants.

Macro-F1 weights three labels equally, of which "none" is by far the most frequent, so the most probable
labels score low. How far "none" must yield depends on how sure the predictions are, that is, on the library:
it is chosen for its drugs, by the predictor's own probabilities, before any of them is measured (the
decision-theoretic approach of Ye et al. 2012, "Optimizing F-measures: a tale of two approaches").
"""

import numpy as np

from anchordrug.labels import DOWN, NONE, UP

# Of more drugs, an evenly spaced subset is used.
MOST_DRUGS = 2000
OFFSETS = np.round(np.arange(-3, 1.0001, 0.05), 2)


def best_offsets(probabilities: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the offsets float32 [3] of log probabilities with the best expected macro-F1.

    Only that of "none" is other than 0; of equally good offsets it is the nearest to 0.

    Parameters
    ----------
    probabilities
        [drugs, genes, 3] of the drugs to be predicted.
    groups
        [drugs], a number per group of drugs: the score is then the mean of the groups' own scores, weighted
        by their shares of the drugs. Without it all drugs are one group.
    """
    groups = np.zeros(len(probabilities)) if groups is None else groups
    if not len(probabilities):
        return np.zeros(3, np.float32)
    scores = np.zeros(len(OFFSETS))
    for group in np.unique(groups):
        own = probabilities[groups == group]
        scores += np.round(expected_macro_f1(own), 9) * len(own) / len(probabilities)
    nearest_first = np.argsort(np.abs(OFFSETS), kind="stable")
    best = nearest_first[int(np.argmax(scores[nearest_first]))]
    return np.array([0, OFFSETS[best], 0], np.float32)


def expected_macro_f1(probabilities: np.ndarray) -> np.ndarray:
    """Return the macro-F1 that each of `OFFSETS` is expected to reach if `probabilities` [..., 3] are true.

    The F1 of a label is taken as the ratio of its expected numerator and denominator, whose spread is small
    for the thousands of genes of a library. Returns float64 [offsets], in one pass over the genes.
    """
    down, none, up = (probabilities[..., label].ravel().astype(np.float64) for label in (DOWN, NONE, UP))
    changed = np.maximum(down, up)
    lead = np.log(np.maximum(none, 1e-12)) - np.log(np.maximum(changed, 1e-12))
    # From this place of the offsets on, a gene is called unchanged.
    place = np.searchsorted(OFFSETS, -lead, side="right")
    scores = np.zeros(len(OFFSETS))
    for chance, called in ((down, down >= up), (up, up > down)):
        hit, size = (_until(place, called * weight) for weight in (chance, np.ones(len(chance))))
        scores += _f1(hit[-1] - hit[:-1], size[-1] - size[:-1] + chance.sum())
    hit, size = (_until(place, weight) for weight in (none, np.ones(len(none))))
    return (scores + _f1(hit[:-1], size[:-1] + none.sum())) / 3


def _until(place: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the sums of the weights of all genes up to each place, [offsets + 1]."""
    return np.bincount(place, weight, minlength=len(OFFSETS) + 1).cumsum()


def _f1(hit: np.ndarray, both: np.ndarray) -> np.ndarray:
    return 2 * hit / np.where(both > 0, both, 1)


def sample_of(drugs: np.ndarray) -> np.ndarray:
    """Return at most `MOST_DRUGS` of the drugs to be predicted, evenly spaced."""
    places = np.linspace(0, len(drugs) - 1, min(len(drugs), MOST_DRUGS))
    return drugs[places.astype(np.int64)]
