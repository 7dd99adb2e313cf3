"""Strategies on embeddings, against plain loops over embeddings that are built in full."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from anchordrug.acquisition import kernel
from anchordrug.acquisition.diversity import k_means_plus_plus
from tests.acquisition.fakes import Stored, choose, random_probabilities, view_of

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=40, deadline=None)


def random_predictor(seed, drugs=14, genes=5, width=4, coarse=False, offset=0.0):
    rng = np.random.default_rng(seed)
    vectors = offset + (
        rng.integers(-1, 2, (drugs, genes, width)) if coarse else rng.normal(size=(drugs, genes, width))
    )
    return Stored(random_probabilities(rng, drugs, genes), vectors=vectors, genes_at_once=1 + seed % 6)


def embeddings_of(predictor):
    """float64 [drugs, genes x width]."""
    return predictor.vectors.astype(float).reshape(len(predictor.vectors), -1)


def gradients_of(predictor):
    """float64 [drugs, genes x 3 x width]: the gradients of the last layer's weights, gene after gene."""
    rows = []
    for p, vectors in zip(predictor.table.astype(float), predictor.vectors.astype(float), strict=True):
        parts = []
        for gene, vector in zip(p, vectors, strict=True):
            likeliest = np.zeros(3)
            likeliest[gene.argmax()] = 1
            parts.append(np.outer(gene - likeliest, vector).ravel())
        rows.append(np.concatenate(parts))
    return np.array(rows)


def squared(a, b):
    return float(((a - b) ** 2).sum())


def first_largest(values, open_positions):
    """The first open position with the largest value, to within a relative 1e-5."""
    largest = max(values[i] for i in open_positions)
    return next(i for i in open_positions if values[i] >= largest - abs(largest) * 1e-5)


def core_set_by_loop(rows, anchors, batch):
    """Chosen rows and scores; `rows` are those of the pool, `anchors` those of the anchors."""
    centres, chosen, scores = list(anchors), [], []
    for _ in range(batch):
        free = [i for i in range(len(rows)) if i not in chosen]
        if centres:
            gap = [min(squared(row, centre) for centre in centres) ** 0.5 for row in rows]
            pick = first_largest(gap, free)
        else:
            gap = [squared(row, rows.mean(axis=0)) ** 0.5 for row in rows]
            pick = first_largest([-value for value in gap], free)
        chosen.append(pick)
        scores.append(gap[pick])
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


@pytest.mark.parametrize("seed", range(10))
def test_a_drug_in_the_very_middle_of_the_pool_is_at_distance_zero(seed):
    rng = np.random.default_rng(seed)
    middle, side = rng.normal(size=(2, 3, 4))
    vectors = np.array([middle + side, middle - side, middle])
    selection = choose("core_set", view_of(Stored(np.full((3, 3, 3), 1 / 3), vectors=vectors)), 1)
    assert selection.positions.tolist() == [2]
    np.testing.assert_allclose(selection.scores, [0], atol=2e-3)


@pytest.mark.parametrize("name", ["core_set", "badge", "k_means"])
def test_the_unit_of_embeddings_does_not_matter(name):
    one = random_predictor(3)
    other = Stored(one.table, vectors=one.vectors / 1024, genes_at_once=one.genes_at_once)
    selection, small = choose(name, view_of(one), 14), choose(name, view_of(other), 14)
    assert small.positions.tolist() == selection.positions.tolist()
    np.testing.assert_array_equal(1024 * small.scores, selection.scores)


@pytest.mark.parametrize("offset", [0, 30])
@pytest.mark.parametrize("copies", [2, 5])
def test_core_set_takes_a_twin_only_when_nothing_else_is_left(copies, offset):
    one = random_predictor(1, drugs=8, genes=20, width=16, offset=offset)
    twins = Stored(np.tile(one.table, (copies, 1, 1)), vectors=np.tile(one.vectors, (copies, 1, 1)))
    positions = choose("core_set", view_of(twins), 8 * copies).positions
    assert set((positions[:8] % 8).tolist()) == set(range(8))
    assert (positions[:8] < 8).all()


@given(seed=SEEDS, coarse=st.booleans())
@quick
def test_the_kernel_of_embeddings_gives_the_distances_of_whole_embeddings(seed, coarse):
    predictor = random_predictor(seed, coarse=coarse)
    check_kernel(kernel.embedding_kernel(predictor, np.arange(14)), embeddings_of(predictor))


