"""A similar chosen drug for every drug one wants to predict, against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import PoolView
from anchordrug.acquisition.strategies import facility_location
from tests.acquisition.fakes import choose
from tests.acquisition.strategies.designs import added, check_greedy, random_view, view_of
from tests.predictors.atlases import random_sources

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=25, deadline=None)


@given(
    seed=SEEDS,
    pool=st.integers(1, 12),
    anchors=st.integers(0, 5),
    queries=st.integers(0, 12),
    share=st.floats(0, 1),
)
@quick
def test_facility_location_takes_the_drug_that_adds_most(seed, pool, anchors, queries, share):
    view = random_view(seed, pool, anchors, queries)
    batch = max(1, round(share * pool))
    selection = choose("facility_location", view, batch)
    check_greedy(selection, batch, lambda chosen: added(view, chosen), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_of_two_drugs_that_stand_for_each_other_the_first_goes_first(seed):
    view = random_view(seed, pool=2, queries=0)
    assert choose("facility_location", view, 2).positions.tolist() == [0, 1]
    other = PoolView(None, view.drugs[::-1], view.anchors, view.catalogue)
    assert choose("facility_location", other, 2).positions.tolist() == [0, 1]


@pytest.mark.filterwarnings("error")
def test_a_drug_of_which_nothing_is_known_is_half_similar_to_every_other():
    sources = random_sources(0)
    sources.fingerprints[24] = 0
    sources.mechanisms[24] = None
    view = view_of(sources, [3, 24, 7, 11], [], [24, 5, 6])
    assert not sources.prior.evidence_of(np.array([24])).prior.any()
    check_greedy(
        choose("facility_location", view, 4), 4, lambda chosen: added(view, chosen), rtol=1e-4, atol=1e-5
    )


def test_one_of_two_twins_is_enough_for_facility_location():
    sources = random_sources(1)
    chosen = choose("facility_location", view_of(sources, [24, 23, 5, 8], [], [23, 24, 5, 8]), 3).positions
    assert 0 in chosen
    assert 1 not in chosen


def test_facility_location_looks_at_evenly_spaced_drugs_of_a_large_aim(monkeypatch):
    monkeypatch.setattr(facility_location, "MOST_AIMED", 4)
    sources = random_sources(6)
    many = choose("facility_location", view_of(sources, np.arange(12), [], np.arange(3, 23)), 5)
    few = choose("facility_location", view_of(sources, np.arange(12), [], [3, 9, 15, 22]), 5)
    np.testing.assert_array_equal(many.positions, few.positions)
    np.testing.assert_array_equal(many.scores, few.scores)


@pytest.mark.parametrize("seed", range(4))
def test_the_reason_counts_the_drugs_that_got_a_more_similar_chosen_drug(seed):
    view = random_view(seed, pool=10, anchors=seed % 3, queries=12)
    prior = view.catalogue.prior.evidence_of(np.arange(len(view.catalogue.mechanisms))).prior.astype(float)
    cosine = (1 + np.corrcoef(np.hstack([prior, -prior]))) / 2
    aimed, measured = np.unique(view.catalogue.queries), view.anchors.tolist()
    selection = choose("facility_location", view, 5)
    for drug, reason in zip(view.drugs[selection.positions].tolist(), selection.reasons, strict=True):
        nearest = cosine[np.ix_(aimed, measured)].max(axis=1, initial=0)
        added = np.maximum(cosine[aimed, drug] - nearest, 0)
        added[added < 1e-6] = 0
        measured.append(drug)
        names = [view.catalogue.mechanisms[row] for row in aimed]
        sums = {name: added[[one == name for one in names]].sum() for name in set(names) - {None}}
        best = [name for name in sorted(sums, key=lambda name: -sums[name]) if sums[name] > 0][:3]
        parts = [f"{name} ({names.count(name)} drug{'s' * (names.count(name) > 1)})" for name in best]
        about = "; most of " + ", ".join(parts) if best else ""
        count = f"{(added > 0).sum()} of {len(aimed)} drugs to be predicted"
        assert reason == f"It is the most similar chosen drug of {count}{about}."
