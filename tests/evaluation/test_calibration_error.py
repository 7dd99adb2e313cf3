"""Reliability and calibration error against loops over (drug, gene) pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.evaluation.calibration_error import expected_calibration_error, reliability

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=60, deadline=None)


def simulated(seed, *shape, spread=1.0):
    """Labels that occur as often as the probabilities say."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([spread] * 3, shape)
    labels = (rng.random((*shape, 1)) > probabilities.cumsum(axis=-1)[..., :2]).sum(axis=-1)
    return labels.astype(np.int8), probabilities


def bins_by_loop(labels, probabilities, bins):
    """(confidence, accuracy, share) of the bins that hold anything."""
    held = [[] for _ in range(bins)]
    rows = list(zip(labels.ravel().tolist(), probabilities.reshape(-1, 3).tolist(), strict=True))
    for label, row in rows:
        confidence = max(row)
        place = 0
        while place < bins - 1 and confidence * bins >= place + 1:
            place += 1
        held[place].append((confidence, row.index(confidence) == label))
    return [
        (sum(c for c, _ in one) / len(one), sum(right for _, right in one) / len(one), len(one) / len(rows))
        for one in held
        if one
    ]


@given(seed=SEEDS, drugs=st.integers(1, 20), spread=st.sampled_from([0.1, 1.0]), bins=st.integers(1, 20))
@quick
def test_reliability_is_that_of_a_loop(seed, drugs, spread, bins):
    labels, probabilities = simulated(seed, drugs, 7, spread=spread)
    table = reliability(labels, probabilities, bins)
    assert list(table.columns) == ["confidence", "accuracy", "share"]
    assert list(table.index) == list(range(len(table)))
    np.testing.assert_allclose(table.to_numpy(), bins_by_loop(labels, probabilities, bins), rtol=1e-9)
    assert table["share"].sum() == pytest.approx(1)
    assert table["confidence"].is_monotonic_increasing


@given(seed=SEEDS, spread=st.sampled_from([0.1, 1.0, 10.0]))
@quick
def test_the_calibration_error_is_that_of_a_loop_over_fifteen_bins(seed, spread):
    labels, probabilities = simulated(seed, 10, 9, spread=spread)
    labels = np.random.default_rng(seed).permutation(labels)
    expected = sum(
        share * abs(accuracy - confidence)
        for confidence, accuracy, share in bins_by_loop(labels, probabilities, 15)
    )
    found = expected_calibration_error(labels, probabilities)
    assert isinstance(found, float)
    assert found == pytest.approx(expected, rel=1e-9)
    single = expected_calibration_error(labels, probabilities.astype(np.float32))
    assert single == pytest.approx(expected, abs=0.03)


def test_the_shape_of_labels_and_their_order_do_not_matter():
    labels, probabilities = simulated(0, 6, 5, 4)
    order = np.random.default_rng(1).permutation(120)
    flat = reliability(labels.ravel()[order], probabilities.reshape(-1, 3)[order])
    np.testing.assert_allclose(flat, reliability(labels, probabilities), rtol=1e-9)


@pytest.mark.parametrize("spread", [0.2, 1.0, 5.0])
def test_labels_that_occur_as_often_as_said_leave_almost_no_error(spread):
    labels, probabilities = simulated(3, 400, 500, spread=spread)
    assert expected_calibration_error(labels, probabilities) < 0.005
    table = reliability(labels, probabilities)
    full = table["share"] > 0.01
    np.testing.assert_allclose(table["accuracy"][full], table["confidence"][full], atol=0.03)


def test_too_much_and_too_little_confidence_are_errors_of_their_size():
    labels = np.repeat(np.array([0, 1], np.int8), [60, 40])
    for said in (0.9, 0.45):
        probabilities = np.tile([said, 0.8 * (1 - said), 0.2 * (1 - said)], (100, 1))
        assert expected_calibration_error(labels, probabilities) == pytest.approx(abs(said - 0.6))


def test_errors_of_opposite_sign_in_two_bins_do_not_cancel():
    labels = np.array([0, 1, 0, 0], np.int8)
    probabilities = np.array([[0.9, 0.1, 0]] * 2 + [[0.6, 0.4, 0]] * 2)
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.4)
    np.testing.assert_allclose(reliability(labels, probabilities), [[0.6, 1, 0.5], [0.9, 0.5, 0.5]])


def test_certainty_falls_into_the_last_bin():
    probabilities = np.array([[1.0, 0, 0], [0.95, 0.05, 0], [0.5, 0.5, 0]])
    table = reliability(np.array([0, 1, 1]), probabilities)
    # Of two equally likely labels the lower counts.
    np.testing.assert_allclose(table, [[0.5, 0, 1 / 3], [0.975, 0.5, 2 / 3]])
    assert expected_calibration_error(np.array([0, 0]), np.eye(3)[[0, 0]]) == 0
    assert expected_calibration_error(np.array([0, 2]), np.eye(3)[[1, 1]]) == 1


def test_without_labels_there_are_no_bins_and_no_error():
    none = np.empty((0, 5), np.int8), np.empty((0, 5, 3))
    assert len(reliability(*none)) == 0
    assert expected_calibration_error(*none) == 0
