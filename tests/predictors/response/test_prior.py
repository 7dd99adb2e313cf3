"""The prior response of drugs against plain loops over experiments and neighbours."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response import prior as prior_module
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import clipped, mechanism_codes, prior_from, sum_by_drug
from tests.predictors.atlases import THRESHOLD, bits_of, random_sources, similarity_by_loop

SEEDS = st.integers(0, 10_000)
PARTS = ("prior", "down", "up", "lines", "nearest")
quick = settings(max_examples=30, deadline=None)


def cut_off(z):
    return max(-4.0, min(4.0, z))


def responses_by_drug(atlas):
    rows = {}
    for drug, z in zip(atlas.drug.tolist(), atlas.z.tolist(), strict=True):
        rows.setdefault(drug, []).append(z)
    return rows


def evidence_by_loop(sources, bits, mechanism, row, neighbours=30):
    """What is known of one drug; `row` is None for one that is not in the atlas."""
    genes = len(sources.atlas.genes)
    responses = responses_by_drug(sources.atlas)
    similar = []
    for other, rows in responses.items():
        if other != row:
            alike = similarity_by_loop(bits, mechanism, bits_of(sources, other), sources.mechanisms[other])
            mean = [sum(cut_off(z[gene]) for z in rows) / len(rows) for gene in range(genes)]
            similar.append((alike, mean))
    similar.sort(key=lambda pair: -pair[0])
    # Whoever is as similar as the last of the neighbours is a neighbour too.
    held = [pair for pair in similar if len(similar) < neighbours or pair[0] >= similar[neighbours - 1][0]]
    weights = [float(alike) ** 3 for alike, _ in held]
    own = responses.get(row, [])
    prior, down, up = [], [], []
    for gene in range(genes):
        near = sum(w * mean[gene] for w, (_, mean) in zip(weights, held, strict=True))
        near = near / sum(weights) if sum(weights) else 0.0
        prior.append((sum(cut_off(z[gene]) for z in own) + near) / (len(own) + 1))
        down.append(sum(z[gene] < -THRESHOLD for z in own) / max(1, len(own)))
        up.append(sum(z[gene] > THRESHOLD for z in own) / max(1, len(own)))
    return prior, down, up, [len(own)], [similar[0][0] if similar else 0.0]


def check(evidence, expected):
    for name, rows in zip(PARTS, zip(*expected, strict=True), strict=True):
        found = getattr(evidence, name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.array(rows), rtol=1e-5, atol=1e-5, err_msg=name)


@given(seed=SEEDS, neighbours=st.sampled_from([1, 2, 4, 8, 30]))
@quick
def test_what_is_known_of_a_drug_is_that_of_a_loop(seed, neighbours):
    sources = random_sources(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior_module, "NEIGHBOURS", neighbours)
        evidence = sources.prior.evidence_of(np.arange(sources.drugs))
    expected = [
        evidence_by_loop(sources, bits_of(sources, drug), sources.mechanisms[drug], drug, neighbours)
        for drug in range(sources.drugs)
    ]
    check(evidence, expected)


@pytest.mark.parametrize("seed", range(3))
def test_of_many_drugs_the_thirty_most_similar_are_neighbours(seed):
    sources = random_sources(seed, drugs=70, bits=40)
    expected = [
        evidence_by_loop(sources, bits_of(sources, drug), sources.mechanisms[drug], drug)
        for drug in range(70)
    ]
    check(sources.prior.evidence_of(np.arange(70)), expected)
    everyone = evidence_by_loop(sources, bits_of(sources, 69), sources.mechanisms[69], 69, neighbours=70)
    assert np.abs(np.subtract(everyone[0], expected[69][0])).max() > 0.01


@given(seed=SEEDS, neighbours=st.sampled_from([2, 30]))
@quick
def test_of_a_drug_that_is_not_in_the_atlas_the_structure_alone_counts(seed, neighbours):
    sources = random_sources(seed)
    # Strange structures, that of a drug of the atlas, and none at all.
    bits = (np.random.default_rng(seed).random((5, 12)) < 0.4).astype(np.float32)
    bits[3] = sources.fingerprints[5] > 0
    bits[4] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior_module, "NEIGHBOURS", neighbours)
        evidence = sources.prior.evidence(NumpyOps, bits, np.full(5, -1))
    expected = [
        evidence_by_loop(sources, set(np.flatnonzero(one).tolist()), None, None, neighbours) for one in bits
    ]
    check(evidence, expected)
    assert not evidence.lines.any()
    assert not evidence.prior[4].any()
    assert evidence.nearest[4] == 0


def three_drugs(bits, mechanisms, z=(4.0, -2.0)):
    """Drugs 0 and 1 with one response each, and drug 2 without."""
    table = pd.DataFrame({"drug_id": ["D0", "D1", "D2"]})
    responses = np.array(z, np.float32)[:, None]
    atlas = ResponseAtlas(responses, np.array([0, 1]), np.array([0, 0]), table, ["SIM-S1"], ["G0"])
    return prior_from(atlas, PackedBits.of(np.array(bits)), mechanism_codes(mechanisms), THRESHOLD)


def test_a_shared_mechanism_makes_a_neighbour_weigh_more():
    bits = [[1, 1, 0], [1, 0, 1], [1, 0, 0]]
    apart = three_drugs(bits, ["a", "b", "c"]).evidence_of(np.array([2]))
    alike = three_drugs(bits, ["a", "b", "a"]).evidence_of(np.array([2]))
    np.testing.assert_allclose(apart.prior, [[1.0]], rtol=1e-6)
    near, far = 0.6**3, 0.5**3
    np.testing.assert_allclose(alike.prior, [[(4 * near - 2 * far) / (near + far)]], rtol=1e-6)
    assert (apart.nearest.item(), alike.nearest.item()) == pytest.approx((0.5, 0.6))


def test_a_mechanism_that_is_unknown_is_shared_with_no_one():
    bits = [[1, 1, 0], [1, 0, 1], [1, 0, 0]]
    for unknown in (None, ""):
        evidence = three_drugs(bits, [unknown, "b", unknown]).evidence_of(np.array([0, 2]))
        np.testing.assert_allclose(evidence.prior, [[(4 - 2) / 2], [1]], rtol=1e-6)
        np.testing.assert_allclose(evidence.nearest, [[1 / 3], [0.5]], rtol=1e-6)


def test_a_drug_is_not_its_own_neighbour_but_its_twin_is():
    evidence = three_drugs([[1, 1], [1, 1], [0, 0]], [None] * 3).evidence_of(np.arange(3))
    np.testing.assert_allclose(evidence.prior, [[(4 - 2) / 2], [(-2 + 4) / 2], [0]], rtol=1e-6)
    assert evidence.nearest.ravel().tolist() == [1, 1, 0]


def test_neighbours_as_similar_as_the_last_one_are_all_held(monkeypatch):
    monkeypatch.setattr(prior_module, "NEIGHBOURS", 1)
    both = three_drugs([[1, 1, 0], [1, 0, 1], [1, 0, 0]], [None] * 3).evidence_of(np.array([2]))
    np.testing.assert_allclose(both.prior, [[1.0]], rtol=1e-6)
    one = three_drugs([[1, 1, 1], [1, 0, 1], [1, 0, 0]], [None] * 3).evidence_of(np.array([2]))
    np.testing.assert_allclose(one.prior, [[-2.0]], rtol=1e-6)


def test_the_size_of_a_response_is_limited_but_its_label_is_not():
    np.testing.assert_array_equal(clipped(np.array([-9.0, -4, -1, 0, 3, 4, 9])), [-4, -4, -1, 0, 3, 4, 4])
    bits = [[1, 0], [1, 0], [1, 0]]
    small, large = (three_drugs(bits, [None] * 3, z=(z, 1.0)).evidence_of(np.arange(3)) for z in (4, 90))
    np.testing.assert_array_equal(small.prior, large.prior)
    np.testing.assert_allclose(large.prior, [[(4 + 1) / 2], [(1 + 4) / 2], [(4 + 1) / 2]], rtol=1e-6)
    assert large.up.ravel().tolist() == [1, 0, 0]
    # A threshold beyond the limit is still passed by a z that is larger.
    assert prior_of_one(z=9.0, threshold=5.0).up.tolist() == [[1], [0]]


def prior_of_one(z, threshold):
    table = pd.DataFrame({"drug_id": ["D0"]})
    responses = np.array([[z]], np.float32)
    atlas = ResponseAtlas(responses, np.array([0]), np.array([0]), table, ["SIM-S1"], ["G0"])
    return prior_from(atlas, PackedBits.of(np.ones((1, 2))), np.array([-1]), threshold)


def test_of_an_only_drug_the_prior_is_half_its_response():
    evidence = prior_of_one(z=3.0, threshold=1.5).evidence_of(np.array([0]))
    assert [getattr(evidence, name).item() for name in PARTS] == [1.5, 0, 1, 1, 0]


@given(seed=SEEDS, at_once=st.integers(1, 30), asked=st.integers(0, 25))
@quick
def test_evidence_does_not_depend_on_how_many_rows_are_made_at_once(seed, at_once, asked):
    sources = random_sources(seed)
    drugs = np.random.default_rng(seed).permutation(sources.drugs)[:asked]
    whole = sources.prior.evidence(NumpyOps, sources.prior.bits[drugs], drugs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior_module, "ROWS_AT_ONCE", at_once)
        parts = sources.prior.evidence_of(drugs)
    for name in PARTS:
        found, expected = getattr(parts, name), getattr(whole, name)
        assert found.shape == expected.shape == (asked, 1 if name in ("lines", "nearest") else 8)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(seed=SEEDS, neighbours=st.sampled_from([3, 30]))
@quick
def test_the_order_of_the_drug_table_does_not_matter(seed, neighbours):
    sources = random_sources(seed)
    order = np.random.default_rng(seed).permutation(sources.drugs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prior_module, "NEIGHBOURS", neighbours)
        before = sources.prior.evidence_of(order)
        after = sources.permuted(order).prior.evidence_of(np.arange(sources.drugs))
    for name in PARTS:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-5, atol=1e-5)


@given(seed=SEEDS)
@quick
def test_the_order_of_experiments_does_not_matter(seed):
    sources = random_sources(seed)
    atlas = sources.atlas
    order = np.random.default_rng(seed).permutation(len(atlas.drug))
    other = replace(sources, atlas=atlas.restricted_to(order))
    asked = np.arange(sources.drugs)
    before, after = sources.prior.evidence_of(asked), other.prior.evidence_of(asked)
    for name in PARTS:
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-5, atol=1e-5)


@given(seed=SEEDS)
@quick
def test_the_consensus_is_the_mean_over_source_lines_and_zero_without_any(seed):
    sources = random_sources(seed)
    expected = np.zeros((sources.drugs, 8))
    for drug, rows in responses_by_drug(sources.atlas).items():
        expected[drug] = np.mean([[cut_off(z) for z in row] for row in rows], axis=0)
    np.testing.assert_allclose(sources.prior.mean, expected[sources.prior.known], rtol=1e-5, atol=1e-6)
    assert sources.prior.known.tolist() == sorted(set(sources.atlas.drug.tolist()))
    assert not set(range(sources.drugs)[-3:]) & set(sources.prior.known.tolist())


@given(seed=SEEDS)
@quick
def test_drugs_are_as_similar_as_in_a_loop_and_to_themselves_too(seed):
    sources = random_sources(seed)
    prior, drugs = sources.prior, np.arange(sources.drugs)
    columns = np.random.default_rng(seed).permutation(sources.drugs)[:7]
    found = prior.similarity(NumpyOps, prior.bits[:], drugs, columns)
    itself = prior.self_similarity(NumpyOps, prior.bits[:], drugs)
    assert itself.shape == (sources.drugs, 1)
    for i in drugs:
        one = bits_of(sources, i), sources.mechanisms[i]
        assert itself[i, 0] == similarity_by_loop(*one, *one)
        for place, j in enumerate(columns):
            assert found[i, place] == similarity_by_loop(*one, bits_of(sources, j), sources.mechanisms[j])
    strangers = prior.similarity(NumpyOps, prior.bits[:], np.full(sources.drugs, -1), drugs)
    assert strangers.max() == 1
    np.testing.assert_array_equal(
        prior.self_similarity(NumpyOps, prior.bits[:], np.full(sources.drugs, -1)).ravel(), drugs > 0
    )


def test_mechanisms_have_one_number_each_whatever_their_order():
    assert mechanism_codes(["b", None, "a", "b", "", "c"]).tolist() == [1, -1, 0, 1, -1, 2]
    assert mechanism_codes([None]).tolist() == [-1]


def test_sums_by_drug_end_in_a_row_of_zeros():
    sources = random_sources(0)
    values = np.random.default_rng(0).normal(size=sources.atlas.z.shape).astype(np.float32)
    expected = np.zeros((sources.drugs + 1, 8))
    for drug, row in zip(sources.atlas.drug, values, strict=True):
        expected[drug] += row
    found = sum_by_drug(sources.atlas, values)
    assert found.dtype == np.float32
    known = [*sorted(set(sources.atlas.drug.tolist())), -1]
    np.testing.assert_allclose(found, expected[known], rtol=1e-5, atol=1e-6)
    assert not found[-1].any()
