"""The evidence that strategies use: predictions, or facts about drugs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import Catalogue, PoolView
from tests.acquisition.fakes import choose, fake_view

ON_PREDICTIONS = [
    *("least_confidence", "least_confidence_points", "margin", "margin_points", "bald", "bald_points"),
    *("core_set", "k_means", "badge", "adversarial_bim"),
]


@pytest.mark.parametrize("name", ["random", "clustering", "moa"])
def test_a_strategy_on_drugs_alone_scores_zero_and_does_not_ask_the_predictor(name):
    view = fake_view(0, anchors=2)
    assert choose(name, view, 4).scores.tolist() == [0, 0, 0, 0]
    assert view.predictor.calls == 0


@pytest.mark.parametrize("name", ON_PREDICTIONS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_strategy_on_predictions_does_not_look_at_the_drugs(name, seed):
    view = fake_view(seed, anchors=2)
    blank = Catalogue(np.zeros_like(view.catalogue.fingerprints), [None] * len(view.catalogue.mechanisms))
    other = PoolView(view.predictor, view.drugs, view.anchors, blank)
    assert choose(name, view, 5).positions.tolist() == choose(name, other, 5).positions.tolist()
