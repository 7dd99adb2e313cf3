"""The label model: its features, and its regression against scikit-learn's own predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import DOWN, UP, labels_of
from anchordrug.predictors.response.label_model import (
    PENALTY,
    GeneRates,
    features,
    fit_label_model,
    probabilities,
)
from anchordrug.predictors.response.prior import Evidence
from anchordrug.predictors.response.pseudo_targets import gene_rates
from tests.predictors.response.response_worlds import THRESHOLD, fixed_world

GENES = 6
BEND = np.asarray(THRESHOLD, np.float32)


def random_evidence(rng, drugs, genes=GENES):
    shares = rng.dirichlet([1, 1, 1], (drugs, genes)).astype(np.float32)
    return Evidence(
        rng.normal(size=(drugs, genes)).astype(np.float32),
        shares[:, :, 0],
        shares[:, :, 2],
        rng.integers(0, 5, (drugs, 1)).astype(np.float32),
        rng.random((drugs, 1)).astype(np.float32),
    )


def random_case(seed, drugs=120):
    """Evidence, predicted z and deviation, measured labels, and rates of genes that differ."""
    rng = np.random.default_rng(seed)
    evidence = random_evidence(rng, drugs)
    mean = (1.5 * rng.normal(size=(drugs, GENES))).astype(np.float32)
    deviation = rng.uniform(0.2, 1.2, (drugs, 1)).astype(np.float32)
    labels = labels_of(mean + rng.normal(size=mean.shape) * deviation + 0.4 * evidence.prior, THRESHOLD)
    rates = GeneRates(*rng.uniform(0.05, 0.3, (2, GENES)), rng.uniform(0.5, 2, GENES))
    return evidence, mean, deviation, labels, rates


def fitted(case, rows=None):
    """The model fitted to `rows` of (drug, gene), all by default."""
    evidence, mean, deviation, labels, rates = case
    pair, drug = features(NumpyOps, evidence, mean, deviation, rates.spread, BEND)
    rows = np.arange(mean.size) if rows is None else rows
    of_drug, gene = np.divmod(rows, GENES)
    return fit_label_model(pair[of_drug, gene], drug[of_drug], gene, labels[of_drug, gene], rates, BEND)


def design(case):
    """Every (drug, gene) in a row, gene by gene within a drug: its features, its drug's and its gene's."""
    evidence, mean, deviation, _, rates = case
    pair, drug = features(NumpyOps, evidence, mean, deviation, rates.spread, BEND)
    rows = []
    for one in range(len(mean)):
        for gene in range(GENES):
            own = [rates.down[gene], rates.up[gene], rates.spread[gene]]
            rows.append(np.concatenate([pair[one, gene], drug[one], own]))
    return np.array(rows)


def test_features_have_a_row_for_every_pair_and_one_for_every_drug():
    evidence, mean, deviation, _, rates = random_case(0, drugs=7)
    pair, drug = features(NumpyOps, evidence, mean, deviation, rates.spread.astype(np.float32), BEND)
    model = fitted(random_case(0))
    assert pair.shape == (7, GENES, len(model.pair))
    assert drug.shape == (7, len(model.drug))
    assert model.gene.shape == (GENES, 3)
    assert model.pair.shape[1] == model.drug.shape[1] == 3
    assert pair.dtype == drug.dtype == np.float32


def test_the_features_of_a_pair_depend_on_its_own_drug_alone():
    evidence, mean, deviation, _, rates = random_case(1, drugs=9)
    pair, drug = features(NumpyOps, evidence, mean, deviation, rates.spread, BEND)
    one = slice(4, 5)
    alone = Evidence(*(getattr(evidence, name)[one] for name in vars(evidence)))
    pair_alone, drug_alone = features(NumpyOps, alone, mean[one], deviation[one], rates.spread, BEND)
    np.testing.assert_array_equal(pair_alone, pair[one])
    np.testing.assert_array_equal(drug_alone, drug[one])


def test_features_are_finite_where_nothing_is_predicted_and_nothing_known():
    nothing = np.zeros((3, GENES), np.float32)
    zero = np.zeros((3, 1), np.float32)
    evidence = Evidence(nothing, nothing, nothing, zero, zero)
    pair, drug = features(NumpyOps, evidence, nothing, zero, np.full(GENES, 1e-3), BEND)
    assert np.isfinite(pair).all()
    assert np.isfinite(drug).all()


def test_features_bend_at_the_threshold_of_the_labels():
    evidence, mean, deviation, _, rates = random_case(1, drugs=9)
    threshold = np.asarray(2.25, np.float32)
    pair, _ = features(NumpyOps, evidence, mean, deviation, rates.spread, threshold)
    other, _ = features(NumpyOps, evidence, mean, deviation, rates.spread, BEND)
    (below, above) = np.flatnonzero((pair != other).any(axis=(0, 1)))
    np.testing.assert_array_equal(pair[:, :, below], np.tanh(mean - threshold))
    np.testing.assert_array_equal(pair[:, :, above], np.tanh(mean + threshold))


@pytest.mark.parametrize("share", [1, 0.5])
def test_logits_reproduce_scikit_learn_on_the_same_rows(share):
    case = random_case(2)
    rows = np.random.default_rng(0).permutation(len(case[1]) * GENES)
    rows = rows[: round(share * len(rows))]
    model = fitted(case, rows)
    inputs, labels = design(case), case[3].ravel()
    scaler = StandardScaler().fit(inputs[rows])
    regression = LogisticRegression(C=1 / (PENALTY * len(rows)), max_iter=300)
    regression.fit(scaler.transform(inputs[rows]), labels[rows])
    # Of rows it was not fitted to, too.
    theirs = regression.predict_proba(scaler.transform(inputs)).reshape(-1, GENES, 3)
    ours = probabilities(model, case[0], case[1], case[2])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.ptp(theirs, axis=(0, 1)).min() > 0.5


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_drugs_of_no_source_line_move_to_their_own_regression_with_their_share_of_the_library(share):
    case = random_case(2)
    known, new = fitted(case), fitted((*random_case(5)[:4], case[4]))
    model = known.with_unseen(new).for_library(share)
    evidence, mean, deviation = case[:3]
    expected = known.logits(NumpyOps, evidence, mean, deviation)
    of_new = new.logits(NumpyOps, evidence, mean, deviation)
    unseen = evidence.lines[:, 0] == 0
    assert 0 < unseen.sum() < len(unseen)
    assert np.abs(expected - of_new)[unseen].max() > 0.1
    expected[unseen] = (1 - share) * expected[unseen] + share * of_new[unseen]
    np.testing.assert_allclose(model.logits(NumpyOps, evidence, mean, deviation), expected, atol=1e-4)


def test_the_penalty_does_not_depend_on_how_often_the_rows_are_repeated():
    case = random_case(3)
    rows = np.arange(len(case[1]) * GENES)
    once, thrice = fitted(case, rows), fitted(case, np.tile(rows, 3))
    one = probabilities(once, case[0], case[1], case[2])
    other = probabilities(thrice, case[0], case[1], case[2])
    # The solver stops a little before the optimum, not at the same place.
    np.testing.assert_allclose(one, other, atol=0.02)


def test_a_feature_that_is_the_same_everywhere_does_no_harm():
    evidence, mean, deviation, labels, rates = random_case(4)
    same = np.ones_like(evidence.lines)
    flat = Evidence(evidence.prior, evidence.down, evidence.up, same, same)
    rates = GeneRates(np.full(GENES, 0.2), np.full(GENES, 0.2), np.ones(GENES))
    case = (flat, mean, deviation, labels, rates)
    ours = probabilities(fitted(case), flat, mean, deviation)
    assert np.isfinite(ours).all()
    assert (ours.argmax(axis=2) == labels).mean() > 0.6


def test_a_large_predicted_z_makes_up_likely_and_a_very_negative_one_down():
    case = random_case(5)
    evidence, mean, deviation, *_ = case
    model = fitted(case)
    likely = probabilities(model, evidence, np.full_like(mean, 3), deviation).mean(axis=(0, 1))
    unlikely = probabilities(model, evidence, np.full_like(mean, -3), deviation).mean(axis=(0, 1))
    assert likely[UP] > 0.6 > 0.1 > likely[DOWN]
    assert unlikely[DOWN] > 0.6 > 0.1 > unlikely[UP]


MODEL = fitted(random_case(6))


@given(seed=st.integers(0, 10**6), drugs=st.integers(1, 9), scale=st.floats(0, 30))
@settings(max_examples=40, deadline=None)
def test_probabilities_are_float32_and_sum_to_one(seed, drugs, scale):
    evidence, mean, deviation, *_ = random_case(seed, drugs)
    ours = probabilities(MODEL, evidence, mean * np.float32(scale), deviation)
    assert ours.shape == (drugs, GENES, 3)
    assert ours.dtype == np.float32
    assert (ours >= 0).all()
    np.testing.assert_allclose(ours.sum(axis=2), 1, atol=1e-5)


def test_gene_rates_are_what_a_loop_counts():
    sources = fixed_world().sources
    rates = gene_rates(sources, THRESHOLD)
    for gene in range(len(sources.genes)):
        column = [float(value) for value in sources.z[:, gene]]
        assert rates.down[gene] == pytest.approx(sum(value < -THRESHOLD for value in column) / len(column))
        assert rates.up[gene] == pytest.approx(sum(value > THRESHOLD for value in column) / len(column))
        # Sizes beyond 4 count as 4.
        limited = [min(4, max(-4, value)) for value in column]
        mean = sum(limited) / len(limited)
        variance = sum((value - mean) ** 2 for value in limited) / len(limited)
        assert rates.spread[gene] == pytest.approx(variance**0.5, rel=1e-5)
    assert max(map(abs, sources.z.ravel())) > 4


def test_a_gene_that_never_changes_has_a_spread_that_can_be_divided_by():
    world = fixed_world()
    sources = world.with_other_z(world.atlas.cell_line == 0).sources
    sources.z[:, 2] = 0.3
    rates = gene_rates(sources, THRESHOLD)
    assert rates.spread[2] == pytest.approx(1e-3)
    assert rates.down[2] == rates.up[2] == 0
