"""Designs, which need nothing measured in the target: what holds for all of them."""

import numpy as np
import pytest

from anchordrug.acquisition import PoolView
from anchordrug.acquisition.strategies import a_optimal, facility_location
from tests.acquisition.fakes import choose
from tests.acquisition.strategies.designs import random_view, view_of
from tests.predictors.atlases import random_sources

DESIGNS = ["a_optimal", "facility_location"]


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("queries", [0, 10])
@pytest.mark.parametrize("seed", range(8))
def test_three_batches_of_four_are_one_of_twelve(name, seed, queries):
    view = random_view(seed, pool=14, anchors=2, queries=queries)
    whole = choose(name, view, 12)
    pool, anchors, drugs, scores = view.drugs, view.anchors, [], []
    for _ in range(3):
        part = choose(name, PoolView(None, pool, anchors, view.catalogue), 4)
        drugs += pool[part.positions].tolist()
        scores += part.scores.tolist()
        anchors = np.concatenate([anchors, pool[part.positions]])
        pool = np.delete(pool, part.positions)
    assert drugs == view.drugs[whole.positions].tolist()
    np.testing.assert_allclose(scores, whole.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seed", range(5))
def test_the_first_drugs_of_a_large_batch_are_the_small_batch(name, seed):
    view = random_view(seed, pool=14)
    large, small = choose(name, view, 14), choose(name, view, 5)
    np.testing.assert_array_equal(large.positions[:5], small.positions)
    np.testing.assert_array_equal(large.scores[:5], small.scores)
    assert sorted(large.positions.tolist()) == list(range(14))
    assert large.scores.dtype == np.float64


@pytest.mark.parametrize("name", DESIGNS)
def test_without_an_aim_it_is_pool_and_anchors(name):
    for seed in range(8):
        none = random_view(seed, anchors=3, queries=0)
        sources = random_sources(seed)
        both = view_of(sources, none.drugs, none.anchors, [*none.drugs, *none.anchors])
        other = view_of(sources, none.drugs, none.anchors, np.setdiff1d(np.arange(25), none.drugs))
        found, expected = choose(name, none, 8), choose(name, both, 8)
        np.testing.assert_array_equal(found.positions, expected.positions)
        np.testing.assert_array_equal(found.scores, expected.scores)
        assert np.abs(choose(name, other, 8).scores - found.scores).max() > 0.01


@pytest.mark.parametrize(
    ("name", "aimed"),
    # Two drugs of the pool that are aimed at as well may stand for each other: a tie for facility location.
    [("a_optimal", "anything"), ("a_optimal", "others"), ("facility_location", "others")],
)
@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_pool_settles_ties_only(name, aimed, seed):
    sources = random_sources(seed)
    rng = np.random.default_rng(seed)
    pool = np.concatenate([[23, 24], rng.permutation(23)[:10]])
    queries = np.setdiff1d(np.arange(25), pool) if aimed == "others" else rng.permutation(25)[:15]
    # Nothing tells the last two drugs apart: the one that comes first in the pool goes first.
    classes = np.minimum(np.arange(25), 23)
    lists = []
    for _ in range(5):
        pool = rng.permutation(pool)
        selection = choose(name, view_of(sources, pool, [], queries), 5)
        assert selection.scores.min() > 1e-3
        drugs = pool[selection.positions]
        lists.append(classes[drugs].tolist())
        twins = [drug for drug in drugs.tolist() if drug >= 23]
        assert twins == [drug for drug in pool.tolist() if drug >= 23][: len(twins)]
    assert lists == [lists[0]] * 5


@pytest.mark.parametrize("name", DESIGNS)
def test_where_there_is_nothing_to_gain_every_drug_still_comes_once(name):
    selection = choose(name, random_view(2, pool=6, queries=0), 6)
    assert selection.scores.min() > 0
    nothing = view_of(random_sources(2), np.arange(6), [], np.empty(0, np.int64))
    selection = choose(name, nothing, 6)
    assert selection.positions.tolist() == [0, 1, 2, 3, 4, 5]
    assert selection.scores.tolist() == [0] * 6


@pytest.mark.parametrize("name", DESIGNS)
def test_how_many_rows_are_made_at_once_does_not_matter(name, monkeypatch):
    view = random_view(4, pool=14, anchors=2, queries=11)
    whole = choose(name, view, 14)
    monkeypatch.setattr(a_optimal, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(facility_location, "ROWS_AT_ONCE", 3)
    parts = choose(name, view, 14)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(parts.positions[:10], whole.positions[:10])


@pytest.mark.parametrize("name", DESIGNS)
def test_what_was_measured_of_source_lines_decides(name):
    lists = {tuple(choose(name, random_view(seed, pool=12), 4).positions.tolist()) for seed in range(6)}
    assert len(lists) > 3
