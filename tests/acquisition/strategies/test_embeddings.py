"""Strategies on embeddings: what holds for several of them."""

import numpy as np
import pytest

from tests.acquisition.fakes import Stored, choose, view_of
from tests.acquisition.strategies.embeddings import random_predictor


@pytest.mark.parametrize("name", ["core_set", "badge", "k_means"])
def test_the_unit_of_embeddings_does_not_matter(name):
    one = random_predictor(3)
    other = Stored(one.table, vectors=one.vectors / 1024, genes_at_once=one.genes_at_once)
    selection, small = choose(name, view_of(one), 14), choose(name, view_of(other), 14)
    assert small.positions.tolist() == selection.positions.tolist()
    np.testing.assert_array_equal(1024 * small.scores, selection.scores)


@pytest.mark.parametrize("name", ["badge", "k_means"])
@pytest.mark.parametrize("offset", [0, 30])
def test_a_twin_is_taken_only_when_nothing_else_is_left(name, offset):
    one = random_predictor(2, drugs=6, genes=20, width=16, offset=offset)
    twins = Stored(np.tile(one.table, (3, 1, 1)), vectors=np.tile(one.vectors, (3, 1, 1)))
    for seed in range(20):
        positions = choose(name, view_of(twins), 6, seed).positions
        assert set((positions % 6).tolist()) == set(range(6))


@pytest.mark.parametrize("name", ["badge", "k_means"])
def test_one_drug_far_from_all_does_not_blur_the_others(name):
    vectors = np.random.default_rng(0).normal(size=(30, 1, 10))
    vectors[7] += 1e3
    view = view_of(Stored(np.tile([0.5, 0.3, 0.2], (30, 1, 1)), vectors=vectors))
    lists = {tuple(choose(name, view, 6, seed).positions.tolist()) for seed in range(10)}
    assert len(lists) == 10
