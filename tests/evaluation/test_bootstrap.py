"""Intervals by drawing test drugs again, against loops that draw and count one by one."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from anchordrug.evaluation.bootstrap import confusion_by_row, interval, macro_f1_of, resampled_macro_f1
from anchordrug.evaluation.metrics import confusion, macro_f1

LABELS = arrays(np.int8, (4, 6), elements=st.integers(0, 2))


def labels(seed: int, drugs: int = 30, genes: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Measured labels, and predicted ones that are right in about half of the cases, by drug more or less."""
    rng = np.random.default_rng(seed)
    measured = rng.integers(0, 3, (drugs, genes)).astype(np.int8)
    wrong = rng.random((drugs, genes)) < rng.random((drugs, 1))
    return measured, np.where(wrong, rng.integers(0, 3, (drugs, genes)), measured).astype(np.int8)


@given(LABELS, LABELS)
def test_counts_of_a_row_and_their_macro_f1_are_those_of_its_labels(measured, predicted):
    counts = confusion_by_row(measured, predicted)
    for row, own in enumerate(counts):
        assert own.reshape(3, 3).tolist() == confusion(measured[row], predicted[row]).tolist()
        assert macro_f1_of(own) == pytest.approx(macro_f1(measured[row], predicted[row]))
    assert macro_f1_of(counts.sum(axis=0)) == pytest.approx(macro_f1(measured, predicted))


def test_intervals_are_those_of_drawing_drugs_one_by_one():
    measured, predicted = labels(0)
    drugs = np.array([f"D{n}" for n in range(len(measured))])
    ours = resampled_macro_f1([confusion_by_row(measured, predicted)], [drugs], seed=1, resamples=4000)[:, 0]
    rng = np.random.default_rng(2)
    theirs = []
    for _ in range(4000):
        rows = rng.integers(0, len(drugs), len(drugs))
        theirs.append(macro_f1(measured[rows], predicted[rows]))
    assert interval(ours) == pytest.approx(interval(np.array(theirs)), abs=0.006)
    low, high = interval(ours)
    assert high - low > 0.05
    assert low < macro_f1(measured, predicted) < high


def test_a_drug_of_two_cases_is_drawn_as_often_in_both():
    counts = confusion_by_row(*labels(3))
    drugs = np.array([f"D{n}" for n in range(len(counts))])
    order = np.random.default_rng(0).permutation(len(drugs))
    both = resampled_macro_f1([counts, counts[order]], [drugs, drugs[order]], seed=0, resamples=50)
    assert both[:, 0].tolist() == both[:, 1].tolist()
    assert both[:, 0].std() > 0


def test_the_same_seed_draws_the_same_and_another_does_not():
    counts = confusion_by_row(*labels(4))
    drugs = np.arange(len(counts)).astype(str)
    draw = [resampled_macro_f1([counts], [drugs], seed=seed, resamples=20).tolist() for seed in (0, 0, 1)]
    assert draw[0] == draw[1] != draw[2]
