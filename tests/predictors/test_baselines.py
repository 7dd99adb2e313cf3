"""Baselines against plain loops, and the Tanimoto similarity against rdkit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rdkit import DataStructs
from sklearn.metrics import f1_score

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.chem.similarity import tanimoto
from anchordrug.predictors.baselines import all_none, consensus_threshold, gene_majority, neighbour_consensus

SEEDS = st.integers(0, 10_000)
LINES = ["SIM-S1", "SIM-S2", "SIM-S3", "SIM-T1"]


def random_atlas(seed, drugs=12, genes=6, share=0.5, scale=1.5):
    """Responses with a part that a drug shares between cell lines; no drug need be measured."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(np.argwhere(rng.random((drugs, len(LINES))) < share))
    own = rng.normal(scale=scale, size=(drugs, genes))
    z = (own[pairs[:, 0]] + rng.normal(size=(len(pairs), genes))).astype(np.float32)
    table = pd.DataFrame({"drug_id": [f"D{i}" for i in range(drugs)]})
    return ResponseAtlas(z, pairs[:, 0], pairs[:, 1], table, LINES, [f"G{i}" for i in range(genes)])


def random_bits(seed, drugs=12, bits=16, share=0.3):
    """Bit rows, the first of them empty."""
    rows = (np.random.default_rng(seed).random((drugs, bits)) < share).astype(np.uint8)
    rows[0] = 0
    return rows


def with_gaps(atlas, seed, share):
    """The atlas with so large a share of its z not measured."""
    gaps = np.random.default_rng([seed, 1]).random(atlas.z.shape) < share
    return replace(atlas, z=np.where(gaps, np.float32(np.nan), atlas.z))


def mean_of(values):
    """The mean of what was measured, 0 if nothing was."""
    measured = [value for value in values if not np.isnan(value)]
    return sum(measured) / max(len(measured), 1)


def mean_responses(atlas):
    """The mean response of each measured drug, by drug row."""
    rows = {}
    for drug, z in zip(atlas.drug.tolist(), atlas.z.tolist(), strict=True):
        rows.setdefault(drug, []).append(z)
    return {drug: [mean_of(column) for column in zip(*z, strict=True)] for drug, z in rows.items()}


def test_all_none_says_none():
    labels = all_none(3, 4)
    assert labels.dtype == np.int8
    assert labels.tolist() == [[1] * 4] * 3


@given(seed=SEEDS, anchors=st.integers(1, 9), drugs=st.integers(0, 4))
@settings(max_examples=100, deadline=None)
def test_gene_majority_is_a_count_by_hand_with_ties_to_the_lower_label(seed, anchors, drugs):
    labels = np.random.default_rng(seed).integers(0, 3, (anchors, 5)).astype(np.int8)
    expected = []
    for gene in range(5):
        counts = {}
        for anchor in range(anchors):
            label = int(labels[anchor, gene])
            counts[label] = counts.get(label, 0) + 1
        most = max(counts.values())
        expected.append(min(label for label, count in counts.items() if count == most))
    result = gene_majority(labels, drugs)
    assert result.dtype == np.int8
    assert result.shape == (drugs, 5)
    assert all(row == expected for row in result.tolist())


def rdkit_bits(row):
    vector = DataStructs.ExplicitBitVect(len(row))
    for bit, on in enumerate(row):
        if on:
            vector.SetBit(bit)
    return vector


@given(
    bits=st.integers(1, 40),
    rows=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    share=st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0]),
    seed=SEEDS,
    scaled=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_tanimoto_is_that_of_rdkit_and_zero_between_empty_rows(bits, rows, share, seed, scaled):
    rng = np.random.default_rng(seed)
    a, b = ((rng.random((n, bits)) < share).astype(np.float32) for n in rows)
    # The features hold fingerprints scaled to unit norm: only which bits are set may count.
    ours = tanimoto(a * np.float32(0.07), b * np.float32(0.31)) if scaled else tanimoto(a, b)
    assert ours.shape == rows
    assert ours.dtype == np.float32
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            if one.any() or other.any():
                expected = DataStructs.TanimotoSimilarity(rdkit_bits(one), rdkit_bits(other))
            else:
                expected = 0.0
            assert ours[i, j] == pytest.approx(expected, abs=1e-12)


