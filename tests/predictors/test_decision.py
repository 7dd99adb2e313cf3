"""Expected macro-F1 against enumeration, and the offset that is best for it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.evaluation.metrics import macro_f1
from anchordrug.labels import decide
from anchordrug.predictors.decision import OFFSETS, best_offsets, expected_macro_f1

SEEDS = st.integers(0, 10_000)


def drawn(seed, drugs, genes, sharpness=1.0):
    """Probabilities [drugs, genes, 3], "none" most likely."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(drugs, genes, 3)) + [0, 1.5, 0]
    powers = np.exp(logits)
    return (powers / powers.sum(axis=2, keepdims=True)).astype(np.float32)


def at(offset):
    """The offsets of the three labels."""
    return np.array([0, offset, 0], np.float32)


def enumerated(probabilities, labels):
    """The mean over all possible truths of the macro-F1, which is what is meant by expected."""
    rows, own = probabilities.reshape(-1, 3).astype(float), labels.ravel()
    total = 0.0
    for truth in product(range(3), repeat=len(rows)):
        chance = np.prod(rows[np.arange(len(rows)), truth])
        total += chance * macro_f1(np.array(truth), own)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_sure_predictions_are_expected_to_score_what_enumeration_says(seed):
    probabilities = drawn(seed, 2, 4, sharpness=12)
    found = dict(zip(OFFSETS, expected_macro_f1(probabilities), strict=True))
    for offset in (-2.0, -1.0, 0.0):
        expected = enumerated(probabilities, decide(probabilities, at(offset)))
        # The ratio of expectations is not the expectation of a ratio; with 8 genes they differ a little.
        assert found[offset] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("offset", [-2.5, -0.8, 0.0, 1.0])
def test_of_many_genes_the_expectation_is_that_of_draws(offset):
    probabilities = drawn(3, 20, 60)
    labels = decide(probabilities, at(offset))
    rng = np.random.default_rng(0)
    rank = rng.random((300, 20, 60))
    edges = probabilities.cumsum(axis=2)
    truths = (rank > edges[..., 0]).astype(int) + (rank > edges[..., 1])
    scores = [macro_f1(truth, labels) for truth in truths]
    found = dict(zip(OFFSETS, expected_macro_f1(probabilities), strict=True))
    assert found[offset] == pytest.approx(np.mean(scores), abs=2e-3)


def by_definition(probabilities, labels):
    """Expected macro-F1 of labels: twice the hits over the sum of true and called ones, label by label."""
    scores = []
    for label in range(3):
        own, called = probabilities[..., label].astype(float), labels == label
        both = own.sum() + called.sum()
        scores.append(2 * own[called].sum() / both if both else 0.0)
    return np.mean(scores)


@given(seed=SEEDS, sharpness=st.sampled_from([0.3, 1.0, 3.0]))
def test_no_other_offset_is_expected_to_do_better(seed, sharpness):
    probabilities = drawn(seed, 6, 12, sharpness)
    scores = [by_definition(probabilities, decide(probabilities, at(offset))) for offset in OFFSETS]
    np.testing.assert_allclose(expected_macro_f1(probabilities), scores, atol=1e-6)
    best = best_offsets(probabilities)
    assert best[0] == best[2] == 0
    assert by_definition(probabilities, decide(probabilities, best)) >= max(scores) - 1e-8


def test_groups_count_by_their_shares_of_the_drugs():
    sure, vague = drawn(0, 30, 20, sharpness=4), drawn(1, 10, 20, sharpness=0.3)
    both, groups = np.concatenate([sure, vague]), np.repeat([0, 1], [30, 10])
    offset = best_offsets(both, groups)[1]
    low, high = sorted([best_offsets(sure)[1], best_offsets(vague)[1]])
    assert low <= offset <= high
    np.testing.assert_array_equal(best_offsets(both, np.zeros(40)), best_offsets(both))


def test_equal_scores_keep_the_likeliest_labels():
    certain = np.zeros((3, 5, 3), np.float32)
    certain[..., 1] = 1
    np.testing.assert_array_equal(best_offsets(certain), [0, 0, 0])
    np.testing.assert_array_equal(best_offsets(certain[:0]), [0, 0, 0])
