"""Gradient embeddings drawn by k-means++, against a plain loop with the same draws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acquisition.fakes import Stored, choose, view_of
from tests.acquisition.strategies.embeddings import gradients_of, random_predictor, seeds_by_loop, squared

SEEDS = st.integers(0, 10_000)


@given(seed=SEEDS, share=st.floats(0, 1), anchors=st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_badge_is_the_loop_with_the_same_draws(seed, share, anchors):
    predictor = random_predictor(seed)
    view = view_of(predictor, range(anchors))
    batch = max(1, round(share * len(view.drugs)))
    rows = gradients_of(predictor)[view.drugs]
    lengths = [squared(row, 0) ** 0.5 for row in rows]
    first = int(np.argmax(lengths))
    expected, scores = seeds_by_loop(rows, first, batch, np.random.default_rng(seed))
    selection = choose("badge", view, batch, seed)
    assert selection.positions.tolist() == expected
    np.testing.assert_allclose(selection.scores, [lengths[first], *scores[1:]], rtol=1e-4)


def test_badge_draws_in_proportion_to_squared_distance():
    scale = np.array([1, 5, 1, 2, 4])
    vectors = np.zeros((5, 1, 2))
    vectors[:, 0, 0] = scale
    predictor = Stored(np.tile([0.5, 0.3, 0.2], (5, 1, 1)), vectors=vectors)
    draws = 3000
    seconds = np.array([choose("badge", view_of(predictor), 2, seed).positions for seed in range(draws)])
    assert (seconds[:, 0] == 1).all()
    expected = draws * (scale - 5) ** 2 / ((scale - 5) ** 2).sum()
    counts = np.bincount(seconds[:, 1], minlength=5)
    assert counts[1] == 0
    # Three degrees of freedom; above 25 once in 60,000.
    assert ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum() < 25


def test_badge_fills_up_in_the_pools_order_where_the_predictor_is_certain():
    predictor = Stored(
        np.tile([0.0, 1, 0], (6, 4, 1)), vectors=np.random.default_rng(0).normal(size=(6, 4, 3))
    )
    selection = choose("badge", view_of(predictor), 4)
    assert selection.positions.tolist() == [0, 1, 2, 3]
    assert selection.scores.tolist() == [0, 0, 0, 0]