def neighbours_by_loop(atlas, bits, drugs):
    """Weighted mean of the ten most similar other drugs; ties to the lower row; nothing shared is 1e-6."""
    mean = mean_responses(atlas)
    on = [set(np.flatnonzero(row).tolist()) for row in bits]
    result = []
    for drug in drugs:
        similar = []
        for other in sorted(mean):
            if other == drug:
                continue
            either = len(on[drug] | on[other])
            similar.append((len(on[drug] & on[other]) / either if either else 0.0, other))
        similar = sorted(similar, key=lambda pair: (-pair[0], pair[1]))[:10]
        weights = [max(similarity, 1e-6) for similarity, _ in similar]
        row = [0.0] * len(atlas.genes)
        for weight, (_, other) in zip(weights, similar, strict=True):
            for gene, z in enumerate(mean[other]):
                row[gene] += weight / sum(weights) * z
        result.append(row)
    return np.array(result).reshape(len(drugs), len(atlas.genes))


@given(seed=SEEDS, drugs=st.integers(14, 30), bits=st.sampled_from([8, 64]))
@settings(max_examples=60, deadline=None)
def test_nearest_neighbours_are_those_of_a_loop(seed, drugs, bits):
    atlas = random_atlas(seed, drugs, share=0.7)
    fingerprints = random_bits(seed + 1, drugs, bits)
    asked = np.random.default_rng(seed).permutation(drugs)[:7]
    assume(len(atlas.measured_drugs()) > 10)
    result = neighbour_consensus(atlas, fingerprints, asked)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, neighbours_by_loop(atlas, fingerprints, asked), atol=1e-5)


@given(seed=SEEDS, drugs=st.integers(2, 11))
@settings(max_examples=100, deadline=None)
def test_fewer_than_ten_known_drugs_are_all_neighbours_and_a_drug_never_its_own(seed, drugs):
    atlas = random_atlas(seed, drugs, share=0.5)
    fingerprints = random_bits(seed + 1, drugs, 16)
    asked = np.arange(drugs)
    result = neighbour_consensus(atlas, fingerprints, asked)
    np.testing.assert_allclose(result, neighbours_by_loop(atlas, fingerprints, asked), atol=1e-5)


def test_of_two_unlike_drugs_each_is_predicted_from_the_other():
    table = pd.DataFrame({"drug_id": ["D0", "D1"]})
    z = np.array([[4.0], [1.0]], np.float32)
    atlas = ResponseAtlas(z, np.array([0, 1]), np.array([0, 0]), table, LINES, ["G0"])
    result = neighbour_consensus(atlas, np.eye(2, dtype=np.uint8), np.array([0, 1]))
    np.testing.assert_allclose(result, [[1.0], [4.0]], atol=1e-5)


@given(seed=SEEDS, drugs=st.integers(1, 25), drug=st.integers(0, 24))
@settings(max_examples=100, deadline=None)
def test_what_a_drug_did_itself_never_changes_its_prediction(seed, drugs, drug):
    drug %= drugs
    atlas = random_atlas(seed, drugs)
    fingerprints = random_bits(seed + 1, drugs)
    z = atlas.z.copy()
    z[atlas.drug == drug] += 5
    other = ResponseAtlas(z, atlas.drug, atlas.cell_line, atlas.drugs, atlas.cell_lines, atlas.genes)
    asked = np.array([drug])
    before, after = (neighbour_consensus(one, fingerprints, asked) for one in (atlas, other))
    assert np.isfinite(before).all()
    np.testing.assert_array_equal(before, after)


