"""Strategies on structure and mechanism: which groups they reach, and how often."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import Catalogue, PoolView
from tests.acquisition.fakes import choose

SEEDS = st.integers(0, 10_000)


class Silent:
    """A predictor that fails when asked anything."""

    def __getattr__(self, name):
        raise AssertionError(name)


def pool_of(drugs, anchors, fingerprints=None, mechanisms=None):
    """All drugs but the anchors, in order."""
    anchors = np.array(anchors, np.int64)
    fingerprints = np.zeros((drugs, 4), np.uint8) if fingerprints is None else fingerprints
    catalogue = Catalogue(fingerprints, [None] * drugs if mechanisms is None else mechanisms)
    return PoolView(Silent(), np.setdiff1d(np.arange(drugs), anchors), anchors, catalogue)


def chosen(name, view, batch, seed=0):
    return view.drugs[choose(name, view, batch, seed).positions].tolist()


def groups_in_turn(group, anchors, drugs):
    """Whether every drug came from a group that no open group had fewer chosen drugs than."""
    taken = Counter(group[anchor] for anchor in anchors)
    left = Counter(group) - taken
    for drug in drugs:
        if taken[group[drug]] > min(taken[one] for one in left if left[one]):
            return False
        taken[group[drug]] += 1
        left[group[drug]] -= 1
    return True


@given(
    texts=st.lists(st.sampled_from([None, "A", "B", "A|B", "C", "D"]), min_size=2, max_size=25),
    anchors=st.integers(0, 10),
    share=st.floats(0, 1),
    seed=SEEDS,
)
@settings(max_examples=150, deadline=None)
def test_moa_goes_through_all_groups_before_it_takes_another_of_one(texts, anchors, share, seed):
    drugs = len(texts)
    anchors = np.random.default_rng(seed).permutation(drugs)[: min(anchors, drugs - 1)]
    view = pool_of(drugs, anchors, mechanisms=texts)
    batch = max(1, round(share * len(view.drugs)))
    group = [text or number for number, text in enumerate(texts)]
    assert groups_in_turn(group, anchors.tolist(), chosen("moa", view, batch, seed))


@pytest.mark.parametrize("seed", range(10))
def test_moa_never_takes_two_of_one_mechanism_while_another_is_untouched(seed):
    texts = ["many"] * 30 + ["few"] * 2 + ["one", None, None]
    drugs = chosen("moa", pool_of(35, [], mechanisms=texts), 5, seed)
    assert sorted(texts[drug] or "" for drug in drugs) == ["", "", "few", "many", "one"]


@pytest.mark.parametrize("seed", range(10))
def test_moa_avoids_the_mechanisms_of_anchors_as_long_as_it_can(seed):
    texts = ["A", "A", "A", "B", "B", "C", "C", "C"]
    drugs = chosen("moa", pool_of(8, [0, 1, 3], mechanisms=texts), 4, seed)
    first, *two, last = [texts[drug] for drug in drugs]
    assert first == "C"
    assert sorted(two) == ["B", "C"]
    assert last in "AC"


def test_moa_takes_a_combination_for_a_mechanism_of_its_own():
    texts = ["A", "B", "A|B", "A", "B"]
    for seed in range(10):
        assert chosen("moa", pool_of(5, [0, 1], mechanisms=texts), 1, seed) == [2]


def test_moa_of_unknown_mechanisms_is_any_drug():
    assert len({chosen("moa", pool_of(6, [5]), 1, seed)[0] for seed in range(100)}) == 5


@pytest.mark.parametrize("text", ["0", "None", "nan", " ", "drug 0", "drug 1"])
def test_an_unknown_mechanism_is_never_that_of_another_drug(text):
    for seed in range(20):
        assert set(chosen("moa", pool_of(4, [3], mechanisms=[None, text, text, text]), 1, seed)) == {0}
        assert set(chosen("moa", pool_of(4, [3], mechanisms=[text, None, text, text]), 1, seed)) == {1}


def test_moa_takes_every_group_equally_often_at_every_place():
    texts = ["A"] * 10 + ["B"] * 5 + ["C"] * 2 + ["D", None, None, None, None]
    groups = sorted({text or f"drug {number}" for number, text in enumerate(texts)})
    draws, view = 2000, pool_of(len(texts), [], mechanisms=texts)
    lists = [chosen("moa", view, 3, seed) for seed in range(draws)]
    expected = draws / len(groups)
    for place in range(3):
        counts = Counter(texts[one[place]] or f"drug {one[place]}" for one in lists)
        # Seven degrees of freedom; above 30 once in 10,000.
        assert sum((counts[group] - expected) ** 2 / expected for group in groups) < 30


def test_moa_takes_every_drug_of_a_group_equally_often():
    texts = ["A"] * 6 + ["B"]
    counts = Counter(
        drug
        for seed in range(1800)
        for drug in chosen("moa", pool_of(7, [], mechanisms=texts), 2, seed)
        if drug < 6
    )
    # Five degrees of freedom; above 26 once in 10,000.
    assert sum((counts[drug] - 300) ** 2 / 300 for drug in range(6)) < 26


def blobs(rng, sizes, bits=20):
    """Fingerprints that share their `bits` bits within a blob, and the blob of every drug."""
    blob = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.repeat(np.eye(len(sizes)), bits, axis=1)[blob], blob


@pytest.mark.parametrize("seed", range(10))
def test_clustering_takes_one_drug_of_each_blob(seed):
    fingerprints, blob = blobs(np.random.default_rng(seed), [4, 5, 6])
    drugs = chosen("clustering", pool_of(15, [], fingerprints), 3, seed)
    assert sorted(blob[drugs].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(10))
def test_clustering_takes_from_blobs_without_anchors(seed):
    rng = np.random.default_rng(seed)
    fingerprints, blob = blobs(rng, [5, 5, 5, 5])
    anchors = [int(np.flatnonzero(blob == one)[0]) for one in (0, 2)]
    drugs = chosen("clustering", pool_of(20, anchors, fingerprints), 2, seed)
    assert sorted(blob[drugs].tolist()) == [1, 3]


@pytest.mark.parametrize("seed", range(5))
def test_clustering_counts_set_bits_and_not_what_they_are_set_to(seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (25, 12))
    scaled = bits * rng.uniform(0.1, 3, (25, 12)).astype(np.float32)
    one, other = (chosen("clustering", pool_of(25, [1, 4], rows), 6, seed) for rows in (bits, scaled))
    assert one == other


@given(seed=SEEDS, batch=st.integers(1, 8), anchors=st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_clustering_takes_one_of_each_of_as_many_clusters_as_there_will_be_anchors(seed, batch, anchors):
    asked = {}

    class Halves:
        def __init__(self, clusters, **options):  # noqa: ARG002
            asked["clusters"] = clusters

        def fit_predict(self, rows):
            asked["rows"] = rows.copy()
            asked["cluster"] = np.random.default_rng(seed).integers(0, asked["clusters"], len(rows))
            return asked["cluster"].astype(np.uint16)

    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (20, 9))
    view = pool_of(20, rng.permutation(20)[:anchors], bits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kmodes.kmodes.KModes", Halves)
        positions = choose("clustering", view, batch, seed).positions.tolist()
    pool = len(view.drugs)
    assert asked["clusters"] == anchors + batch
    np.testing.assert_array_equal(asked["rows"], bits[[*view.drugs, *view.anchors]])
    group = asked["cluster"].tolist()
    assert groups_in_turn(group, list(range(pool, pool + anchors)), positions)


def test_clustering_starts_from_as_many_different_drugs_as_clusters(monkeypatch):
    starts = []

    class Halves:
        def __init__(self, clusters, init, **options):  # noqa: ARG002
            starts.append(init)

        def fit_predict(self, rows):
            return np.arange(len(rows))

    monkeypatch.setattr("kmodes.kmodes.KModes", Halves)
    choose("clustering", pool_of(12, [4, 7], np.eye(12)), 8)
    (start,) = starts
    assert start.shape == (10, 12)
    assert start.sum() == start.any(axis=0).sum() == 10


def test_clustering_takes_every_drug_of_a_blob_equally_often():
    fingerprints, _ = blobs(np.random.default_rng(0), [4, 4])
    counts = Counter(
        drug for seed in range(400) for drug in chosen("clustering", pool_of(8, [], fingerprints), 2, seed)
    )
    expected = 400 * 2 / 8
    # Six degrees of freedom; above 28 once in 10,000.
    assert sum((counts[drug] - expected) ** 2 / expected for drug in range(8)) < 28
