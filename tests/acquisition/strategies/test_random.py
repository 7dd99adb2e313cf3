"""Drugs at random: every drug, and every pair, equally often."""

import math

import numpy as np

from tests.acquisition.fakes import choose, fake_view


def test_it_takes_every_drug_equally_often_at_every_place():
    pool, batch, draws = 20, 5, 2000
    view = fake_view(0, pool)
    lists = np.array([choose("random", view, batch, seed).positions for seed in range(draws)])
    expected = draws / pool
    for place in range(batch):
        counts = np.bincount(lists[:, place], minlength=pool)
        # 19 degrees of freedom: mean 19, standard deviation 6.2.
        assert ((counts - expected) ** 2 / expected).sum() < 50
    pairs = np.zeros((pool, pool))
    for chosen in lists:
        pairs[np.ix_(chosen, chosen)] += 1
    together = pairs[np.triu_indices(pool, 1)]
    expected = draws * batch * (batch - 1) / (pool * (pool - 1))
    assert abs(together - expected).max() < 6 * math.sqrt(expected)
