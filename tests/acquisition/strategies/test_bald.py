"""Mutual information of label and weights, written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition.strategies.bald import entropy
from tests.acquisition.fakes import Stored, choose, fake_view, random_probabilities, view_of

SEEDS = st.integers(0, 1000)
pools = given(seed=SEEDS, pool=st.integers(1, 20), share=st.floats(0, 1), coarse=st.booleans())
quick = settings(max_examples=30, deadline=None)


def mean(values):
    return sum(values) / len(values)


def entropy_by_loop(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def information_by_loop(passes):
    """Mutual information of every drug and gene, from passes [passes, drugs, genes, 3]."""
    scores = []
    for drug in range(passes.shape[1]):
        information = []
        for gene in range(passes.shape[2]):
            rows = passes[:, drug, gene].tolist()
            together = [mean(column) for column in zip(*rows, strict=True)]
            information.append(entropy_by_loop(together) - mean([entropy_by_loop(row) for row in rows]))
        scores.append(information)
    return scores


def stored_passes(seed, pool=10, genes=4, coarse=False):
    return random_probabilities(np.random.default_rng(seed), 5, pool, genes, coarse=coarse)


every_bald = pytest.mark.parametrize(("name", "over_genes"), [("bald", sum), ("bald_points", max)])


@every_bald
@pools
@quick
def test_bald_is_the_mutual_information_written_out_over_five_passes(
    name, over_genes, seed, pool, share, coarse
):
    batch = max(1, round(share * pool))
    passes = stored_passes(seed, pool, coarse=coarse)
    selection = choose(name, view_of(Stored(passes[0], passes)), batch)
    expected = [over_genes(genes) for genes in information_by_loop(passes)]
    np.testing.assert_allclose(
        selection.scores, [expected[position] for position in selection.positions], atol=1e-6
    )
    rest = set(range(pool)) - set(selection.positions.tolist())
    assert (np.diff(selection.scores) <= 0).all()
    assert all(expected[position] <= selection.scores[-1] + 1e-6 for position in rest)


@every_bald
@pools
@quick
def test_bald_is_never_negative(name, over_genes, seed, pool, share, coarse):
    passes = stored_passes(seed, pool, coarse=coarse)
    passes[:, : round(share * pool)] = passes[0, : round(share * pool)]
    selection = choose(name, view_of(Stored(passes[0], passes)), pool)
    assert (selection.scores >= -1e-6).all()


@every_bald
def test_bald_is_zero_where_all_passes_agree_and_not_where_they_differ(name, over_genes):
    passes = stored_passes(0, pool=8)
    passes[:, :5] = passes[0, :5]
    selection = choose(name, view_of(Stored(passes[0], passes)), 8)
    assert set(selection.positions[:3].tolist()) == {5, 6, 7}
    assert (selection.scores[:3] > 0.1).all()
    np.testing.assert_allclose(selection.scores[3:], 0, atol=1e-6)


@every_bald
def test_bald_asks_how_passes_differ_and_not_how_flat_they_are(name, over_genes):
    sure, flat = [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]
    passes = np.array([[[flat], [sure]], [[flat], [[0, 0, 1]]]] * 2 + [[[flat], [sure]]])
    selection = choose(name, view_of(Stored(passes[0], passes)), 2)
    assert selection.positions.tolist() == [1, 0]
    expected = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    np.testing.assert_allclose(selection.scores, [expected, 0], atol=1e-6)


@pytest.mark.parametrize("over", [0, 5])
def test_bald_asks_for_five_passes_and_draws_them_from_its_generator(over):
    view = fake_view(over, pool=9)
    passes = np.stack(list(view.predictor.dropout_probabilities(view.drugs, 5, np.random.default_rng(over))))
    expected = [sum(genes) for genes in information_by_loop(passes)]
    selection = choose("bald", view, 9, seed=over)
    assert selection.positions.tolist() == sorted(range(9), key=lambda position: -expected[position])


@pytest.mark.parametrize("name", ["bald", "bald_points"])
@given(seed=st.integers(0, 1000), copies=st.integers(1, 30), genes=st.integers(1, 40))
@quick
def test_equal_drugs_are_chosen_in_the_pools_order(name, seed, copies, genes):
    passes = np.repeat(stored_passes(seed, 1, genes), copies, axis=1)
    selection = choose(name, view_of(Stored(passes[0], passes)), copies)
    assert selection.positions.tolist() == list(range(copies))


def test_entropy_of_certainty_is_zero_and_of_three_equal_chances_log_three():
    p = np.array([[1, 0, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], np.float32)
    values = entropy(p)
    assert values.dtype == np.float64
    assert values[:2].tolist() == [0, 0]
    np.testing.assert_allclose(values[2:], [math.log(3), math.log(2)], atol=1e-6)


@given(seed=st.integers(0, 1000), coarse=st.booleans())
@quick
def test_entropy_is_that_of_a_loop(seed, coarse):
    p = random_probabilities(np.random.default_rng(seed), 5, 4, coarse=coarse)
    expected = [[entropy_by_loop(gene) for gene in drug] for drug in p.tolist()]
    np.testing.assert_allclose(entropy(p), expected, atol=1e-9)
