"""The contract of strategies: it holds for every registered one, of this package and of others."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import PoolView, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.acquisition.registry import strategies
from anchordrug.errors import SettingsError
from tests.acquisition.fakes import (
    Stored,
    choose,
    fake_view,
    random_catalogue,
    random_probabilities,
    reordered,
)
from tests.conftest import ROOT


class Learner:
    """A predictor whose predictions turn with the number of anchors; drugs are known by their keys."""

    def __init__(self, tables):
        self.tables = tables  # float32 [fits, drugs, genes, 3]

    def fit(self, anchors, z, *, seed, final=False):  # noqa: ARG002
        return Stored(self.tables[len(anchors) % len(self.tables)])


class Attentive:
    """A predictor whose predictions depend on every response it was fitted to."""

    def fit(self, anchors, z, *, seed, final=False):  # noqa: ARG002
        state = np.abs(z.ravel() * 1e6).astype(int).tolist()
        return Stored(random_probabilities(np.random.default_rng([len(anchors), *state]), 40, 3))


def draws(name):
    """Whether the strategy takes numbers from its generator."""
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    strategy(name)(fake_view(0, pool=30, anchors=4), 5, rng)
    return rng.bit_generator.state != before


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
    def test_it_gives_a_sentence_for_every_choice(self, name, case):
        view, batch, seed = case
        reasons = choose(name, view, batch, seed).reasons
        assert len(reasons) == batch
        assert all(re.fullmatch(r"[A-Z][^{}\n]*\.", reason) for reason in reasons)

    @given(case=cases())
    @quick
    def test_the_same_seed_gives_the_same_list(self, name, case):
        view, batch, seed = case
        fresh = PoolView(view.predictor, view.drugs, view.anchors, view.catalogue)
        first, again = choose(name, view, batch, seed), choose(name, fresh, batch, seed)
        assert first.positions.tolist() == again.positions.tolist()
        assert first.scores.tolist() == again.scores.tolist()
        assert first.reasons == again.reasons

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
        drug = fake_view(copies, pool=1)
        drugs = copies + anchors
        view = PoolView(
            Stored(np.repeat(drug.predictor.table[:1], drugs, axis=0)),
            np.arange(copies),
            np.arange(copies, drugs),
            reordered(drug.catalogue, np.zeros(drugs, np.int64)),
        )
        for batch in range(1, copies + 1):
            with np.errstate(divide="raise", invalid="raise"):
                selection = choose(name, view, batch)
            assert len(set(selection.positions.tolist())) == batch
            assert np.isfinite(selection.scores).all()
            # The pool's order settles ties.
            assert draws(name) or selection.positions.tolist() == list(range(batch))

    @pytest.mark.parametrize("anchors", [0, 1, 7])
    def test_it_takes_the_only_drug_that_is_left(self, name, anchors):
        assert choose(name, fake_view(1, pool=1, anchors=anchors), 1).positions.tolist() == [0]

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
        with pytest.raises(
            SettingsError, match=rf"^strategy '{name}': cannot choose {batch} of the 12 drugs"
        ) as caught:
            choose(name, fake_view(0, pool=12, anchors=3), batch)
        assert "\n" not in str(caught.value)

    def test_an_empty_pool_is_an_error_with_both_numbers(self, name):
        view = fake_view(0, anchors=3)
        with pytest.raises(SettingsError, match=r"cannot choose 1 of the 0 drugs"):
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

        def played(order):
            pool = np.flatnonzero(member[order])
            pool = pool[np.argsort(keys[order][pool])]
            everything = reordered(catalogue, order)
            campaign = Campaign(pool, everything, strategy(name), budget=11, batch=4, seed=seed)
            fitted = Learner(tables[:, order])
            rounds = list(play(campaign, fitted, lambda drugs: np.zeros((len(drugs), genes), np.float32)))
            chosen = np.concatenate([played.drugs for played in rounds])
            return keys[order][chosen].tolist(), np.concatenate([played.scores for played in rounds])

        (chosen, scores), (same, again) = played(np.arange(drugs)), played(rng.permutation(drugs))
        assert chosen == same
        # Sums over the drug table round differently in another order.
        np.testing.assert_allclose(scores, again, rtol=1e-4, atol=1e-4)

    def test_responses_that_were_not_revealed_do_not_change_what_it_chooses(self, name):
        rng = np.random.default_rng(5)
        truth, pool = rng.normal(size=(40, 3)), np.arange(30)
        campaign = Campaign(pool, random_catalogue(rng, 40), strategy(name), budget=12, batch=4, seed=0)

        def chosen(truth):
            return [
                played.drugs.tolist() for played in play(campaign, Attentive(), lambda drugs: truth[drugs])
            ]

        first = chosen(truth)
        known = np.concatenate(first)
        other = rng.normal(size=(40, 3))
        other[known] = truth[known]
        assert chosen(other) == first

    @given(case=cases())
    @quick
    def test_without_random_numbers_it_ignores_the_seed_and_with_them_it_does_not(self, name, case):
        view, batch, _ = case
        if draws(name):
            view, batch = fake_view(0, pool=30), 5
        lists = {tuple(choose(name, view, batch, seed).positions.tolist()) for seed in range(8)}
        assert (len(lists) > 1) == draws(name)

    @pytest.mark.parametrize("seed", range(15))
    def test_without_random_numbers_it_chooses_the_same_drugs_in_any_order_of_the_pool(self, name, seed):
        if draws(name):
            return
        view = fake_view(seed, pool=15, anchors=seed % 5)
        # Two drugs of the pool that stand for each other alone would tie: the campaign is for other drugs.
        others = np.setdiff1d(np.arange(len(view.catalogue.mechanisms)), [*view.drugs, *view.anchors])
        view = replace(view, catalogue=replace(view.catalogue, queries=others))
        order = np.random.default_rng(seed).permutation(15)
        turned = replace(view, drugs=view.drugs[order], anchors=view.anchors[::-1])
        ours, theirs = choose(name, view, 6), choose(name, turned, 6)
        assert view.drugs[ours.positions].tolist() == turned.drugs[theirs.positions].tolist()
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-4)

    def test_its_docstring_says_what_it_chooses(self, name):
        words = (strategy(name).__doc__ or "").strip()
        assert words.splitlines()[0]
        assert [other for other in strategies() if (strategy(other).__doc__ or "").strip() == words] == [name]

    def test_the_table_of_strategies_says_whether_it_draws_random_numbers(self, name):
        if not strategy(name).__module__.startswith("anchordrug."):
            pytest.skip("another package's strategy")
        table = (ROOT / "docs/strategies/README.md").read_text(encoding="utf-8")
        (row,) = re.findall(rf"^\|.*`{name}`.*\| (yes|no) \|$", table, flags=re.M)
        assert row == ("yes" if draws(name) else "no")
