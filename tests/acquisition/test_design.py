"""Designs against exhaustive computation: the exact posterior for every candidate, in every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import cholesky

from anchordrug.acquisition import Catalogue, PoolView, design
from anchordrug.errors import SettingsError
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.gp import DrugKernel, KernelWeights
from tests.acquisition.fakes import choose
from tests.predictors.atlases import random_sources

SEEDS = st.integers(0, 10_000)
DESIGNS = ["a_optimal", "facility_location"]
quick = settings(max_examples=25, deadline=None)


def view_of(sources, pool, anchors=(), aim=None):
    """A pool without any predictor: a design needs nothing measured."""
    catalogue = Catalogue(
        sources.fingerprints, sources.mechanisms, sources.prior, None if aim is None else np.array(aim)
    )
    return PoolView(None, np.array(pool), np.array(anchors, np.int64), catalogue)


def random_view(seed, pool=12, anchors=0, aim=8):
    """Scattered drugs of a table of 25; the aim overlaps with the rest by chance. Aim 0 is none."""
    sources = random_sources(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(sources.drugs)
    aimed = rng.permutation(sources.drugs)[:aim] if aim else None
    return view_of(sources, order[:pool], order[pool : pool + anchors], aimed)


def aim_of(view):
    return [*view.drugs, *view.anchors] if view.catalogue.aim is None else list(view.catalogue.aim)


def covariance(view):
    """The process' prior covariance of all drugs of the table, in units of those that play a part."""
    prior = view.catalogue.prior
    parts = sorted({*view.drugs.tolist(), *view.anchors.tolist(), *map(int, aim_of(view))})
    scale = float((prior.evidence_of(np.array(parts)).prior.astype(float) ** 2).mean())
    everyone = np.arange(len(view.catalogue.mechanisms))
    evidence = prior.evidence_of(everyone)
    kernel = DrugKernel(KernelWeights(), prior, everyone, evidence.prior, scale)
    return kernel.to(NumpyOps, evidence, prior.bits, everyone)


def uncertainty(matrix, measured, aim):
    """The posterior variance summed over the aim, given noisy measurements."""
    total = 0.0
    for one in aim:
        total += matrix[one, one]
        if measured:
            noisy = matrix[np.ix_(measured, measured)] + design.NOISE * np.eye(len(measured))
            total -= matrix[one, measured] @ np.linalg.solve(noisy, matrix[measured, one])
    return total


def reductions(view, matrix, chosen):
    """What each free drug of the pool takes off, by position, once the drugs at `chosen` are measured."""
    aim = [int(one) for one in aim_of(view)]
    measured = [*view.anchors.tolist(), *view.drugs[chosen].tolist()]
    before = uncertainty(matrix, measured, aim)
    return {
        position: before - uncertainty(matrix, [*measured, int(drug)], aim)
        for position, drug in enumerate(view.drugs)
        if position not in chosen
    }


def added(view, chosen):
    """What each free drug of the pool adds to the similarity of every aimed drug to the nearest chosen."""
    prior = view.catalogue.prior.evidence_of(np.arange(len(view.catalogue.mechanisms))).prior.astype(float)

    def similarity(one, other):
        length = (sum(prior[one] ** 2) * sum(prior[other] ** 2)) ** 0.5
        return (1 + (sum(prior[one] * prior[other]) / length if length else 0)) / 2

    measured = [*view.anchors, *view.drugs[chosen]]
    nearest = [max([similarity(one, other) for other in measured], default=0.0) for one in aim_of(view)]
    return {
        position: sum(
            max(similarity(one, drug) - before, 0) for one, before in zip(aim_of(view), nearest, strict=True)
        )
        for position, drug in enumerate(view.drugs)
        if position not in chosen
    }


def check_greedy(selection, batch, gains, rtol, atol):
    """In every step, the best drug (the first of equally good ones), and its gain as the score.

    Each step is judged given the drugs chosen before it: of drugs as good as equal, either may be taken.
    """
    chosen = []
    assert len(selection.positions) == len(selection.scores) == batch
    for position, score in zip(selection.positions.tolist(), selection.scores, strict=True):
        values = gains(chosen)
        assert position in values
        assert score == pytest.approx(values[position], rel=rtol, abs=atol)
        assert values[position] >= max(values.values()) * (1 - rtol) - atol
        twins = [one for one, value in values.items() if abs(value - values[position]) < 1e-12]
        assert position == min(twins)
        chosen.append(position)


@given(
    seed=SEEDS,
    pool=st.integers(1, 12),
    anchors=st.integers(0, 5),
    aim=st.integers(0, 12),
    share=st.floats(0, 1),
)
@quick
def test_a_optimal_takes_the_drug_that_most_reduces_the_variance_of_the_exact_posterior(
    seed, pool, anchors, aim, share
):
    view = random_view(seed, pool, anchors, aim)
    batch = max(1, round(share * pool))
    matrix = covariance(view)
    selection = choose("a_optimal", view, batch)
    check_greedy(selection, batch, lambda chosen: reductions(view, matrix, chosen), rtol=1e-4, atol=1e-5)