def test_a_drug_that_is_not_known_is_predicted_too():
    atlas = random_atlas(3, drugs=20)
    atlas = atlas.restricted_to(atlas.drug != 5)
    fingerprints = random_bits(4, 20)
    result = neighbour_consensus(atlas, fingerprints, np.array([5]))
    np.testing.assert_allclose(result, neighbours_by_loop(atlas, fingerprints, [5]), atol=1e-5)
    assert np.abs(result).max() > 0.01


def label(z, threshold):
    return 0 if z < -threshold else 2 if z > threshold else 1


def threshold_scores_by_loop(atlas, threshold):
    """Macro-F1 of each candidate: every line in turn left out and the means of the others really made."""
    measured, left_out = [], []
    for line in sorted(set(atlas.cell_line.tolist())):
        others = mean_responses(atlas.restricted_to(atlas.cell_line != line))
        own = atlas.restricted_to(atlas.cell_line == line)
        for drug, z in zip(own.drug.tolist(), own.z.tolist(), strict=True):
            if drug in others:
                known = [gene for gene, value in enumerate(z) if not np.isnan(value)]
                measured += [label(z[gene], threshold) for gene in known]
                left_out += [others[drug][gene] for gene in known]
    candidates = [round(0.3 + 0.1 * step, 1) for step in range(18)]
    scores = [
        f1_score(
            measured,
            [label(value, candidate) for value in left_out],
            average="macro",
            labels=[0, 1, 2],
            zero_division=0,
        )
        for candidate in candidates
    ]
    return candidates, scores


@given(seed=SEEDS, threshold=st.sampled_from([1.0, 1.5, 2.0]), gaps=st.sampled_from([0, 0.3]))
@settings(max_examples=30, deadline=None)
def test_the_consensus_threshold_is_the_best_for_lines_that_are_really_left_out(seed, threshold, gaps):
    atlas = with_gaps(random_atlas(seed).without(["SIM-T1"]), seed, gaps)
    assume((atlas.consensus()[1] > 1).any())
    candidates, scores = threshold_scores_by_loop(atlas, threshold)
    result = consensus_threshold(atlas, threshold)
    assert isinstance(result, float)
    score_of = dict(zip(candidates, scores, strict=True))
    assert result == pytest.approx(round(result, 1))
    assert score_of[round(result, 1)] == pytest.approx(max(scores), abs=1e-9)


def test_of_equally_good_consensus_thresholds_the_lowest_is_taken():
    table = pd.DataFrame({"drug_id": ["D0"]})
    z = np.array([[9.0, -9.0, 0.45], [9.0, -9.0, 0.45]], np.float32)
    atlas = ResponseAtlas(z, np.array([0, 0]), np.array([0, 1]), table, LINES, ["G0", "G1", "G2"])
    assert consensus_threshold(atlas, 1.5) == pytest.approx(0.5)


def test_the_consensus_threshold_is_not_always_the_same():
    found = {round(consensus_threshold(random_atlas(seed, share=0.8), 1.5), 1) for seed in range(20)}
    assert len(found) > 3


def test_without_a_drug_in_two_lines_the_threshold_is_the_labels_own():
    atlas = random_atlas(0).of("SIM-S1")
    assert len(atlas.drug) > 1
    assert consensus_threshold(atlas, 1.7) == 1.7


def test_the_consensus_threshold_does_not_see_the_target():
    atlas = random_atlas(2, drugs=20, share=0.8)

    def thresholds(line):
        """The thresholds under made-up responses of one line."""
        found = set()
        for scale in (0.1, 1, 5):
            z = np.where((atlas.cell_line == LINES.index(line))[:, None], atlas.z * scale, atlas.z)
            changed = ResponseAtlas(
                z.astype(np.float32), atlas.drug, atlas.cell_line, atlas.drugs, LINES, atlas.genes
            )
            found.add(consensus_threshold(changed.without(["SIM-T1"]), 1.5))
        return found

    assert len(thresholds("SIM-T1")) == 1
    assert len(thresholds("SIM-S1")) > 1
