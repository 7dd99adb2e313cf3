"""The design of least uncertainty against the exact posterior for every candidate, in every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import cholesky

from anchordrug.acquisition import PoolView
from anchordrug.acquisition.strategies import a_optimal
from tests.acquisition.fakes import choose
from tests.acquisition.strategies.designs import (
    aim_of,
    check_greedy,
    covariance,
    random_view,
    reductions,
    uncertainty,
    view_of,
)
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
def test_a_optimal_takes_the_drug_that_most_reduces_the_variance_of_the_exact_posterior(
    seed, pool, anchors, queries, share
):
    view = random_view(seed, pool, anchors, queries)
    batch = max(1, round(share * pool))
    matrix = covariance(view)
    selection = choose("a_optimal", view, batch)
    check_greedy(selection, batch, lambda chosen: reductions(view, matrix, chosen), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("anchors", [0, 3])
@pytest.mark.parametrize("seed", range(6))
def test_fewer_landmarks_than_drugs_are_exact_where_they_hold_every_drug(seed, anchors, monkeypatch):
    sources = random_sources(seed)
    order = np.random.default_rng(seed).permutation(sources.drugs)
    # Seven drugs, named again and again as the queries: every other of all rows meets each of them.
    pool, known = order[:7], order[:anchors]
    view = view_of(sources, pool[anchors:], known, np.tile(pool, 4))
    matrix = covariance(view)
    monkeypatch.setattr(a_optimal, "LANDMARKS", 18)
    landmarks = []

    def factor(matrix, lower):
        landmarks.append(len(matrix))
        return cholesky(matrix, lower=lower)

    monkeypatch.setattr(a_optimal, "cholesky", factor)
    selection = choose("a_optimal", view, 4)
    assert landmarks == [7]
    check_greedy(selection, 4, lambda chosen: reductions(view, matrix, chosen), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("landmarks", [1, 6, 18])
@pytest.mark.parametrize("anchors", [0, 4])
@pytest.mark.parametrize("seed", range(5))
def test_fewer_landmarks_still_give_every_drug_once_and_with_most_of_them_scores_close_to_the_exact(
    seed, anchors, landmarks, monkeypatch
):
    view = random_view(seed, pool=12, anchors=anchors, queries=20)
    matrix = covariance(view)
    exact = choose("a_optimal", view, 12)
    monkeypatch.setattr(a_optimal, "LANDMARKS", landmarks)
    monkeypatch.setattr(a_optimal, "ROWS_AT_ONCE", 5)
    found = choose("a_optimal", view, 12)
    assert sorted(found.positions.tolist()) == list(range(12))
    assert np.isfinite(found.scores).all()
    assert (found.scores >= 0).all()
    assert np.abs(found.scores - exact.scores).max() > 1e-3
    if landmarks == 18:
        assert found.scores[0] == pytest.approx(exact.scores[0], rel=0.2)
        assert found.scores.sum() == pytest.approx(exact.scores.sum(), rel=0.2)
        # What the first four really take off, next to the four of the exact a_optimal.
        queries, before = view.catalogue.queries.tolist(), view.anchors.tolist()
        first, best = (
            uncertainty(matrix, before, queries)
            - uncertainty(matrix, before + view.drugs[one.positions[:4]].tolist(), queries)
            for one in (found, exact)
        )
        assert first > 0.9 * best


@pytest.mark.parametrize("anchors", [0, 3])
@pytest.mark.parametrize("seed", range(10))
def test_a_shortlist_of_a_few_and_features_in_half_the_bytes_lose_next_to_nothing(seed, anchors, monkeypatch):
    view = random_view(seed, pool=40, anchors=anchors, queries=30)
    exact = choose("a_optimal", view, 15)
    monkeypatch.setattr(a_optimal, "SHORTLIST", 4)
    found = choose("a_optimal", view, 15)
    assert len(set(found.positions.tolist())) == 15
    matrix, queries, before = covariance(view), view.catalogue.queries.tolist(), view.anchors.tolist()
    taken, most = (
        uncertainty(matrix, before, queries)
        - uncertainty(matrix, before + view.drugs[selection.positions].tolist(), queries)
        for selection in (found, exact)
    )
    assert taken > 0.995 * most
    assert found.scores.sum() == pytest.approx(taken, rel=1e-2)
    monkeypatch.setattr(a_optimal, "LANDMARKS", 42)
    monkeypatch.setattr(a_optimal, "MANY", 0)
    half = choose("a_optimal", view, 15)
    assert half.scores.sum() == pytest.approx(found.scores.sum(), rel=0.05)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("queries", [0, 10])
def test_rounds_change_nothing_where_the_kernel_is_approximate_either(seed, queries, monkeypatch):
    monkeypatch.setattr(a_optimal, "LANDMARKS", 6)
    view = random_view(seed, pool=14, anchors=2, queries=queries)
    whole = view.drugs[choose("a_optimal", view, 12).positions].tolist()
    chosen: list[int] = []
    for _ in range(3):
        anchors = np.array([*view.anchors, *chosen])
        free = view.drugs[~np.isin(view.drugs, chosen)]
        one = PoolView(None, free, anchors, view.catalogue)
        chosen += free[choose("a_optimal", one, 4).positions].tolist()
    assert chosen == whole


def test_every_drug_is_a_landmark_as_long_as_there_are_few():
    view = random_view(0, pool=14, anchors=2, queries=0)  # 16 drugs, each of which the queries names again
    exact = choose("a_optimal", view, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(a_optimal, "LANDMARKS", 17)
        again = choose("a_optimal", view, 10)
    assert again.positions.tolist() == exact.positions.tolist()
    np.testing.assert_allclose(again.scores, exact.scores)


def posterior_variances(matrix, measured, drugs):
    """The exact posterior variance of every drug, given noisy measurements."""
    return np.array([uncertainty(matrix, measured, [drug]) for drug in drugs])


@pytest.mark.parametrize("queries", [0, 12])
@pytest.mark.parametrize("seed", range(6))
def test_the_reason_tells_how_many_drugs_and_which_mechanisms_the_exact_posterior_learns_most_about(
    seed, queries
):
    view = random_view(seed, pool=10, anchors=seed % 3, queries=queries)
    matrix, mechanisms = covariance(view), view.catalogue.mechanisms
    aimed = np.unique(aim_of(view))
    selection = choose("a_optimal", view, 5)
    measured = view.anchors.tolist()
    told = 0
    for drug, reason in zip(view.drugs[selection.positions].tolist(), selection.reasons, strict=True):
        others = aimed[aimed != drug].tolist()
        first = posterior_variances(matrix, [], others)
        before = posterior_variances(matrix, measured, others)
        measured.append(drug)
        after = posterior_variances(matrix, measured, others)
        share = (before - after) / first
        assert np.abs(share - 0.05).min() > 1e-6, "on the threshold, where rounding decides"
        if not (share >= 0.05).any():
            expected = f"It should make none of the {len(others)} other drugs' predictions"
            assert reason == f"{expected} much more certain."
            continue
        parts, lost = {}, {}
        for name in {mechanisms[other] for other in others} - {None}:
            own = [place for place, other in enumerate(others) if mechanisms[other] == name]
            left = [f"{sum(values[own]) / sum(first[own]):.0%}" for values in (before, after)]
            drugs = "1 drug" if len(own) == 1 else f"{len(own)} drugs"
            parts[name] = f"{name} ({drugs}, {left[0]} to {left[1]} uncertain)"
            lost[name] = sum(before[own] - after[own])
        best = sorted(lost, key=lambda name: -lost[name])[:3]
        about = "; most for " + ", ".join(parts[name] for name in best) if best else ""
        count = f"{(share >= 0.05).sum()} of {len(others)} other drugs' predictions"
        assert reason == f"It should make {count} more certain{about}."
        told += len(best)
    assert told
