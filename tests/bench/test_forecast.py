"""The forecast of a campaign in words."""

import pandas as pd
import pytest

from anchordrug.bench.forecast import forecast_in_words


def advice(gain, low, high, line="A"):
    """A forecast of two batches of 10 drugs, after 20 were measured."""
    return pd.DataFrame(
        {
            "cell_line": line,
            "drugs": [20, 30, 40],
            "macro_f1": [0.641, 0.641 + gain, 0.7],
            "low": 0.5,
            "high": 0.8,
            "gain": [None, gain, 0.3],
            "gain_low": [None, low, 0.2],
            "gain_high": [None, high, 0.4],
        }
    )


@pytest.mark.parametrize(
    ("gain", "low", "high", "begins", "ends"),
    [
        (
            0.055,
            0.02,
            0.09,
            "are expected to help: +0.055",
            "the expected gain reaches stop_below (0.005): worth measuring",
        ),
        (
            0.006,
            -0.001,
            0.017,
            "may bring nothing: +0.006",
            "the expected gain reaches stop_below (0.005): you decide",
        ),
        (
            0.006,
            0.0,
            0.017,
            "may bring nothing: +0.006",
            "the expected gain reaches stop_below (0.005): you decide",
        ),
        (
            0.002,
            -0.01,
            0.01,
            "may bring nothing: +0.002",
            "the expected gain is below stop_below (0.005): you may stop",
        ),
        (
            0.004,
            0.001,
            0.01,
            "are expected to help: +0.004",
            "the expected gain is below stop_below (0.005): you may stop",
        ),
        (
            -0.01,
            -0.02,
            -0.001,
            "may bring nothing: -0.010",
            "the expected gain is below stop_below (0.005): you may stop",
        ),
    ],
)
def test_a_gain_that_may_be_nothing_says_so_and_the_threshold_is_shown(gain, low, high, begins, ends):
    (line,) = forecast_in_words(advice(gain, low, high), 0.005)
    assert line.startswith(f"A: 10 more drugs {begins} macro-F1 expected, ")
    assert f"95% interval {low:+.3f} to {high:+.3f} (of 100 calls of each label, about 64.1 " in line
    assert f"are right now and {64.1 + 100 * gain:.1f} then); " in line
    assert line.endswith(ends)


def test_a_threshold_of_zero_is_never_missed_by_a_gain():
    (line,) = forecast_in_words(advice(0.0001, -0.01, 0.01), 0)
    assert line.endswith("the expected gain reaches stop_below (0): you decide")


def test_every_target_has_a_line_in_the_order_of_the_campaign():
    both = pd.concat([advice(0.01, 0, 0.02, "Z"), advice(0.02, 0.01, 0.03, "B")])
    assert [line.split(":")[0] for line in forecast_in_words(both, 0.005)] == ["Z", "B"]


def test_a_predictor_without_a_posterior_says_that_there_is_no_forecast():
    (line,) = forecast_in_words(None, 0.005)
    assert line.startswith("no forecast: ")
