"""The rival of extra trees: the rows it learns from, and responses on principal axes."""

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from anchordrug.features.blocks import unit_rows
from anchordrug.predictors.contenders import rival
from anchordrug.predictors.extra_trees import axes_of, extra_trees, on_axes
from tests.predictors.response.response_worlds import random_world
from tests.predictors.test_contract import anchors, measured, task

NOTHING = np.zeros(0, np.int64), np.zeros((0, 8), np.float32)


def test_coordinates_on_all_axes_give_the_profile_back():
    z = np.random.default_rng(0).normal(size=(30, 6)).clip(-4, 4)
    axes = axes_of(z, 6)
    np.testing.assert_allclose(on_axes(z, axes) @ axes, z, atol=1e-9)


def test_a_profile_with_missing_genes_has_the_coordinates_of_the_whole_one():
    rng = np.random.default_rng(1)
    z = (rng.normal(size=(40, 2)) @ rng.normal(size=(2, 20))).clip(-4, 4)
    axes = axes_of(z, 20)
    gone = np.where(rng.random(z.shape) < 0.4, np.nan, z)
    low_rank = axes[:2]
    assert np.abs(on_axes(gone, low_rank) - on_axes(z, low_rank)).mean() < 0.1


def test_anchors_draw_the_prediction_of_their_own_drugs_towards_them():
    trees = extra_trees(task())
    assert trees is not None
    chosen, z = anchors(6)
    before, threshold = trees.predict(*NOTHING, chosen, seed=0)
    after, same = trees.predict(chosen, z, chosen, seed=0)
    assert np.abs(after - z).mean() < np.abs(before - z).mean()
    assert threshold == same


def test_the_same_seed_gives_the_same_prediction():
    trees = extra_trees(task())
    assert trees is not None
    drugs = measured().measured_drugs()
    first, second, other = (trees.predict(*anchors(6), drugs, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_the_number_of_threads_changes_no_digit():
    """The world is so large that sums are shared among threads."""
    world = random_world(drugs=300, genes=300)
    large = replace(task(), sources=replace(world.sources, drugs=world.sources.drugs.assign(moa=None)))
    large = replace(
        large, features=replace(large.features, drugs=unit_rows(world.bits), cell_lines=world.cells)
    )
    chosen = world.target.drug[:6]
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            trees = extra_trees(large)
            assert trees is not None
            found.append(trees.predict(chosen, world.target.responses_of(chosen), np.arange(300), seed=1)[0])
    assert found[0].tobytes() == found[1].tobytes()


def test_without_lines_to_learn_from_there_is_no_rival():
    alone = task().sources.restricted_to(task().sources.cell_line == 1)
    lonely = replace(task(), sources=alone)
    assert extra_trees(lonely) is None
    assert not list(rival(None, *NOTHING, np.arange(3), seed=0))
