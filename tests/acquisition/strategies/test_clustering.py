"""Drugs of different clusters of structures: which clusters are reached, and how often."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acquisition.fakes import choose
from tests.acquisition.strategies.groups import chosen, groups_in_turn, pool_of

SEEDS = st.integers(0, 10_000)


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