@given(seed=SEEDS, coarse=st.booleans())
@quick
def test_the_kernel_of_gradients_gives_the_distances_of_whole_gradients(seed, coarse):
    predictor = random_predictor(seed, coarse=coarse)
    check_kernel(kernel.gradient_kernel(predictor, np.arange(14)), gradients_of(predictor))


def check_kernel(products, rows):
    np.testing.assert_allclose(products, rows @ rows.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(products, products.T)
    for i in range(len(rows)):
        found = kernel.squared_distances(products, i)
        assert found.dtype == np.float64
        assert (found >= 0).all()
        assert found[i] == 0
        np.testing.assert_allclose(found, [squared(rows[i], row) for row in rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("product", [1 - 2**-23, 1, 1 + 2**-23])
def test_a_distance_that_is_nothing_but_rounding_is_zero(product):
    products = np.array([[1, product, 0.999], [product, 1, 0.999], [0.999, 0.999, 1]], np.float32)
    distances = kernel.squared_distances(products, 0)
    assert distances[:2].tolist() == [0, 0]
    assert distances[2] == pytest.approx(0.002, rel=1e-4)


def test_a_kernel_holds_only_the_drugs_asked_for_in_their_order():
    predictor = random_predictor(0)
    drugs = np.array([9, 2, 13])
    rows = embeddings_of(predictor)[drugs]
    np.testing.assert_allclose(kernel.embedding_kernel(predictor, drugs), rows @ rows.T, rtol=1e-4, atol=1e-5)


@given(
    drugs=st.integers(1, 11),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seed=SEEDS,
    layout=st.sampled_from(["C", "F", "strided"]),
)
@quick
def test_gram_is_the_product_of_all_parts_side_by_side(drugs, widths, seed, layout):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(drugs, width)).astype(np.float32) for width in widths]
    expected = np.concatenate(parts, axis=1).astype(float)
    expected = expected @ expected.T
    if layout == "strided":
        given_parts = [np.repeat(part, 2, axis=1)[:, ::2] for part in parts]
    else:
        given_parts = [np.asarray(part, order=layout) for part in parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "TILE", 3)
        found = kernel.gram(iter(given_parts), drugs)
    assert found.dtype == np.float32
    assert found.shape == (drugs, drugs)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for part, same in zip(given_parts, parts, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("drugs", [1, 2, 3, 4, 5, 6, 7, 9, 10])
def test_gram_is_mirrored_whole_around_the_size_of_a_tile(drugs, monkeypatch):
    monkeypatch.setattr(kernel, "TILE", 3)
    rows = np.random.default_rng(drugs).integers(-3, 4, (drugs, 5)).astype(np.float32)
    np.testing.assert_array_equal(kernel.gram([rows[:, :2], rows[:, 2:]], drugs), rows @ rows.T)


def seeds_by_loop(rows, first, batch, rng):
    """k-means++ seeds and the distance at which each was drawn."""
    chosen, scores = [first], [0.0]
    while len(chosen) < batch:
        nearest = np.array([min(squared(row, rows[centre]) for centre in chosen) for row in rows])
        nearest[chosen] = 0
        pick = int(rng.choice(len(rows), p=nearest / nearest.sum()))
        scores.append(nearest[pick] ** 0.5)
        chosen.append(pick)
    return chosen, scores


def test_the_first_seed_of_k_means_was_drawn_at_distance_zero():
    products = kernel.embedding_kernel(random_predictor(0), np.arange(14))
    positions, distances = k_means_plus_plus(products, 5, 3, np.random.default_rng(0))
    assert (positions[0], distances[0]) == (5, 0)


@given(seed=SEEDS, share=st.floats(0, 1), anchors=st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_badge_is_the_loop_with_the_same_draws(seed, share, anchors):
    predictor = random_predictor(seed)
    view = view_of(predictor, range(anchors))
    batch = max(1, round(share * len(view.drugs)))
    rows = gradients_of(predictor)[view.drugs]
    lengths = [squared(row, 0) ** 0.5 for row in rows]
    first = int(np.argmax(lengths))
    expected, scores = seeds_by_loop(rows, first, batch, np.random.default_rng(seed))
    selection = choose("badge", view, batch, seed)
    assert selection.positions.tolist() == expected
    np.testing.assert_allclose(selection.scores, [lengths[first], *scores[1:]], rtol=1e-4)


def test_badge_draws_in_proportion_to_squared_distance():
    scale = np.array([1, 5, 1, 2, 4])
    vectors = np.zeros((5, 1, 2))
    vectors[:, 0, 0] = scale
    predictor = Stored(np.tile([0.5, 0.3, 0.2], (5, 1, 1)), vectors=vectors)
    draws = 3000
    seconds = np.array([choose("badge", view_of(predictor), 2, seed).positions for seed in range(draws)])
    assert (seconds[:, 0] == 1).all()
    expected = draws * (scale - 5) ** 2 / ((scale - 5) ** 2).sum()
    counts = np.bincount(seconds[:, 1], minlength=5)
    assert counts[1] == 0
    # Three degrees of freedom; above 25 once in 60,000.
    assert ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum() < 25


@pytest.mark.parametrize("name", ["badge", "k_means"])
@pytest.mark.parametrize("offset", [0, 30])
def test_a_twin_is_taken_only_when_nothing_else_is_left(name, offset):
    one = random_predictor(2, drugs=6, genes=20, width=16, offset=offset)
    twins = Stored(np.tile(one.table, (3, 1, 1)), vectors=np.tile(one.vectors, (3, 1, 1)))
    for seed in range(20):
        positions = choose(name, view_of(twins), 6, seed).positions
        assert set((positions % 6).tolist()) == set(range(6))


def test_badge_fills_up_in_the_pools_order_where_the_predictor_is_certain():
    predictor = Stored(
        np.tile([0.0, 1, 0], (6, 4, 1)), vectors=np.random.default_rng(0).normal(size=(6, 4, 3))
    )
    selection = choose("badge", view_of(predictor), 4)
    assert selection.positions.tolist() == [0, 1, 2, 3]
    assert selection.scores.tolist() == [0, 0, 0, 0]


def lloyd_by_loop(rows, seeds):
    """The cluster of every row and the centres; that of a cluster that runs empty is infinitely far."""
    centres = rows[seeds].copy()
    before = None
    for _ in range(100):
        cluster = np.array([int(np.argmin([squared(row, centre) for centre in centres])) for row in rows])
        if before is not None and (cluster == before).all():
            break
        before = cluster
        members = [rows[cluster == k] for k in range(len(seeds))]
        centres = np.array(
            [one.mean(axis=0) if len(one) else np.full(rows.shape[1], np.inf) for one in members]
        )
    return cluster, centres


def medoids(rows, cluster, centres):
    """The member nearest to the centre of every cluster that has one, and its distance."""
    result = {}
    for k in np.unique(cluster):
        centre = centres[k]
        gap, position = min((squared(rows[i], centre) ** 0.5, i) for i in np.flatnonzero(cluster == k))
        result[int(position)] = gap
    return result


def k_means_seeds(rows, batch, seed):
    rng = np.random.default_rng(seed)
    return seeds_by_loop(rows, int(rng.integers(len(rows))), batch, rng)[0]


@given(seed=SEEDS, batch=st.integers(1, 12), anchors=st.integers(0, 2), offset=st.sampled_from([0, 3]))
@settings(max_examples=80, deadline=None)
def test_k_means_is_lloyds_loop_from_the_same_seeds(seed, batch, anchors, offset):
    predictor = random_predictor(seed, genes=3, width=2, offset=offset)
    view = view_of(predictor, range(anchors))
    rows = embeddings_of(predictor)[view.drugs]
    cluster, centres = lloyd_by_loop(rows, k_means_seeds(rows, batch, seed))
    assume(np.isfinite(centres).all())
    selection = choose("k_means", view, batch, seed)
    found = dict(zip(selection.positions.tolist(), selection.scores, strict=True))
    # Of a cluster of two, both are equally near to the centre.
    expected = medoids(rows, cluster, centres)
    assert sorted(cluster[list(found)]) == sorted(cluster[list(expected)])
    for position, score in found.items():
        gap = next(gap for other, gap in expected.items() if cluster[other] == cluster[position])
        np.testing.assert_allclose(-score, gap, rtol=1e-3, atol=2e-3)
        if (cluster == cluster[position]).sum() != 2:
            assert position in expected


@given(seed=SEEDS, batch=st.integers(1, 10))
@settings(max_examples=20, deadline=None)
def test_k_means_is_that_of_scikit_learn_from_the_same_centres(seed, batch):
    predictor = random_predictor(seed, drugs=40)
    rows = embeddings_of(predictor)
    seeds = k_means_seeds(rows, batch, seed)
    assume(np.isfinite(lloyd_by_loop(rows, seeds)[1]).all())
    model = KMeans(batch, init=rows[seeds], n_init=1, max_iter=100, tol=0).fit(rows)
    selection = choose("k_means", view_of(predictor), batch, seed)
    expected = sorted(medoids(rows, model.labels_, model.cluster_centers_).values())
    assert sorted(model.labels_[selection.positions].tolist()) == list(range(batch))
    np.testing.assert_allclose(sorted(-selection.scores), expected, rtol=1e-3, atol=2e-3)


def test_k_means_replaces_a_cluster_that_runs_empty_by_the_drug_farthest_from_its_centre():
    # Points and seed were searched for: one pool in a thousand has such a cluster, and rarely one that a
    # centre in the origin would fill again.
    points = np.array([[-1, -4], [-7, 5], [-6, 4], [8, 1], [9, -5], [-5, 5], [-9, -8]], float)
    cluster, centres = lloyd_by_loop(points, k_means_seeds(points, 3, 3258))
    assert len(np.unique(cluster)) == np.isfinite(centres[:, 0]).sum() == 2
    expected = medoids(points, cluster, centres)
    gaps = [
        0 if place in expected else squared(point, centres[cluster[place]]) ** 0.5
        for place, point in enumerate(points)
    ]
    expected[int(np.argmax(gaps))] = max(gaps)
    predictor = Stored(np.full((7, 1, 3), 1 / 3), vectors=points[:, None])
    selection = choose("k_means", view_of(predictor), 3, 3258)
    found = dict(zip(selection.positions.tolist(), -selection.scores, strict=True))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_k_means_takes_one_drug_of_each_blob(seed):
    rng = np.random.default_rng(seed)
    blob = rng.permutation(np.repeat(np.arange(6), [1, 2, 3, 5, 9, 20]))
    centres = 1000 * np.eye(6)[blob].reshape(40, 2, 3)
    predictor = Stored(random_probabilities(rng, 40, 2), vectors=centres + rng.normal(size=(40, 2, 3)))
    positions = choose("k_means", view_of(predictor), 6, seed).positions
    assert sorted(blob[positions].tolist()) == list(range(6))


@pytest.mark.parametrize("seed", range(10))
def test_k_means_of_copies_takes_drugs_at_distance_zero(seed):
    one = random_predictor(seed, drugs=2, genes=20, width=16, offset=3)
    twins = Stored(np.tile(one.table, (5, 1, 1)), vectors=np.tile(one.vectors, (5, 1, 1)))
    selection = choose("k_means", view_of(twins), 2)
    assert sorted(selection.positions.tolist()) == [0, 1]
    np.testing.assert_allclose(selection.scores, [0, 0], atol=0.1)


def test_k_means_with_one_cluster_takes_the_drug_nearest_to_the_mean():
    predictor = random_predictor(5)
    rows = embeddings_of(predictor)
    gaps = [squared(row, rows.mean(axis=0)) ** 0.5 for row in rows]
    selection = choose("k_means", view_of(predictor), 1)
    assert selection.positions.tolist() == [int(np.argmin(gaps))]
    np.testing.assert_allclose(selection.scores, [-min(gaps)], rtol=1e-4)


@pytest.mark.parametrize("name", ["badge", "k_means"])
def test_one_drug_far_from_all_does_not_blur_the_others(name):
    vectors = np.random.default_rng(0).normal(size=(30, 1, 10))
    vectors[7] += 1e3
    view = view_of(Stored(np.tile([0.5, 0.3, 0.2], (30, 1, 1)), vectors=vectors))
    lists = {tuple(choose(name, view, 6, seed).positions.tolist()) for seed in range(10)}
    assert len(lists) == 10
