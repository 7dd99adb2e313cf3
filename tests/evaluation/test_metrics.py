"""Metrics against scikit-learn and against counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from anchordrug.evaluation.metrics import confusion, f1_scores, macro_f1, per_drug_macro_f1

CLASSES = [0, 1, 2]


@st.composite
def label_pairs(draw):
    """Measured and predicted labels [drugs, genes], each of them from some of the classes only."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 8)))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    subsets = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)
    measured = rng.choice(draw(subsets), shape).astype(np.int8)
    predicted = rng.choice(draw(subsets), shape)
    return measured, predicted.astype(draw(st.sampled_from([np.int8, np.int64])))


@given(pair=label_pairs())
@settings(max_examples=200, deadline=None)
def test_the_confusion_matrix_is_that_of_scikit_learn(pair):
    measured, predicted = pair
    ours = confusion(measured, predicted)
    assert ours.dtype == np.int64
    np.testing.assert_array_equal(ours, confusion_matrix(measured.ravel(), predicted.ravel(), labels=CLASSES))


@given(pair=label_pairs())
@settings(max_examples=200, deadline=None)
def test_the_f1_scores_are_those_of_scikit_learn_also_when_classes_are_missing(pair):
    measured, predicted = pair
    flat = measured.ravel(), predicted.ravel()
    options = {"labels": CLASSES, "zero_division": 0}
    np.testing.assert_allclose(
        f1_scores(confusion(measured, predicted)), f1_score(*flat, average=None, **options), atol=1e-12
    )
    assert macro_f1(measured, predicted) == pytest.approx(
        f1_score(*flat, average="macro", **options), abs=1e-12
    )


@given(pair=label_pairs())
@settings(max_examples=100, deadline=None)
def test_the_macro_f1_of_each_drug_is_that_of_its_row_alone(pair):
    measured, predicted = pair
    scores = per_drug_macro_f1(measured, predicted)
    expected = [
        f1_score(row, guess, average="macro", labels=CLASSES, zero_division=0)
        for row, guess in zip(measured, predicted, strict=True)
    ]
    assert scores.shape == (len(measured),)
    np.testing.assert_allclose(scores, expected, atol=1e-12)


@given(pair=label_pairs(), order=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_the_macro_f1_does_not_depend_on_the_order_of_pairs_or_on_which_side_is_measured(pair, order):
    measured, predicted = pair
    shuffle = np.random.default_rng(order).permutation(measured.size)
    score = macro_f1(measured, predicted)
    assert macro_f1(measured.ravel()[shuffle], predicted.ravel()[shuffle]) == pytest.approx(score)
    assert macro_f1(predicted, measured) == pytest.approx(score)


def test_a_large_matrix_does_not_overflow_the_small_labels():
    rng = np.random.default_rng(0)
    measured, predicted = rng.integers(0, 3, (2, 300, 307)).astype(np.int8)
    assert confusion(measured, predicted).sum() == 300 * 307
    assert macro_f1(measured, measured) == 1.0


def test_a_class_that_is_neither_measured_nor_predicted_scores_zero():
    measured = np.array([[0, 1, 1]])
    assert f1_scores(confusion(measured, measured)).tolist() == [1, 1, 0]
    assert macro_f1(measured, measured) == pytest.approx(2 / 3)
    assert f1_scores(np.zeros((3, 3), np.int64)).tolist() == [0, 0, 0]


def test_another_number_of_drugs_is_an_error():
    with pytest.raises(ValueError, match=r"longer|shorter"):
        per_drug_macro_f1(np.zeros((2, 3), np.int8), np.zeros((3, 3), np.int8))
