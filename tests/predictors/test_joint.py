"""Predictors of several targets as one, against their parts and against one predictor of all genes."""

import numpy as np
import pytest

from anchordrug.acquisition import PoolView
from anchordrug.acquisition.registry import strategies
from anchordrug.predictors.joint import JointNetwork, JointPredictor
from tests.acquisition.fakes import Stored, catalogue_of, choose, random_catalogue, random_probabilities
from tests.predictors.mlp.networks import small_fitted

DRUGS, GENES, TARGETS = 16, 5, 3


def targets(seed=0):
    """Predictors of the targets, and one predictor of the genes of all of them."""
    rng = np.random.default_rng(seed)
    tables = random_probabilities(rng, TARGETS, DRUGS, GENES)
    passes = random_probabilities(rng, TARGETS, 5, DRUGS, GENES)
    vectors = rng.normal(size=(TARGETS, DRUGS, GENES, 4))
    push = 8 * rng.normal(size=(TARGETS, GENES, 3, 6))
    parts = [Stored(*arrays) for arrays in zip(tables, passes, vectors, push, strict=True)]
    whole = Stored(
        np.concatenate(tables, axis=1),
        np.concatenate(passes, axis=2),
        np.concatenate(vectors, axis=1),
        np.concatenate(push),
    )
    return JointNetwork(parts), whole


def test_probabilities_and_passes_are_the_parts_side_by_side():
    joint, whole = targets()
    drugs = np.array([3, 15, 0])
    np.testing.assert_array_equal(joint.probabilities(drugs), whole.probabilities(drugs))
    ours = list(joint.dropout_probabilities(drugs, 5, np.random.default_rng(0)))
    theirs = list(whole.dropout_probabilities(drugs, 5, np.random.default_rng(0)))
    np.testing.assert_array_equal(ours, theirs)


def test_targets_have_dropout_noise_of_their_own():
    one = small_fitted()
    joint = JointNetwork([one, one])
    passes = list(joint.dropout_probabilities(np.arange(9), 3, np.random.default_rng(0)))
    assert len(passes) == 3
    for single in passes:
        assert np.abs(single[:, :11] - single[:, 11:]).max() > 1e-3


def test_embeddings_come_target_by_target():
    joint, whole = targets()
    drugs = np.array([3, 15, 0])
    ours, theirs = (
        [np.concatenate(parts, axis=1) for parts in zip(*one.embeddings(drugs), strict=True)]
        for one in (joint, whole)
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("moved", [False, True])
def test_the_gradient_is_that_of_the_mean_over_the_genes_of_all_targets(moved):
    joint, whole = targets()
    rng = np.random.default_rng(1)
    drugs = np.array([3, 15, 0])
    shift = rng.normal(scale=0.1, size=(3, 6 if moved else 0)).astype(np.float32)
    labels = rng.integers(0, 3, (3, TARGETS * GENES)).astype(np.int8)
    ours, theirs = joint.loss_gradient(drugs, shift, labels), whole.loss_gradient(drugs, shift, labels)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-6)
    assert ours[1].dtype == np.float32


@pytest.mark.parametrize("name", strategies())
@pytest.mark.parametrize("seed", range(5))
def test_a_strategy_on_several_targets_is_that_on_all_genes_side_by_side(name, seed):
    joint, whole = targets(seed)
    rows = np.random.default_rng(seed).permutation(DRUGS)
    catalogue = random_catalogue(np.random.default_rng(seed), DRUGS)
    ours, theirs = (
        choose(name, PoolView(one, rows[3:], rows[:3], catalogue), 6, seed) for one in (joint, whole)
    )
    assert ours.positions.tolist() == theirs.positions.tolist()
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", strategies())
def test_one_target_is_the_predictor_itself(name):
    fitted = small_fitted(drugs=12, sharpness=10)
    pool = np.arange(12)
    catalogue = catalogue_of(fitted.features.drugs, [None] * 12, np.random.default_rng(0))
    ours, theirs = (
        choose(name, PoolView(one, pool[2:], pool[:2], catalogue), 5)
        for one in (JointNetwork([fitted]), fitted)
    )
    assert ours.positions.tolist() == theirs.positions.tolist()
    assert ours.scores.tolist() == theirs.scores.tolist()


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("anchors", [0, 4])
def test_every_target_is_fitted_to_its_share_of_the_responses(final, anchors):
    calls = []

    class Part:
        def __init__(self, name):
            self.name = name

        def fit(self, drugs, z, *, seed, final=False):
            calls.append((self.name, drugs.tolist(), z.tolist(), seed, final))
            return self.name

    z = np.random.default_rng(0).normal(size=(anchors, 9)).astype(np.float32)
    drugs = np.arange(anchors) + 7
    fitted = JointPredictor([Part("a"), Part("b"), Part("c")]).fit(drugs, z, seed=5, final=final)
    assert list(fitted.parts) == ["a", "b", "c"]
    assert calls == [
        (name, drugs.tolist(), z[:, 3 * i : 3 * i + 3].tolist(), 5, final) for i, name in enumerate("abc")
    ]
