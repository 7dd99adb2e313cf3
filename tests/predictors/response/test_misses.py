"""How far outcomes lie from forecasts, and the intervals that follow."""

import numpy as np
import pytest

from anchordrug.predictors.response.misses import CHANCE, NORMAL, Misses, limits_of


def test_an_interval_has_the_limits_in_units_of_the_spread():
    scores = np.random.default_rng(0).uniform(0.4, 0.6, (50, 4))
    misses = Misses(score=(-1.0, 2.0), first=(-3.0, 4.0), later=(-5.0, 6.0))
    score, gain = misses.intervals(scores, 0, np.array([0, 5, 10, 20]))
    for step in range(4):
        mean, spread = scores[:, step].mean(), scores[:, step].std()
        np.testing.assert_allclose(score[step], [mean - spread, mean + 2 * spread])
    assert np.isnan(gain[0]).all()
    for step, (low, high) in ((1, misses.first), (2, misses.later), (3, misses.later)):
        gains = scores[:, step] - scores[:, step - 1]
        np.testing.assert_allclose(gain[step], gains.mean() + gains.std() * np.array([low, high]))


def test_the_first_drugs_of_a_target_have_limits_of_their_own():
    scores = np.random.default_rng(1).uniform(0.4, 0.6, (50, 2))
    misses = Misses(first=(-1.0, 1.0), later=(-2.0, 2.0))
    steps = np.array([0, 5])
    (low, high), (wide_low, wide_high) = (
        misses.intervals(scores, anchors, steps)[1][1] for anchors in (0, 1)
    )
    assert wide_low < low < high < wide_high


def test_an_interval_stays_where_a_macro_f1_and_its_gain_can_be():
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    score, gain = Misses((-9.0, 9.0), (-9.0, 9.0), (-9.0, 9.0)).intervals(scores, 0, np.array([0, 3]))
    np.testing.assert_array_equal(score, [[0, 1], [0, 1]])
    np.testing.assert_array_equal(gain[1], [-1, 1])


def test_a_forecast_of_the_present_alone_has_no_gain():
    score, gain = CHANCE.intervals(np.array([[0.5], [0.6]]), 3, np.array([0]))
    assert score.shape == gain.shape == (1, 2)
    assert np.isnan(gain).all()


@pytest.mark.parametrize(
    ("count", "beyond"), [(1, 1), (20, 1), (39, 1), (78, 1), (79, 2), (80, 2), (119, 3), (120, 3)]
)
def test_limits_leave_out_as_many_of_the_played_forecasts_as_conformal_prediction_does(count, beyond):
    ratios = np.random.default_rng(count).normal(size=count)
    ordered = sorted(ratios)
    low, high = limits_of(ratios.tolist())
    assert low == min(ordered[beyond - 1], 0)
    assert high == max(ordered[-beyond], 0)


@pytest.mark.parametrize(("sign", "expected"), [(1, (0.0, 2.0)), (-1, (-2.0, 0.0))])
def test_the_expected_value_is_inside_even_if_all_outcomes_were_on_one_side(sign, expected):
    assert limits_of([sign * value for value in (1.0, 1.5, 2.0)]) == expected


def test_without_played_forecasts_the_limits_are_those_of_chance():
    assert limits_of([]) == NORMAL


@pytest.mark.parametrize("tails", [1, 3])
def test_limits_hold_the_next_outcome_about_as_often_as_they_promise(tails):
    rng = np.random.default_rng(tails)
    held = []
    for _ in range(400):
        *known, following = rng.standard_t(tails, 80)
        low, high = limits_of(known)
        held.append(low <= following <= high)
    assert 0.92 <= np.mean(held) <= 0.98
