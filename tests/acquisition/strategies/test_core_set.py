"""The drugs farthest from all chosen ones, against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acquisition.fakes import Stored, choose, view_of
from tests.acquisition.strategies.embeddings import embeddings_of, random_predictor, squared

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=40, deadline=None)


def first_largest(values, open_positions):
    """The first open position with the largest value, to within a relative 1e-5."""
    largest = max(values[i] for i in open_positions)
    return next(i for i in open_positions if values[i] >= largest - abs(largest) * 1e-5)


def core_set_by_loop(rows, anchors, batch):
    """Chosen rows and scores; `rows` are those of the pool, `anchors` those of the anchors.

    Squared distances are compared, as ties are to within a share of these.
    """
    centres, chosen, scores = list(anchors), [], []
    for _ in range(batch):
        free = [i for i in range(len(rows)) if i not in chosen]
        if centres:
            gap = [min(squared(row, centre) for centre in centres) for row in rows]
            pick = first_largest(gap, free)
        else:
            gap = [squared(row, rows.mean(axis=0)) for row in rows]
            pick = first_largest([-value for value in gap], free)
        chosen.append(pick)
        scores.append(gap[pick] ** 0.5)
        centres.append(rows[pick])
    return chosen, scores


@given(seed=SEEDS, anchors=st.integers(0, 5), share=st.floats(0, 1), coarse=st.booleans())
@settings(max_examples=80, deadline=None)
def test_core_set_is_the_greedy_loop(seed, anchors, share, coarse):
    predictor = random_predictor(seed, coarse=coarse)
    anchors = np.random.default_rng(seed).permutation(14)[:anchors]
    view = view_of(predictor, anchors)
    batch = max(1, round(share * len(view.drugs)))
    rows = embeddings_of(predictor)
    expected, scores = core_set_by_loop(rows[view.drugs], rows[anchors], batch)
    selection = choose("core_set", view, batch)
    assert selection.positions.tolist() == expected
    np.testing.assert_allclose(selection.scores, scores, rtol=1e-4, atol=1e-5)


@given(seed=SEEDS, anchors=st.integers(0, 3))
@quick
def test_core_set_never_comes_closer_than_before(seed, anchors):
    scores = choose("core_set", view_of(random_predictor(seed), range(anchors)), 14 - anchors).scores
    assert (np.diff(scores[anchors == 0 :]) <= 1e-5).all()


def test_core_set_spans_a_line_from_its_middle_and_then_from_its_anchors():
    predictor = Stored(np.full((7, 1, 3), 1 / 3), vectors=np.array([0, 10, 4, 5, 1, 7, 2])[:, None, None])
    one = choose("core_set", view_of(predictor), 3)
    assert one.positions.tolist() == [2, 1, 0]
    np.testing.assert_allclose(one.scores, [29 / 7 - 4, 6, 4], atol=1e-5)
    view = view_of(predictor, [0, 1])
    assert view.drugs[choose("core_set", view, 2).positions].tolist() == [3, 5]


@pytest.mark.parametrize("offset", [0, 30])
@pytest.mark.parametrize("copies", [2, 5])
def test_core_set_takes_a_twin_only_when_nothing_else_is_left(copies, offset):
    one = random_predictor(1, drugs=8, genes=20, width=16, offset=offset)
    twins = Stored(np.tile(one.table, (copies, 1, 1)), vectors=np.tile(one.vectors, (copies, 1, 1)))
    positions = choose("core_set", view_of(twins), 8 * copies).positions
    assert set((positions[:8] % 8).tolist()) == set(range(8))
    assert (positions[:8] < 8).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_drug_in_the_very_middle_of_the_pool_is_at_distance_zero(seed):
    rng = np.random.default_rng(seed)
    middle, side = rng.normal(size=(2, 3, 4))
    vectors = np.array([middle + side, middle - side, middle])
    selection = choose("core_set", view_of(Stored(np.full((3, 3, 3), 1 / 3), vectors=vectors)), 1)
    assert selection.positions.tolist() == [2]
    np.testing.assert_allclose(selection.scores, [0], atol=2e-3)
