"""What every strategy must keep to, and each strategy against its formula written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import PoolView, strategies, strategy
from anchordrug.acquisition.uncertainty import entropy
from anchordrug.campaign import play
from anchordrug.errors import SettingsError

# Strategies that draw random numbers; all others must choose the same under every seed.
RANDOMISED = {"random", "bald"}


class Stored:
    """A fitted predictor that hands out stored predictions, drug by drug."""

    def __init__(self, table, passes=None):
        self.table = np.asarray(table, np.float32)
        self.passes = None if passes is None else np.asarray(passes, np.float32)
        self.calls = 0

    def probabilities(self, drugs):
        self.calls += 1
        return self.table[drugs]

    def dropout_probabilities(self, drugs, passes, rng):
        if self.passes is not None:
            assert passes == len(self.passes)
            yield from self.passes[:, drugs]
            return
        for _ in range(passes):
            noisy = self.table[drugs] * rng.uniform(0.5, 1.5, (len(drugs), *self.table.shape[1:]))
            yield (noisy / noisy.sum(axis=2, keepdims=True)).astype(np.float32)


class Learner:
    """A predictor whose predictions turn with the number of anchors; drugs are known by their keys."""

    def __init__(self, tables):
        self.tables = tables  # float32 [fits, drugs, genes, 3]

    def fit(self, anchors, z, *, seed, final=False):  # noqa: ARG002
        return Stored(self.tables[len(anchors) % len(self.tables)])


def random_probabilities(rng, *shape, coarse=False):
    p = rng.dirichlet([0.5, 0.5, 0.5], shape)
    if coarse:  # so that ties between drugs are common
        choices = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
        p = choices[rng.integers(0, len(choices), shape)]
    return p.astype(np.float32)


def fake_view(seed, pool=12, genes=4, coarse=False):
    """A pool of scattered rows of a larger drug table."""
    rng = np.random.default_rng(seed)
    table = random_probabilities(rng, 3 * pool, genes, coarse=coarse)
    return PoolView(Stored(table), rng.permutation(3 * pool)[:pool])


def choose(name, view, batch, seed=0):
    return strategy(name)(view, batch, np.random.default_rng(seed))


pools = given(seed=st.integers(0, 1000), pool=st.integers(1, 20), share=st.floats(0, 1), coarse=st.booleans())
quick = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("name", strategies())
class TestEveryStrategy:
    @pools
    @quick
    def test_it_chooses_as_many_different_positions_of_the_pool_as_asked(
        self, name, seed, pool, share, coarse
    ):
        batch = max(1, round(share * pool))
        positions = choose(name, fake_view(seed, pool, coarse=coarse), batch, seed).positions
        assert positions.dtype == np.int64
        assert len(positions) == batch
        assert len(set(positions.tolist())) == batch
        assert set(positions.tolist()) <= set(range(pool))

    @pools
    @quick
    def test_it_gives_a_finite_score_for_every_choice(self, name, seed, pool, share, coarse):
        batch = max(1, round(share * pool))
        scores = choose(name, fake_view(seed, pool, coarse=coarse), batch, seed).scores
        assert scores.dtype == np.float64
        assert scores.shape == (batch,)
        assert np.isfinite(scores).all()

    @pools
    @quick
    def test_the_same_seed_gives_the_same_list(self, name, seed, pool, share, coarse):
        batch = max(1, round(share * pool))
        first, again = (choose(name, fake_view(seed, pool, coarse=coarse), batch, seed) for _ in range(2))
        assert first.positions.tolist() == again.positions.tolist()
        assert first.scores.tolist() == again.scores.tolist()

    def test_it_leaves_the_pool_and_the_predictions_as_they_are(self, name):
        view = fake_view(0)
        drugs, table = view.drugs.copy(), view.predictor.table.copy()
        choose(name, view, 5)
        np.testing.assert_array_equal(view.drugs, drugs)
        np.testing.assert_array_equal(view.predictor.table, table)

    @given(seed=st.integers(0, 1000), coarse=st.booleans())
    @quick
    def test_a_campaign_does_not_depend_on_the_order_of_the_drug_table(self, name, seed, coarse):
        rng = np.random.default_rng(seed)
        drugs, genes = 40, 3
        keys = np.array([f"KEY{i:03}" for i in rng.permutation(drugs)])
        tables = random_probabilities(rng, 4, drugs, genes, coarse=coarse)
        member = rng.random(drugs) < 0.7

        def campaign(order):
            pool = np.flatnonzero(member[order])
            pool = pool[np.argsort(keys[order][pool])]
            rounds = play(
                Learner(tables[:, order]),
                lambda chosen: np.zeros((len(chosen), genes), np.float32),
                pool,
                strategy(name),
                budget=11,
                batch=4,
                seed=seed,
            )
            return [(keys[order][one.drugs].tolist(), one.scores.tolist()) for one in rounds]

        assert campaign(np.arange(drugs)) == campaign(rng.permutation(drugs))


@pytest.mark.parametrize("name", sorted(set(strategies()) - RANDOMISED))
@pools
@quick
def test_a_strategy_that_draws_nothing_ignores_the_seed(name, seed, pool, share, coarse):
    batch = max(1, round(share * pool))
    view = fake_view(seed, pool, coarse=coarse)
    lists = {tuple(choose(name, view, batch, other).positions.tolist()) for other in range(4)}
    assert len(lists) == 1


def least_confidence_by_loop(table):
    scores = []
    for drug in table.tolist():
        top = [max(gene) for gene in drug]
        scores.append(1 - sum(top) / len(top))
    return scores


@pools
@quick
def test_least_confidence_is_the_loop_and_ties_keep_the_pools_order(seed, pool, share, coarse):
    batch = max(1, round(share * pool))
    view = fake_view(seed, pool, coarse=coarse)
    selection = choose("least_confidence", view, batch)
    expected = least_confidence_by_loop(view.predictor.table[view.drugs])
    order = sorted(range(pool), key=lambda position: (-round(expected[position], 9), position))
    assert selection.positions.tolist() == order[:batch]
    np.testing.assert_allclose(
        selection.scores, [expected[position] for position in order[:batch]], atol=1e-7
    )


def entropy_by_loop(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def bald_by_loop(passes):
    """Mutual information of every drug, summed over genes, from passes [passes, drugs, genes, 3]."""
    scores = []
    for drug in range(passes.shape[1]):
        total = 0.0
        for gene in range(passes.shape[2]):
            rows = passes[:, drug, gene].tolist()
            mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
            total += entropy_by_loop(mean) - sum(entropy_by_loop(row) for row in rows) / len(rows)
        scores.append(total)
    return scores


def stored_passes(seed, pool=10, genes=4, coarse=False):
    return random_probabilities(np.random.default_rng(seed), 5, pool, genes, coarse=coarse)


@pools
@quick
def test_bald_is_the_mutual_information_written_out_over_five_passes(seed, pool, share, coarse):
    batch = max(1, round(share * pool))
    passes = stored_passes(seed, pool, coarse=coarse)
    selection = choose("bald", PoolView(Stored(passes[0], passes), np.arange(pool)), batch)
    expected = bald_by_loop(passes)
    np.testing.assert_allclose(
        selection.scores, [expected[position] for position in selection.positions], atol=1e-6
    )
    rest = set(range(pool)) - set(selection.positions.tolist())
    assert (np.diff(selection.scores) <= 0).all()
    assert all(expected[position] <= selection.scores[-1] + 1e-6 for position in rest)


@pools
@quick
def test_bald_is_never_negative(seed, pool, share, coarse):
    passes = stored_passes(seed, pool, coarse=coarse)
    passes[:, : round(share * pool)] = passes[0, : round(share * pool)]
    selection = choose("bald", PoolView(Stored(passes[0], passes), np.arange(pool)), pool)
    assert (selection.scores >= -1e-6).all()


def test_bald_is_zero_where_all_passes_agree_and_not_where_they_differ():
    passes = stored_passes(0, pool=8)
    passes[:, :5] = passes[0, :5]
    selection = choose("bald", PoolView(Stored(passes[0], passes), np.arange(8)), 8)
    assert set(selection.positions[:3].tolist()) == {5, 6, 7}
    assert (selection.scores[:3] > 0.1).all()
    np.testing.assert_allclose(selection.scores[3:], 0, atol=1e-6)


def test_bald_asks_how_passes_differ_and_not_how_flat_they_are():
    sure, flat = [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]
    passes = np.array([[[flat], [sure]], [[flat], [[0, 0, 1]]]] * 2 + [[[flat], [sure]]])
    selection = choose("bald", PoolView(Stored(passes[0], passes), np.arange(2)), 2)
    assert selection.positions.tolist() == [1, 0]
    expected = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    np.testing.assert_allclose(selection.scores, [expected, 0], atol=1e-6)


@pytest.mark.parametrize("name", ["least_confidence", "bald"])
@given(seed=st.integers(0, 1000), copies=st.integers(1, 30), genes=st.integers(1, 40))
@quick
def test_equal_drugs_are_chosen_in_the_pools_order(name, seed, copies, genes):
    passes = np.repeat(stored_passes(seed, 1, genes), copies, axis=1)
    selection = choose(name, PoolView(Stored(passes[0], passes), np.arange(copies)), copies)
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


def test_random_takes_every_drug_equally_often_at_every_place():
    pool, batch, draws = 20, 5, 2000
    view = fake_view(0, pool)
    lists = np.array([choose("random", view, batch, seed).positions for seed in range(draws)])
    expected = draws / pool
    for place in range(batch):
        counts = np.bincount(lists[:, place], minlength=pool)
        # 19 degrees of freedom: mean 19, standard deviation 6.2.
        assert ((counts - expected) ** 2 / expected).sum() < 50
    pairs = np.zeros((pool, pool))
    for one in lists:
        pairs[np.ix_(one, one)] += 1
    together = pairs[np.triu_indices(pool, 1)]
    expected = draws * batch * (batch - 1) / (pool * (pool - 1))
    assert abs(together - expected).max() < 6 * math.sqrt(expected)


def test_random_scores_are_zero():
    assert choose("random", fake_view(0), 4).scores.tolist() == [0, 0, 0, 0]


def test_random_does_not_ask_the_predictor():
    view = fake_view(0)
    choose("random", view, 4)
    assert view.predictor.calls == 0


def test_a_view_asks_the_predictor_once_and_only_for_its_own_drugs():
    view = fake_view(0)
    np.testing.assert_array_equal(view.probabilities, view.predictor.table[view.drugs])
    assert view.probabilities is view.probabilities
    assert view.predictor.calls == 1


def test_strategies_are_listed_in_alphabetical_order():
    assert strategies() == sorted(strategies())
    assert {"random", "least_confidence", "bald"} <= set(strategies())


def test_an_unknown_strategy_is_an_error_that_names_the_nearest_and_lists_all():
    with pytest.raises(SettingsError, match=r"'least_confident'.*did you mean 'least_confidence'") as caught:
        strategy("least_confident")
    assert all(name in str(caught.value) for name in strategies())
    assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError, match="'zzz' is unknown") as caught:
        strategy("zzz")
    assert "did you mean" not in str(caught.value)
