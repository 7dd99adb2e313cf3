"""Choosing by score: the highest first, ties in the pool's order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.acquisition.scores import first_of_largest, highest

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@given(scores=SCORES, share=st.floats(0, 1))
def test_the_highest_come_first_and_ties_keep_the_pools_order(scores, share):
    batch = max(1, round(share * len(scores)))
    selection = highest(np.array(scores, np.float32), batch, "Its score is {}.")
    order = sorted(range(len(scores)), key=lambda position: (-scores[position], position))
    assert selection.positions.tolist() == order[:batch]
    assert selection.scores.tolist() == [scores[position] for position in order[:batch]]
    assert selection.scores.dtype == np.float64
    assert selection.reasons == tuple(f"Its score is {scores[position]}." for position in order[:batch])


@pytest.mark.parametrize(
    ("values", "place"),
    [([1, 3, 3], 1), ([1, 3, 3.00001], 1), ([1, 3, 3.001], 2), ([-5, -3.00001, -3], 1), ([0, 0], 0)],
)
def test_values_that_differ_by_rounding_are_equal_to_the_largest(values, place):
    assert first_of_largest(np.array(values)) == place
