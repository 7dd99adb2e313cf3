"""What every strategy must keep to, and how strategies are looked up."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import Catalogue, PoolView, strategies, strategy
from anchordrug.acquisition.campaign import play
from anchordrug.errors import SettingsError
from tests.acquisition.fakes import (
    Stored,
    choose,
    fake_view,
    random_catalogue,
    random_probabilities,
    reordered,
)

ALL = {
    *("random", "least_confidence", "margin", "bald", "least_confidence_points", "margin_points"),
    *("bald_points", "core_set", "k_means", "badge", "adversarial_bim", "clustering", "moa"),
    *("a_optimal", "facility_location"),
}
# Strategies that look at the drugs; all others look at predictions alone.
ON_DRUGS = {"clustering", "moa", "a_optimal", "facility_location"}
# Strategies that draw random numbers; all others must choose the same under every seed.
RANDOMISED = {"random", "bald", "bald_points", "badge", "k_means", "clustering", "moa"}


class Learner:
    """A predictor whose predictions turn with the number of anchors; drugs are known by their keys."""

    def __init__(self, tables):
        self.tables = tables  # float32 [fits, drugs, genes, 3]

    def fit(self, anchors, z, *, seed, final=False):  # noqa: ARG002
        return Stored(self.tables[len(anchors) % len(self.tables)])


@st.composite
def cases(draw):
    """A view with anchors, a batch that its pool can hold, and a seed."""
    seed, pool, anchors = draw(st.integers(0, 1000)), draw(st.integers(1, 20)), draw(st.integers(0, 6))
    view = fake_view(seed, pool, coarse=draw(st.booleans()), anchors=anchors)
    return view, draw(st.integers(1, pool)), seed


quick = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("name", strategies())
class TestEveryStrategy:
    @given(case=cases())
    @quick
    def test_it_chooses_as_many_different_positions_of_the_pool_as_asked(self, name, case):
        view, batch, seed = case
        positions = choose(name, view, batch, seed).positions
        assert positions.dtype == np.int64
        assert positions.shape == (batch,)
        assert len(set(positions.tolist())) == batch
        assert set(positions.tolist()) <= set(range(len(view.drugs)))

    @given(case=cases())
    @quick
    def test_it_gives_a_finite_score_for_every_choice(self, name, case):
        view, batch, seed = case
        scores = choose(name, view, batch, seed).scores
        assert scores.dtype == np.float64
        assert scores.shape == (batch,)
        assert np.isfinite(scores).all()

    @given(case=cases())
    @quick
    def test_the_same_seed_gives_the_same_list(self, name, case):
        view, batch, seed = case
        fresh = PoolView(view.predictor, view.drugs, view.anchors, view.catalogue)
        first, again = choose(name, view, batch, seed), choose(name, fresh, batch, seed)
        assert first.positions.tolist() == again.positions.tolist()
        assert first.scores.tolist() == again.scores.tolist()

    def test_it_draws_from_no_generator_but_its_own(self, name):
        lists = []
        for state in (1, 2):
            np.random.seed(state)  # noqa: NPY002
            before = np.random.get_state()[1].tolist()  # noqa: NPY002
            lists.append(choose(name, fake_view(3, pool=30, anchors=4), 8, seed=5).positions.tolist())
            assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
        assert lists[0] == lists[1]

    @given(case=cases())
    @quick
    def test_it_can_spend_the_whole_pool(self, name, case):
        view, _, seed = case
        pool = len(view.drugs)
        assert sorted(choose(name, view, pool, seed).positions.tolist()) == list(range(pool))

    @pytest.mark.parametrize("copies", [1, 2, 7])
    @pytest.mark.parametrize("anchors", [0, 1])
    def test_it_chooses_among_drugs_that_are_all_alike(self, name, copies, anchors):
        one = fake_view(copies, pool=1)
        drugs = copies + anchors
        view = PoolView(
            Stored(np.repeat(one.predictor.table[:1], drugs, axis=0)),
            np.arange(copies),
            np.arange(copies, drugs),
            reordered(one.catalogue, np.zeros(drugs, np.int64)),
        )
        for batch in range(1, copies + 1):
            with np.errstate(divide="raise", invalid="raise"):
                selection = choose(name, view, batch)
            assert len(set(selection.positions.tolist())) == batch
            assert np.isfinite(selection.scores).all()

    def test_it_leaves_what_it_is_given_as_it_is(self, name):
        view, same = fake_view(0, anchors=3), fake_view(0, anchors=3)
        choose(name, view, 5)
        np.testing.assert_array_equal(view.drugs, same.drugs)
        np.testing.assert_array_equal(view.anchors, same.anchors)
        np.testing.assert_array_equal(view.predictor.table, same.predictor.table)
        np.testing.assert_array_equal(view.probabilities, same.probabilities)
        np.testing.assert_array_equal(view.catalogue.fingerprints, same.catalogue.fingerprints)
        assert view.catalogue.mechanisms == same.catalogue.mechanisms

    @pytest.mark.parametrize("batch", [-1, 0, 13, 1000])
    def test_a_batch_that_the_pool_cannot_hold_is_an_error_with_both_numbers(self, name, batch):
        with pytest.raises(SettingsError, match=rf"select\.batch.* {batch} .*\b12\b") as caught:
            choose(name, fake_view(0, pool=12, anchors=3), batch)
        assert "\n" not in str(caught.value)

    def test_an_empty_pool_is_an_error_with_both_numbers(self, name):
        view = fake_view(0, anchors=3)
        with pytest.raises(SettingsError, match=r"select\.batch.* 1 .*\b0\b"):
            choose(name, PoolView(view.predictor, view.drugs[:0], view.anchors, view.catalogue), 1)

    @given(seed=st.integers(0, 1000), coarse=st.booleans())
    @quick
    def test_a_campaign_does_not_depend_on_the_order_of_the_drug_table(self, name, seed, coarse):
        rng = np.random.default_rng(seed)
        drugs, genes = 40, 3
        keys = np.array([f"KEY{i:03}" for i in rng.permutation(drugs)])
        tables = random_probabilities(rng, 4, drugs, genes, coarse=coarse)
        catalogue = random_catalogue(rng, drugs, coarse=coarse)
        member = rng.random(drugs) < 0.7

        def campaign(order):
            pool = np.flatnonzero(member[order])
            pool = pool[np.argsort(keys[order][pool])]
            rounds = play(
                Learner(tables[:, order]),
                lambda chosen: np.zeros((len(chosen), genes), np.float32),
                pool,
                reordered(catalogue, order),
                strategy(name),
                budget=11,
                batch=4,
                seed=seed,
            )
            rounds = list(rounds)
            chosen = np.concatenate([one.drugs for one in rounds])
            return keys[order][chosen].tolist(), np.concatenate([one.scores for one in rounds])

        (one, scores), (other, again) = campaign(np.arange(drugs)), campaign(rng.permutation(drugs))
        assert one == other
        # Sums over the drug table round differently in another order.
        np.testing.assert_allclose(scores, again, rtol=1e-4, atol=1e-4 if name in ON_DRUGS else 0)


@pytest.mark.parametrize("name", sorted(ALL - RANDOMISED))
@given(case=cases())
@quick
def test_a_strategy_that_draws_nothing_ignores_the_seed(name, case):
    view, batch, _ = case
    lists = {tuple(choose(name, view, batch, other).positions.tolist()) for other in range(4)}
    assert len(lists) == 1


# Two drugs that serve nobody but each other add the same to a facility location: there ties are the rule.
@pytest.mark.parametrize("name", sorted(ALL - RANDOMISED - {"facility_location"}))
@given(seed=st.integers(0, 1000), anchors=st.integers(0, 4))
@quick
def test_a_strategy_that_draws_nothing_chooses_the_same_drugs_in_any_order_of_the_pool(name, seed, anchors):
    view = fake_view(seed, pool=15, anchors=anchors)
    order = np.random.default_rng(seed).permutation(15)
    other = PoolView(view.predictor, view.drugs[order], view.anchors[::-1], view.catalogue)
    one, same = choose(name, view, 6), choose(name, other, 6)
    assert view.drugs[one.positions].tolist() == other.drugs[same.positions].tolist()
    np.testing.assert_allclose(one.scores, same.scores, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(RANDOMISED))
def test_a_strategy_that_draws_depends_on_the_seed(name):
    view = fake_view(0, pool=30)
    assert len({tuple(choose(name, view, 5, seed).positions.tolist()) for seed in range(8)}) > 1


@pytest.mark.parametrize("name", ["random", "clustering", "moa"])
def test_a_strategy_on_drugs_alone_scores_zero_and_does_not_ask_the_predictor(name):
    view = fake_view(0, anchors=2)
    assert choose(name, view, 4).scores.tolist() == [0, 0, 0, 0]
    assert view.predictor.calls == 0


@pytest.mark.parametrize("name", sorted(ALL - ON_DRUGS))
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_strategy_on_predictions_does_not_look_at_the_drugs(name, seed):
    view = fake_view(seed, anchors=2)
    blank = Catalogue(np.zeros_like(view.catalogue.fingerprints), [None] * len(view.catalogue.mechanisms))
    other = PoolView(view.predictor, view.drugs, view.anchors, blank)
    assert choose(name, view, 5).positions.tolist() == choose(name, other, 5).positions.tolist()


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


def test_a_view_asks_the_predictor_once_and_only_for_its_own_drugs():
    view = fake_view(0)
    np.testing.assert_array_equal(view.probabilities, view.predictor.table[view.drugs])
    assert view.probabilities is view.probabilities
    assert view.predictor.calls == 1


def test_strategies_are_listed_in_alphabetical_order():
    assert strategies() == sorted(strategies())
    assert set(strategies()) == ALL


def test_every_strategy_says_what_it_does_in_its_own_words():
    assert len({(strategy(name).__doc__ or "").strip() for name in ALL} - {""}) == len(ALL)


def test_an_unknown_strategy_is_an_error_that_names_the_nearest_and_lists_all():
    with pytest.raises(SettingsError, match=r"'least_confident'.*did you mean 'least_confidence'") as caught:
        strategy("least_confident")
    assert all(name in str(caught.value) for name in strategies())
    assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError, match="'zzz' is unknown") as caught:
        strategy("zzz")
    assert "did you mean" not in str(caught.value)
