"""Paired differences against scipy's paired t-test, Holm's correction against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from anchordrug.evaluation.statistics import holm, paired_difference

scores = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(scores, scores), min_size=2, max_size=12))
def test_a_paired_difference_is_that_of_a_paired_t_test(pairs):
    values, reference = np.array(pairs).T
    result = paired_difference(values, reference)
    assert result.mean == pytest.approx((values - reference).mean())
    if np.ptp(values - reference) < 1e-9:
        return  # scipy divides by zero, or by rounding
    test = stats.ttest_rel(values, reference)
    interval = test.confidence_interval()
    assert result.p == pytest.approx(test.pvalue, abs=1e-9)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.normal(0.02, 0.01, (2000, 9))
    results = [paired_difference(one, np.zeros(9), level=0.8) for one in samples]
    covered = np.mean([one.low <= 0.02 <= one.high for one in results])
    assert abs(covered - 0.8) < 0.03


def test_equal_differences_have_no_spread():
    assert paired_difference([0.5, 0.7], [0.5, 0.7]).p == 1
    shifted = paired_difference([1.5, 2.5, 3.5], [1.0, 2.0, 3.0])
    assert (shifted.mean, shifted.low, shifted.high, shifted.p) == (0.5, 0.5, 0.5, 0)


@pytest.mark.parametrize(("values", "reference"), [([1.0], [2.0]), ([], []), ([1.0, 2.0], [1.0])])
def test_what_cannot_be_paired_is_an_error(values, reference):
    with pytest.raises(ValueError, match="two or more pairs"):
        paired_difference(values, reference)


def rejected_by_holm(p, alpha):
    """Step down from the smallest: stop at the first that exceeds its share of alpha."""
    order = sorted(range(len(p)), key=lambda k: p[k])
    rejected = set()
    for step, position in enumerate(order):
        if p[position] > alpha / (len(p) - step):
            break
        rejected.add(position)
    return rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p, alpha):
    adjusted = holm(p)
    near = np.isclose(adjusted, alpha, rtol=1e-9)
    expected = np.isin(np.arange(len(p)), list(rejected_by_holm(p, alpha)))
    assert ((adjusted <= alpha) == expected)[~near].all()


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 10, 50):
        p = rng.uniform(0, 1, count).round(2) ** 3
        _, expected, *_ = multipletests(p, method="holm")
        np.testing.assert_allclose(holm(p), expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_only_raises_and_keeps_the_order(p):
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_of_one_test_changes_nothing():
    assert holm([0.03]).tolist() == [0.03]
