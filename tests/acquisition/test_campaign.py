"""Campaigns with a predictor that only records what it is given."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import PoolView, Selection, strategy
from anchordrug.acquisition.campaign import Campaign, choose, play, require_budget, round_seed
from anchordrug.acquisition.registry import strategies
from anchordrug.errors import SettingsError
from tests.acquisition.fakes import Stored, random_catalogue

DRUGS, GENES = 150, 3
TRUTH = np.random.default_rng(7).normal(size=(DRUGS, GENES)).astype(np.float32)
POOL = np.random.default_rng(8).permutation(DRUGS)[:120]
CATALOGUE = random_catalogue(np.random.default_rng(9), DRUGS)


class FakeFitted(Stored):
    """Predictions that depend on every anchor, their order, their responses and the seed of the fit."""

    def __init__(self, anchors, z, seed):
        state = [seed, *anchors.tolist(), *np.abs(z.ravel() * 1e6).astype(int).tolist()]
        super().__init__(np.random.default_rng(state).dirichlet([1, 1, 1], (DRUGS, GENES)))


class FakePredictor:
    """Remembers the anchors, the responses and the seed of every fit."""

    def __init__(self):
        self.fits = []

    def fit(self, anchors, z, *, seed, final=False):
        self.fits.append((anchors.copy(), z.copy(), seed, final))
        return FakeFitted(anchors, z, seed)


class Watched:
    """A campaign whose every reveal and choice is written down, in the order in which they happen."""

    def __init__(self, name="random", **options):
        self.log = []
        self.views = []
        self.predictor = FakePredictor()
        choose = strategy(name)

        def reveal(drugs):
            self.log.append(("reveal", drugs.copy()))
            return TRUTH[drugs]

        def watched(view, batch, rng):
            selection = choose(view, batch, rng)
            self.views.append(view)
            self.log.append(("choose", view.drugs[selection.positions]))
            return selection

        played = options.pop("played", ())
        options = {"pool": POOL, "budget": 30, "batch": 10, "seed": 0} | options
        campaign = Campaign(catalogue=CATALOGUE, strategy=watched, **options)
        self.rounds = play(campaign, self.predictor, reveal, played)


def chosen(rounds):
    return [played.drugs.tolist() for played in rounds]


def flat(lists):
    return [drug for part in lists for drug in part]


every_strategy = pytest.mark.parametrize("name", strategies())


@given(
    pool=st.integers(1, 60),
    share=st.floats(0, 1),
    batch=st.integers(1, 70),
    seed=st.integers(0, 1000),
    name=st.sampled_from(strategies()),
)
@settings(max_examples=60, deadline=None)
def test_rounds_hold_a_batch_each_and_the_last_what_is_left(pool, share, batch, seed, name):
    budget = round(share * pool)
    campaign = Watched(name, pool=POOL[:pool], budget=budget, batch=batch, seed=seed)
    rounds = list(campaign.rounds)
    expected, left = [], budget
    while left > 0:
        expected.append(min(batch, left))
        left -= batch
    assert [len(one.drugs) for one in rounds] == expected
    assert [len(one.scores) for one in rounds] == expected
    assert [one.number for one in rounds] == list(range(1, len(expected) + 1))
    anchors = flat(chosen(rounds))
    assert len(set(anchors)) == budget
    assert set(anchors) <= set(POOL[:pool].tolist())


@every_strategy
def test_a_small_budget_is_the_beginning_of_a_large_one(name):
    small = chosen(Watched(name, budget=30).rounds)
    large = chosen(Watched(name, budget=100).rounds)
    assert small == large[:3]
    assert len(large) == 10


@every_strategy
def test_only_chosen_drugs_are_revealed(name):
    campaign = Watched(name, budget=45, batch=10)
    list(campaign.rounds)
    known: set[int] = set()
    for event, drugs in campaign.log:
        if event == "choose":
            known |= set(drugs.tolist())
        else:
            assert set(drugs.tolist()) <= known
    assert len(known) == 45
    assert [event for event, _ in campaign.log].count("reveal") >= 5


def test_a_round_is_played_only_when_it_is_asked_for():
    campaign = Watched(budget=100)
    assert campaign.log == []
    first = next(campaign.rounds)
    assert [event for event, _ in campaign.log].count("choose") == 1
    assert {drug for _, drugs in campaign.log for drug in drugs.tolist()} == set(first.drugs.tolist())


@every_strategy
def test_a_strategy_sees_every_free_pool_drug_in_the_pools_order_and_no_chosen_one(name):
    campaign = Watched(name, budget=50)
    rounds = chosen(campaign.rounds)
    assert len(campaign.views) == 5
    for number, view in enumerate(campaign.views):
        taken = set(flat(rounds[:number]))
        assert view.drugs.tolist() == [drug for drug in POOL.tolist() if drug not in taken]


@every_strategy
def test_a_strategy_sees_the_anchors_in_order_and_the_whole_catalogue(name):
    campaign = Watched(name, budget=40)
    rounds = chosen(campaign.rounds)
    for number, view in enumerate(campaign.views):
        assert view.anchors.dtype == np.int64
        assert view.anchors.tolist() == flat(rounds[:number])
        assert view.catalogue is CATALOGUE


def test_a_strategy_sees_the_anchors_of_rounds_played_before():
    played = [POOL[50:60], POOL[60:70]]
    campaign = Watched(budget=40, played=played)
    next(campaign.rounds)
    assert campaign.views[0].anchors.tolist() == POOL[50:70].tolist()


def test_a_round_tells_how_long_choosing_and_fitting_took_and_nothing_else(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(
        "anchordrug.acquisition.campaign.time", SimpleNamespace(perf_counter=lambda: clock.now)
    )

    class Slow(FakePredictor):
        def fit(self, anchors, z, *, seed, final=False):
            clock.now += 100 + len(anchors)
            return super().fit(anchors, z, seed=seed, final=final)

    def slow(view, size, rng):
        clock.now += 1 + size
        return Selection(np.arange(size), np.zeros(size))

    seen = []
    campaign = Campaign(POOL, CATALOGUE, slow, budget=25, batch=10, seed=0)
    for one in play(campaign, Slow(), lambda drugs: TRUTH[drugs]):
        clock.now += 1e6
        seen.append((one.query_seconds, one.train_seconds))
    assert seen == [(11, 110), (11, 120), (6, 125)]


@every_strategy
def test_every_fit_gets_all_anchors_in_order_with_their_responses(name):
    campaign = Watched(name, budget=35)
    rounds = list(campaign.rounds)
    anchors = flat(chosen(rounds))
    fits = campaign.predictor.fits
    assert [len(fit[0]) for fit in fits] == [0, 10, 20, 30, 35]
    for drugs, z, _, _ in fits:
        assert drugs.tolist() == anchors[: len(drugs)]
        assert z.shape == (len(drugs), GENES)
        for row, drug in zip(z, drugs.tolist(), strict=True):
            assert row.tolist() == TRUTH[drug].tolist()
    assert len({seed for _, _, seed, _ in fits}) == len(fits)


def test_a_round_carries_the_predictor_fitted_to_all_anchors_so_far():
    campaign = Watched("least_confidence", budget=30)
    for number, one in enumerate(campaign.rounds, start=1):
        anchors, z, seed, _ = campaign.predictor.fits[number]
        assert len(anchors) == 10 * number
        np.testing.assert_array_equal(one.fitted.table, FakeFitted(anchors, z, seed).table)


def test_a_round_is_chosen_by_the_predictor_fitted_before_it():
    campaign = Watched("least_confidence", budget=30)
    rounds = list(campaign.rounds)
    for number, one in enumerate(rounds):
        table = FakeFitted(*campaign.predictor.fits[number][:3]).table
        doubt = {
            int(drug): 1 - table[drug].max(axis=1).mean(dtype=float) for drug in campaign.views[number].drugs
        }
        best = sorted(doubt, key=lambda drug: -doubt[drug])[:10]
        assert one.drugs.tolist() == best
        np.testing.assert_allclose(one.scores, [doubt[drug] for drug in best], atol=1e-7)


@every_strategy
@pytest.mark.parametrize("done", [0, 1, 3, 5, 6])
def test_a_campaign_that_was_cut_goes_on_as_if_it_had_not_been(name, done):
    whole = list(Watched(name, budget=55).rounds)
    campaign = Watched(name, budget=55, played=[one.drugs for one in whole[:done]])
    rest = list(campaign.rounds)
    assert len(rest) == 6 - done
    for one, other in zip(rest, whole[done:], strict=True):
        assert one.number == other.number
        assert one.drugs.tolist() == other.drugs.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        np.testing.assert_array_equal(one.fitted.table, other.fitted.table)


@every_strategy
def test_the_same_seed_plays_the_same_campaign_and_another_seed_another(name):
    assert chosen(Watched(name, seed=4).rounds) == chosen(Watched(name, seed=4).rounds)
    others = [tuple(flat(chosen(Watched(name, seed=seed).rounds))) for seed in range(5)]
    # Designs look neither at the predictor nor at random numbers.
    assert len(set(others)) == (1 if name in {"a_optimal", "facility_location"} else 5)


def test_every_round_draws_numbers_of_its_own_that_depend_on_seed_and_round_alone():
    def draws(seed, budget, batch, played=()):
        numbers = []

        def first(view, size, rng):
            numbers.append(rng.random())
            return Selection(np.arange(size), np.zeros(size))

        campaign = Campaign(POOL, CATALOGUE, first, budget, batch, seed)
        list(play(campaign, FakePredictor(), lambda drugs: TRUTH[drugs], played))
        return numbers

    numbers = draws(0, 40, 10)
    assert len(set(numbers + draws(1, 40, 10))) == 8
    assert draws(0, 24, 6) == numbers
    assert draws(0, 40, 10, played=[POOL[50:60], POOL[60:70]]) == numbers[2:]


def test_the_whole_pool_can_be_spent():
    rounds = chosen(Watched("random", budget=120, batch=50).rounds)
    assert sorted(flat(rounds)) == sorted(POOL.tolist())


def test_a_budget_above_the_pool_is_an_error_before_anything_is_revealed():
    campaign = Watched(budget=121)
    with pytest.raises(SettingsError, match=r"^a budget of 121 drugs exceeds the pool of 120") as caught:
        next(campaign.rounds)
    assert "\n" not in str(caught.value)
    assert campaign.log == []
    assert campaign.predictor.fits == []


def test_a_budget_above_the_pool_names_the_setting_that_asks_for_it():
    require_budget(3, 3, "campaign.yaml: budget")
    with pytest.raises(SettingsError, match=r"^campaign\.yaml: budget: a budget of 4 drugs"):
        require_budget(4, 3, "campaign.yaml: budget")


def test_no_budget_plays_no_round():
    assert list(islice(Watched(budget=0).rounds, 1)) == []


def one_by_one(view, size, rng):
    """A strategy whose every choice depends on all drugs before it."""
    taken, positions, scores = view.anchors.tolist(), [], []
    for _ in range(size):
        worth = np.random.default_rng([len(taken), *taken]).permutation(DRUGS)[view.drugs].astype(float)
        worth[positions] = -1
        positions.append(int(worth.argmax()))
        scores.append(worth.max())
        taken.append(int(view.drugs[positions[-1]]))
    return Selection(np.array(positions), np.array(scores))


class Limits:
    """At most so many drugs of a kind, and a ceiling for their cost; remembers what it was asked."""

    def __init__(self, kind, most, cost, ceiling):
        self.kind, self.most, self.cost, self.ceiling = kind, most, cost, ceiling
        self.asked = []

    def __call__(self, drug, chosen):
        self.asked.append((int(drug), [int(one) for one in chosen]))
        together = [*chosen, drug]
        alike = sum(self.kind[one] == self.kind[drug] for one in together)
        return alike <= self.most and sum(self.cost[one] for one in together) <= self.ceiling


def anything(drug, chosen):
    return True


def choice(play_by, count, allows=None, *, pool=POOL[:20], anchors=POOL[20:23], seed=0, number=1):
    fitted = FakeFitted(anchors, TRUTH[anchors], 0)
    view = PoolView(fitted, np.array(pool), np.array(anchors), CATALOGUE)
    return choose(view, play_by, count, round_seed(seed, number), allows)


@given(
    kinds=st.lists(st.integers(0, 3), min_size=DRUGS, max_size=DRUGS),
    most=st.integers(1, 4),
    costs=st.lists(st.integers(0, 5), min_size=DRUGS, max_size=DRUGS),
    ceiling=st.integers(0, 30),
    count=st.integers(1, 25),
)
@settings(max_examples=100, deadline=None)
def test_a_limit_takes_what_taking_one_allowed_drug_after_the_other_takes(kinds, most, costs, ceiling, count):
    limits = Limits(kinds, most, costs, ceiling)
    made = choice(one_by_one, count, limits)
    expected, worths = [], []
    while len(expected) < count:
        free = [d for d in POOL[:20].tolist() if d not in expected and limits(d, expected)]
        if not free:
            break
        view = PoolView(None, np.array(free), np.array([*POOL[20:23], *expected]), CATALOGUE)
        best = one_by_one(view, 1, None)
        expected.append(free[best.positions[0]])
        worths.append(best.scores[0])
    assert made.drugs.tolist() == expected
    assert made.scores.tolist() == worths


@every_strategy
def test_a_limit_that_allows_everything_changes_nothing(name):
    free = choice(strategy(name), 8)
    limited = choice(strategy(name), 8, anything)
    assert free.drugs.tolist() == limited.drugs.tolist()
    np.testing.assert_array_equal(free.scores, limited.scores)
    assert free.reasons == limited.reasons


@every_strategy
def test_every_strategy_keeps_a_limit_and_gets_as_far_as_it_allows(name):
    kind = [drug % 5 for drug in range(DRUGS)]
    limits = Limits(kind, 2, [0] * DRUGS, 0)
    made = choice(strategy(name), 20, limits, pool=POOL[:60])
    assert len(made.drugs) == len(set(made.drugs.tolist())) == len(made.scores) == len(made.reasons) == 10
    assert sorted(kind[drug] for drug in made.drugs) == sorted([*range(5)] * 2)


def test_more_than_a_limit_allows_gives_fewer():
    allowed = POOL[[3, 11]].tolist()
    made = choice(one_by_one, 5, lambda drug, _: drug in allowed)
    assert sorted(made.drugs.tolist()) == sorted(allowed)
    assert len(made.scores) == 2


def test_a_limit_that_allows_nothing_asks_no_strategy():
    def never(view, size, rng):
        raise AssertionError("asked")

    made = choice(never, 5, lambda *_: False)
    assert (made.drugs.dtype, made.drugs.shape, made.scores.shape) == (np.int64, (0,), (0,))
    assert made.reasons == ()


def test_a_pool_smaller_than_the_choice_is_used_up_with_a_limit():
    drugs = choice(one_by_one, 30, anything).drugs
    assert sorted(drugs.tolist()) == sorted(POOL[:20].tolist())


def test_a_limit_hears_of_this_rounds_drugs_alone():
    limits = Limits([drug % 3 for drug in range(DRUGS)], 2, [0] * DRUGS, 0)
    drugs = choice(one_by_one, 20, limits).drugs
    assert len(drugs) == 6
    for drug, chosen in limits.asked:
        assert {drug, *chosen} <= set(POOL[:20].tolist())
        assert len({drug, *chosen}) == len(chosen) + 1


def test_a_strategy_that_is_asked_again_sees_allowed_drugs_and_those_already_chosen_as_anchors():
    limits = Limits([drug % 3 for drug in range(DRUGS)], 2, [0] * DRUGS, 0)
    views = []

    def watched(view, size, rng):
        views.append((view.drugs.tolist(), view.anchors.tolist(), size, rng.random()))
        return one_by_one(view, size, rng)

    chosen = choice(watched, 6, limits, seed=5, number=2).drugs
    assert len(views) > 1
    for free, anchors, size, first in views:
        so_far = anchors[3:]
        assert anchors == [*POOL[20:23].tolist(), *chosen.tolist()[: len(so_far)]]
        assert free == [d for d in POOL[:20].tolist() if d not in so_far and limits(d, so_far)]
        assert size == min(6 - len(so_far), len(free))
        assert first == np.random.default_rng([5, 2]).random()
