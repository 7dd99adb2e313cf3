"""Strategies by name, and the check of what they choose."""

import numpy as np
import pytest

from anchordrug.acquisition import Selection, registry, strategy
from anchordrug.acquisition.registry import register, strategies
from anchordrug.errors import SettingsError, StrategyError
from anchordrug.registry import Registry
from tests.acquisition.fakes import fake_view


@pytest.fixture
def choosing(monkeypatch):
    """Registers a strategy called "mine" that returns what it is told to; other tests never see it."""
    own = Registry(
        "strategy", "anchordrug.acquisition.strategies", "anchordrug.strategies", registry._strategies.prepare
    )
    monkeypatch.setattr(registry, "_strategies", own)

    def choose(chosen, batch=3, pool=6):
        register("mine")(lambda *_: chosen)
        return strategy("mine")(fake_view(0, pool), batch, np.random.default_rng(0))

    return choose


def test_strategies_are_listed_in_alphabetical_order():
    assert strategies() == sorted(set(strategies()))
    assert {"a_optimal", "bald", "random"} <= set(strategies())


def test_an_unknown_strategy_is_an_error_that_names_the_nearest_and_lists_all():
    with pytest.raises(SettingsError) as caught:
        strategy("least_confident")
    text = str(caught.value)
    assert text.startswith(
        "strategy 'least_confident' is unknown; did you mean 'least_confidence'? (there are "
    )
    assert all(name in text for name in strategies())
    assert "\n" not in text
    with pytest.raises(SettingsError, match=r"^campaign\.yaml: 'zzz' is unknown \(there are ") as caught:
        strategy("zzz", "campaign.yaml")


@pytest.mark.parametrize(
    ("positions", "scores", "told"),
    [
        ([0, 1], [0, 0], r"returned positions int64 \[2\] in place of integers \[3\]"),
        ([0, 1, 2, 3], [0, 0, 0], r"returned positions int64 \[4\] in place of integers \[3\]"),
        ([0.0, 1, 2], [0, 0, 0], r"returned positions float64 \[3\] in place of integers \[3\]"),
        ([0, 1, 6], [0, 0, 0], r"chose position 6 of a pool of 6 drugs"),
        ([0, -1, 2], [0, 0, 0], r"chose position -1 of a pool of 6 drugs"),
        ([4, 2, 4], [0, 0, 0], r"chose position 4 more than once"),
        ([0, 1, 2], [0, 0], r"returned scores \[2\] for a batch of 3"),
        ([0, 1, 2], [0, np.nan, 0], r"returned the score nan, which is not finite"),
        ([0, 1, 2], [0, 0, -np.inf], r"returned the score -inf, which is not finite"),
    ],
)
def test_a_batch_that_breaks_the_contract_is_an_error_that_names_the_strategy(
    choosing, positions, scores, told
):
    with pytest.raises(StrategyError, match=rf"^strategy 'mine' {told}; ") as caught:
        choosing(Selection(np.array(positions), np.array(scores)))
    assert "\n" not in str(caught.value)


def test_a_reason_for_some_of_the_drugs_breaks_the_contract(choosing):
    with pytest.raises(StrategyError, match=r"^strategy 'mine' returned 1 reasons for a batch of 3; "):
        choosing(Selection(np.arange(3), np.zeros(3), ("It is cheap.",)))


def test_a_strategy_must_return_a_selection(choosing):
    with pytest.raises(StrategyError, match=r"^strategy 'mine' returned list in place of a Selection; "):
        choosing([0, 1, 2])


def test_a_batch_that_keeps_the_contract_is_returned_as_it_is(choosing):
    selection = Selection(np.array([5, 0, 3]), np.array([1.0, 0, -1]), ("Cheap.", "Near.", "Pure."))
    assert choosing(selection) is selection


def test_a_strategy_that_gives_no_reasons_is_named_with_its_scores(choosing):
    selection = choosing(Selection(np.array([5, 0, 3]), np.array([1.0, 0, -0.1234])))
    assert selection.positions.tolist() == [5, 0, 3]
    assert selection.reasons == tuple(
        f"Strategy mine chose it with a score of {score}." for score in ("1", "0", "-0.123")
    )


def test_a_name_is_taken_once(choosing):
    register("mine")(lambda *_: None)
    with pytest.raises(SettingsError, match=r"^strategy 'mine' is registered twice"):
        register("mine")(lambda *_: None)


def test_a_strategy_keeps_its_name_and_its_docstring():
    random = strategy("random")
    assert (random.__name__, random.__module__) == ("random", "anchordrug.acquisition.strategies.random")
    assert (random.__doc__ or "").startswith("Choose `batch` drugs uniformly")
