"""Temperature and shift against a grid of the penalised likelihood; networks that are calibrated by them."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anchordrug.files.tables import read_json
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import decide, labels_of, margins
from anchordrug.predictors.mlp.predictor import TRUST, MlpFitted, MlpPredictor
from anchordrug.predictors.mlp.training import TrainingPlan
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling, fit_temperature_scaling
from tests.predictors.mlp.networks import small_fitted
from tests.predictors.response.response_worlds import fixed_predictor, fixed_world

quick = settings(max_examples=60, deadline=None)


def penalised(logits, labels, log_scale, none):
    """The loss as the docstring says it: a drug counts as one, however many genes it has."""
    total = 0.0
    for drug, of_drug in enumerate(logits):
        for gene, row in enumerate(of_drug):
            powers = [math.exp(math.exp(log_scale) * value + none * (k == 1)) for k, value in enumerate(row)]
            total -= math.log(powers[labels[drug][gene]] / sum(powers)) / len(of_drug)
    return total + 10 * log_scale**2 + 3 * none**2


def best_of_grid(logits, labels):
    """The minimum by grids, each around the best point of the one before."""
    centre, width = (0.0, 0.0), 3.0
    for _ in range(12):
        steps = np.linspace(-width, width, 9)
        points = [(centre[0] + one, centre[1] + other) for one in steps for other in steps]
        centre = min(points, key=lambda point: penalised(logits, labels, *point))
        width /= 2
    return centre


def drawn(rng, logits):
    """Labels as likely as softmax of `logits` says."""
    probabilities = NumpyOps.softmax(logits)
    return (rng.random((*logits.shape[:2], 1)) > probabilities.cumsum(axis=2)).sum(axis=2).clip(0, 2)


@pytest.mark.parametrize(("seed", "drugs", "genes", "spread"), [(0, 2, 3, 4), (1, 6, 2, 1), (2, 4, 4, 0.1)])
def test_a_fit_is_the_best_of_a_grid(seed, drugs, genes, spread):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=spread, size=(drugs, genes, 3))
    labels = rng.integers(0, 3, (drugs, genes))
    log_scale, none = best_of_grid(logits.tolist(), labels.tolist())
    found = fit_temperature_scaling(logits, labels)
    assert math.log(found.scale) == pytest.approx(log_scale, abs=2e-3)
    assert found.none == pytest.approx(none, abs=2e-3)
    # Somewhere else than where it began.
    assert abs(log_scale) + abs(none) > 0.01


def test_what_is_calibrated_already_stays_as_it_is():
    rng = np.random.default_rng(0)
    logits = rng.normal([0, 1, 0], 1.5, (3000, 6, 3))
    found = fit_temperature_scaling(logits, drawn(rng, logits))
    assert found.scale == pytest.approx(1, abs=0.03)
    assert found.none == pytest.approx(0, abs=0.05)


def miscalibrated(drugs, seed=0):
    """Logits twice as sure as they should be, with too little of none, and labels."""
    rng = np.random.default_rng(seed)
    true = rng.normal([0, 1, 0], 1.5, (drugs, 20, 3))
    return 2 * true - np.array([0, 2, 0]), drawn(rng, true)


def test_many_drugs_show_what_is_wrong_and_few_only_a_part_of_it():
    found = [fit_temperature_scaling(*miscalibrated(drugs)) for drugs in (3, 30, 300, 3000)]
    # 2 t - 2 becomes t again: half of it, and 1 more for none.
    assert found[-1].scale == pytest.approx(0.5, abs=0.03)
    assert found[-1].none == pytest.approx(1, abs=0.07)
    scales, shifts = [one.scale for one in found], [one.none for one in found]
    assert scales == sorted(scales, reverse=True)
    assert shifts == sorted(shifts)
    assert scales[0] > 0.8
    assert 0 < shifts[0] < 0.4


def test_more_genes_of_the_same_drugs_are_no_more_evidence_but_more_drugs_are():
    logits, labels = miscalibrated(8)
    once = fit_temperature_scaling(logits, labels)
    more_genes = fit_temperature_scaling(np.tile(logits, (1, 5, 1)), np.tile(labels, (1, 5)))
    assert more_genes.scale == pytest.approx(once.scale, abs=1e-3)
    assert more_genes.none == pytest.approx(once.none, abs=1e-3)
    more_drugs = fit_temperature_scaling(np.tile(logits, (5, 1, 1)), np.tile(labels, (5, 1)))
    assert more_drugs.scale < once.scale - 0.05
    assert more_drugs.none > once.none + 0.05


@pytest.mark.parametrize("size", [0.0, 50.0, 1e4])
def test_logits_that_are_sure_and_wrong_or_say_nothing_are_no_trouble(size):
    rng = np.random.default_rng(0)
    logits = (size * rng.choice([-1, 1], (5, 4, 3))).astype(np.float32)
    found = fit_temperature_scaling(logits, rng.integers(0, 3, (5, 4)).astype(np.int8))
    assert np.isfinite([found.scale, found.none]).all()
    assert 0 < found.scale <= 1.01
    assert {type(found.scale), type(found.none)} == {float}


def test_calibrated_logits_are_scaled_and_shifted_and_stay_float32():
    logits = np.array([[1.0, 2, -3]], np.float32)
    found = TemperatureScaling(0.5, 0.25).of(logits)
    assert found.dtype == np.float32
    assert found.tolist() == [[0.5, 1.25, -1.5]]
    np.testing.assert_array_equal(UNCALIBRATED.of(logits), logits)


# Sixteenths, so that some are equal and some are 0.
TRIPLES = st.lists(
    st.tuples(*[st.integers(0, 16)] * 3).filter(any).map(lambda row: [one / sum(row) for one in row]),
    min_size=1,
    max_size=6,
)
OFFSETS = st.tuples(*[st.integers(-4, 4).map(lambda value: value / 2)] * 3)


@given(rows=TRIPLES, offsets=OFFSETS)
@example(rows=[[1.0, 0, 0]], offsets=(0, 0, 0))
@quick
def test_labels_and_margins_are_those_of_a_sorted_list(rows, offsets):
    probabilities = np.array(rows)
    labels, margin = decide(probabilities, np.array(offsets)), margins(probabilities, np.array(offsets))
    assert labels.dtype == np.int8
    assert labels.shape == margin.shape == (len(rows),)
    for row, label, by in zip(rows, labels, margin, strict=True):
        logs = [math.log(max(one, 1e-12)) + offset for one, offset in zip(row, offsets, strict=True)]
        _, second, best = sorted(logs)
        assert by == pytest.approx(best - second, abs=1e-9)
        assert logs[label] == pytest.approx(best, abs=1e-12)
        # The first of equals.
        if by > 1e-9:
            assert label == logs.index(best)
    assert (margin >= 0).all()


def test_decisions_keep_the_shape_of_drugs_and_genes():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], (4, 5)).astype(np.float32)
    assert decide(probabilities, np.zeros(3)).shape == margins(probabilities, np.zeros(3)).shape == (4, 5)
    np.testing.assert_array_equal(decide(probabilities, np.zeros(3)), probabilities.argmax(axis=2))


# The paper's network: its final fit is to balanced labels, so that it sees changes where there are none.

THRESHOLD = 1.5
ANCHORS, DRUGS, GENES = 12, 30, 25


@pytest.fixture(scope="module")
def predictor():
    plan = TrainingPlan(epochs=4, learning_rate=0.005, block_drugs=3, block_genes=10, seed=0)
    # As sure by itself as a trained one.
    whole = small_fitted(DRUGS, GENES, seed=1, sharpness=6)
    return MlpPredictor(whole.network, whole.features, whole.cell_line, THRESHOLD, plan, balance=True)


@pytest.fixture(scope="module")
def measured():
    """Anchors and their z, of which one in ten is beyond the threshold: nothing that could be learned."""
    rng = np.random.default_rng(2)
    z = rng.normal(scale=THRESHOLD / 1.64, size=(ANCHORS, GENES)).astype(np.float32)
    return rng.permutation(DRUGS)[:ANCHORS], z


@pytest.fixture(scope="module")
def final(predictor, measured):
    return predictor.fit(*measured, seed=4, final=True)


def raw(fitted):
    """What the network itself says."""
    return MlpFitted(fitted.network, fitted.features, fitted.cell_line)


def test_a_final_fit_is_calibrated_and_its_labels_stay_those_of_the_network(final):
    drugs = np.arange(DRUGS)
    probabilities, own = final.probabilities(drugs), raw(final).probabilities(drugs)
    assert final.temperature != UNCALIBRATED
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    assert np.abs(probabilities - own).max() > 0.05
    np.testing.assert_array_equal(final.labels(drugs), own.argmax(axis=2))
    # It is not a matter of course: the most probable labels are others.
    assert (probabilities.argmax(axis=2) != own.argmax(axis=2)).any()
    # Logarithms of probabilities are logits too.
    expected = NumpyOps.softmax(np.log(own) * final.temperature.scale + [0, final.temperature.none, 0])
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_calibration_makes_up_for_what_balancing_took_from_none(final, measured, predictor):
    truth = (np.abs(measured[1]) < THRESHOLD).mean()
    others = np.setdiff1d(np.arange(DRUGS), measured[0])
    before, after = (one.probabilities(others)[..., 1].mean() for one in (raw(final), final))
    assert final.temperature.none > 0.2
    # A part of the way, as a dozen drugs are few.
    assert before + 0.1 < after < truth


def test_calibration_is_learned_from_anchors_that_were_held_out(predictor, measured, final):
    """Each third as the fit to the two others predicts it; the network itself has learned from all."""
    anchors, z = measured
    fold = np.random.default_rng([4, ANCHORS, 3]).permutation(ANCHORS) % 3
    logs = np.empty((ANCHORS, GENES, 3))
    for one in range(3):
        part = predictor.fit(anchors[fold != one], z[fold != one], seed=4, final=True)
        logs[fold == one] = np.log(raw(part).probabilities(anchors[fold == one]))
    expected = fit_temperature_scaling(logs, labels_of(z, THRESHOLD), trust=TRUST)
    assert final.temperature.scale == pytest.approx(expected.scale, abs=1e-4)
    assert final.temperature.none == pytest.approx(expected.none, abs=1e-4)
    seen = fit_temperature_scaling(
        np.log(raw(final).probabilities(anchors)), labels_of(z, THRESHOLD), trust=TRUST
    )
    assert abs(seen.scale - expected.scale) + abs(seen.none - expected.none) > 0.01


def test_fits_on_the_way_and_fits_to_few_anchors_are_not_calibrated(predictor, measured, final):
    anchors, z = measured
    drugs = np.arange(DRUGS)
    for fitted in (
        predictor.fit(anchors, z, seed=4),
        predictor.fit(anchors[:5], z[:5], seed=4, final=True),
        predictor.fit(anchors[:0], z[:0], seed=4, final=True),
    ):
        assert fitted.temperature == UNCALIBRATED
        np.testing.assert_array_equal(fitted.probabilities(drugs), raw(fitted).probabilities(drugs))
        np.testing.assert_array_equal(fitted.labels(drugs), fitted.probabilities(drugs).argmax(axis=2))
    assert predictor.fit(anchors[:6], z[:6], seed=4, final=True).temperature != UNCALIBRATED


def test_the_same_seed_is_calibrated_the_same(predictor, measured, final):
    again = predictor.fit(*measured, seed=4, final=True)
    assert again.temperature == final.temperature
    np.testing.assert_array_equal(
        again.probabilities(np.arange(DRUGS)), final.probabilities(np.arange(DRUGS))
    )
    assert predictor.fit(*measured, seed=5, final=True).temperature != final.temperature


def saved_and_loaded(fitted, predictor, folder):
    fitted.save(folder, {"predictor": "any"})
    card = read_json(folder / "model.json")
    assert card["temperature"] == asdict(fitted.temperature)
    assert card["predictor"] == "any"
    return predictor.load(folder)


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_network_keeps_its_calibration_on_disk(predictor, final, calibrated, tmp_path):
    fitted = final if calibrated else raw(final)
    loaded = saved_and_loaded(fitted, predictor, tmp_path)
    drugs = np.arange(DRUGS)
    # To the last bit: the numbers are written as text.
    assert loaded.temperature == fitted.temperature
    np.testing.assert_array_equal(loaded.probabilities(drugs), fitted.probabilities(drugs))
    np.testing.assert_array_equal(loaded.labels(drugs), fitted.labels(drugs))
    np.testing.assert_array_equal(loaded.offsets, fitted.offsets)
    assert (loaded.temperature != UNCALIBRATED) == calibrated


def test_a_response_predictor_keeps_its_calibration_on_disk(tmp_path):
    world, predictor = fixed_world(), fixed_predictor(0.4)
    fitted = predictor.fit(*world.anchors(10), seed=5)
    loaded = saved_and_loaded(fitted, predictor, tmp_path)
    drugs = world.everything
    assert loaded.temperature == fitted.temperature != UNCALIBRATED
    np.testing.assert_array_equal(loaded.probabilities(drugs), fitted.probabilities(drugs))
    without = replace(fitted, temperature=UNCALIBRATED).probabilities(drugs)
    assert np.abs(loaded.probabilities(drugs) - without).max() > 1e-3
