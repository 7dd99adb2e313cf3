"""A strategy's view of the pool."""

import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from anchordrug.acquisition import Catalogue, PoolView
from anchordrug.errors import SettingsError
from tests.acquisition.fakes import choose, fake_view


class Deaf:
    """A fitted predictor without anything inside to look at."""

    def probabilities(self, drugs):
        return np.full((len(drugs), 2, 3), 1 / 3, np.float32)


def test_a_view_asks_the_predictor_once_and_only_for_its_own_drugs():
    view = fake_view(0)
    np.testing.assert_array_equal(view.probabilities, view.predictor.table[view.drugs])
    assert view.probabilities is view.probabilities
    assert view.predictor.calls == 1


def test_a_view_offers_nothing_but_the_predictor_and_facts_known_before_measuring():
    assert [field.name for field in fields(PoolView)] == ["predictor", "drugs", "anchors", "catalogue"]
    assert [field.name for field in fields(Catalogue)] == ["fingerprints", "mechanisms", "prior", "queries"]


def test_the_aim_is_the_catalogues_or_pool_and_anchors():
    view = fake_view(0, pool=5, anchors=2)
    assert view.queries.tolist() == [*view.drugs, *view.anchors]
    aimed = replace(view, catalogue=replace(view.catalogue, queries=np.array([3, 1])))
    assert aimed.queries.tolist() == [3, 1]


@pytest.mark.parametrize("name", ["bald", "bald_points", "badge", "core_set", "k_means", "adversarial_bim"])
def test_a_strategy_that_needs_a_network_says_so(name):
    view = replace(fake_view(0), predictor=Deaf())
    with pytest.raises(SettingsError, match=rf"^strategy '{name}': needs a network's .*; choose") as caught:
        choose(name, view, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a_optimal", "facility_location"])
def test_a_strategy_that_needs_prior_responses_says_so(name):
    view = fake_view(0)
    view = replace(view, catalogue=replace(view.catalogue, prior=None))
    with pytest.raises(SettingsError, match=rf"^strategy '{name}': needs prior responses.*; give"):
        choose(name, view, 2)


def test_importing_acquisition_imports_nothing_heavy():
    heavy = ["torch", "scipy", "sklearn", "kmodes"]
    code = f"import sys, anchordrug.acquisition; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