@given(
    seed=SEEDS,
    pool=st.integers(1, 12),
    anchors=st.integers(0, 5),
    aim=st.integers(0, 12),
    share=st.floats(0, 1),
)
@quick
def test_facility_location_takes_the_drug_that_adds_most(seed, pool, anchors, aim, share):
    view = random_view(seed, pool, anchors, aim)
    batch = max(1, round(share * pool))
    selection = choose("facility_location", view, batch)
    check_greedy(selection, batch, lambda chosen: added(view, chosen), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("aim", [0, 10])
@pytest.mark.parametrize("seed", range(8))
def test_three_batches_of_four_are_one_of_twelve(name, seed, aim):
    view = random_view(seed, pool=14, anchors=2, aim=aim)
    whole = choose(name, view, 12)
    pool, anchors, drugs, scores = view.drugs, view.anchors, [], []
    for _ in range(3):
        part = choose(name, PoolView(None, pool, anchors, view.catalogue), 4)
        drugs += pool[part.positions].tolist()
        scores += part.scores.tolist()
        anchors = np.concatenate([anchors, pool[part.positions]])
        pool = np.delete(pool, part.positions)
    assert drugs == view.drugs[whole.positions].tolist()
    np.testing.assert_allclose(scores, whole.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seed", range(5))
def test_the_first_drugs_of_a_large_batch_are_the_small_batch(name, seed):
    view = random_view(seed, pool=14)
    large, small = choose(name, view, 14), choose(name, view, 5)
    np.testing.assert_array_equal(large.positions[:5], small.positions)
    np.testing.assert_array_equal(large.scores[:5], small.scores)
    assert sorted(large.positions.tolist()) == list(range(14))
    assert large.scores.dtype == np.float64


@pytest.mark.parametrize("name", DESIGNS)
def test_without_an_aim_it_is_pool_and_anchors(name):
    for seed in range(8):
        none = random_view(seed, anchors=3, aim=0)
        sources = random_sources(seed)
        both = view_of(sources, none.drugs, none.anchors, [*none.drugs, *none.anchors])
        other = view_of(sources, none.drugs, none.anchors, np.setdiff1d(np.arange(25), none.drugs))
        found, expected = choose(name, none, 8), choose(name, both, 8)
        np.testing.assert_array_equal(found.positions, expected.positions)
        np.testing.assert_array_equal(found.scores, expected.scores)
        assert np.abs(choose(name, other, 8).scores - found.scores).max() > 0.01


@pytest.mark.parametrize(
    ("name", "aimed"),
    # Two drugs of the pool that are aimed at as well may stand for each other: a tie for facility location.
    [("a_optimal", "anything"), ("a_optimal", "others"), ("facility_location", "others")],
)
@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_pool_settles_ties_only(name, aimed, seed):
    sources = random_sources(seed)
    rng = np.random.default_rng(seed)
    pool = np.concatenate([[23, 24], rng.permutation(23)[:10]])
    aim = np.setdiff1d(np.arange(25), pool) if aimed == "others" else rng.permutation(25)[:15]
    # Nothing tells the last two drugs apart: the one that comes first in the pool goes first.
    classes = np.minimum(np.arange(25), 23)
    lists = []
    for _ in range(5):
        pool = rng.permutation(pool)
        selection = choose(name, view_of(sources, pool, [], aim), 5)
        assert selection.scores.min() > 1e-3
        drugs = pool[selection.positions]
        lists.append(classes[drugs].tolist())
        twins = [drug for drug in drugs.tolist() if drug >= 23]
        assert twins == [drug for drug in pool.tolist() if drug >= 23][: len(twins)]
    assert lists == [lists[0]] * 5


@pytest.mark.parametrize("seed", range(5))
def test_of_two_drugs_that_stand_for_each_other_the_first_goes_first(seed):
    view = random_view(seed, pool=2, aim=0)
    assert choose("facility_location", view, 2).positions.tolist() == [0, 1]
    other = PoolView(None, view.drugs[::-1], view.anchors, view.catalogue)
    assert choose("facility_location", other, 2).positions.tolist() == [0, 1]


@pytest.mark.parametrize("name", DESIGNS)
def test_where_there_is_nothing_to_gain_every_drug_still_comes_once(name):
    selection = choose(name, random_view(2, pool=6, aim=0), 6)
    assert selection.scores.min() > 0
    nothing = view_of(random_sources(2), np.arange(6), [], np.empty(0, np.int64))
    selection = choose(name, nothing, 6)
    assert selection.positions.tolist() == [0, 1, 2, 3, 4, 5]
    assert selection.scores.tolist() == [0] * 6


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


@pytest.mark.parametrize("anchors", [0, 3])
@pytest.mark.parametrize("seed", range(6))
def test_fewer_landmarks_than_drugs_are_exact_where_they_hold_every_drug(seed, anchors, monkeypatch):
    sources = random_sources(seed)
    order = np.random.default_rng(seed).permutation(sources.drugs)
    # Seven drugs, named again and again as the aim: every other of all rows meets each of them.
    pool, known = order[:7], order[:anchors]
    view = view_of(sources, pool[anchors:], known, np.tile(pool, 4))
    matrix = covariance(view)
    monkeypatch.setattr(design, "LANDMARKS", 18)
    landmarks = []

    def factor(matrix, lower):
        landmarks.append(len(matrix))
        return cholesky(matrix, lower=lower)

    monkeypatch.setattr(design, "cholesky", factor)
    selection = choose("a_optimal", view, 4)
    assert landmarks == [7]
    check_greedy(selection, 4, lambda chosen: reductions(view, matrix, chosen), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("landmarks", [1, 6, 18])
@pytest.mark.parametrize("anchors", [0, 4])
@pytest.mark.parametrize("seed", range(5))
def test_fewer_landmarks_still_give_every_drug_once_and_with_most_of_them_scores_close_to_the_exact(
    seed, anchors, landmarks, monkeypatch
):
    view = random_view(seed, pool=12, anchors=anchors, aim=20)
    matrix = covariance(view)
    exact = choose("a_optimal", view, 12)
    monkeypatch.setattr(design, "LANDMARKS", landmarks)
    monkeypatch.setattr(design, "ROWS_AT_ONCE", 5)
    found = choose("a_optimal", view, 12)
    assert sorted(found.positions.tolist()) == list(range(12))
    assert np.isfinite(found.scores).all()
    assert (found.scores >= 0).all()
    assert np.abs(found.scores - exact.scores).max() > 1e-3
    if landmarks == 18:
        assert found.scores[0] == pytest.approx(exact.scores[0], rel=0.2)
        assert found.scores.sum() == pytest.approx(exact.scores.sum(), rel=0.2)
        # What the first four really take off, next to the four of the exact design.
        aim, before = view.catalogue.aim.tolist(), view.anchors.tolist()
        first, best = (
            uncertainty(matrix, before, aim)
            - uncertainty(matrix, before + view.drugs[one.positions[:4]].tolist(), aim)
            for one in (found, exact)
        )
        assert first > 0.9 * best


@pytest.mark.parametrize("name", DESIGNS)
def test_how_many_rows_are_made_at_once_does_not_matter(name, monkeypatch):
    view = random_view(4, pool=14, anchors=2, aim=11)
    whole = choose(name, view, 14)
    monkeypatch.setattr(design, "ROWS_AT_ONCE", 3)
    parts = choose(name, view, 14)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(parts.positions[:10], whole.positions[:10])


def test_facility_location_looks_at_evenly_spaced_drugs_of_a_large_aim(monkeypatch):
    monkeypatch.setattr(design, "MOST_AIMED", 4)
    sources = random_sources(6)
    many = choose("facility_location", view_of(sources, np.arange(12), [], np.arange(3, 23)), 5)
    few = choose("facility_location", view_of(sources, np.arange(12), [], [3, 9, 15, 22]), 5)
    np.testing.assert_array_equal(many.positions, few.positions)
    np.testing.assert_array_equal(many.scores, few.scores)


@pytest.mark.parametrize("name", DESIGNS)
def test_what_was_measured_of_source_lines_decides(name):
    lists = {tuple(choose(name, random_view(seed, pool=12), 4).positions.tolist()) for seed in range(6)}
    assert len(lists) > 3


@pytest.mark.parametrize("name", DESIGNS)
def test_a_catalogue_without_prior_responses_is_an_error(name):
    sources = random_sources(0)
    view = PoolView(
        None, np.arange(5), np.empty(0, np.int64), Catalogue(sources.fingerprints, sources.mechanisms)
    )
    with pytest.raises(SettingsError, match="prior"):
        choose(name, view, 2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("aim", [0, 10])
def test_rounds_change_nothing_where_the_kernel_is_approximate_either(seed, aim, monkeypatch):
    monkeypatch.setattr(design, "LANDMARKS", 6)
    view = random_view(seed, pool=14, anchors=2, aim=aim)
    whole = view.drugs[choose("a_optimal", view, 12).positions].tolist()
    chosen: list[int] = []
    for _ in range(3):
        anchors = np.array([*view.anchors, *chosen])
        free = view.drugs[~np.isin(view.drugs, chosen)]
        one = PoolView(None, free, anchors, view.catalogue)
        chosen += free[choose("a_optimal", one, 4).positions].tolist()
    assert chosen == whole


def test_every_drug_is_a_landmark_as_long_as_there_are_few():
    view = random_view(0, pool=14, anchors=2, aim=0)  # 16 drugs, each of which the aim names again
    exact = choose("a_optimal", view, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(design, "LANDMARKS", 17)
        again = choose("a_optimal", view, 10)
    assert again.positions.tolist() == exact.positions.tolist()
    np.testing.assert_allclose(again.scores, exact.scores)
