"""The forecast of what more drugs bring."""

from dataclasses import replace

import numpy as np

from anchordrug.bench.forecast import outlook_table
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.forecast import DRAWS, GpForecaster, noise_scale
from anchordrug.predictors.response.misses import Misses
from tests.predictors.response.response_worlds import fixed_predictor, fixed_world, random_world


def fit(world, predictor, anchors):
    z = world.target.responses_of(anchors)
    return predictor.fit(anchors, z, seed=0)


def unit_of(world, predictor):
    return noise_scale(predictor.source_fit.gp, world.pseudo_targets())


def forecast(world, predictor, anchors, order, steps, queries, seed=0, **lessons):
    source_fit = replace(predictor.source_fit, **lessons)
    fitted = fit(world, predictor, anchors)
    return GpForecaster(source_fit, world.sources).outlook(fitted, order, np.array(steps), queries, seed)


def test_covariance_of_a_drug_with_itself_is_its_squared_deviation():
    world, predictor = fixed_world(), fixed_predictor(0)
    for count in (0, 9):
        anchors, _ = world.anchors(count)
        gp, prior = fit(world, predictor, anchors).gp, predictor.prior
        drugs = np.setdiff1d(world.everything, anchors)
        _, deviation = gp.predict(NumpyOps, prior.evidence_of(drugs), prior.bits[drugs], drugs)
        covariance = gp.covariance(drugs, drugs)
        np.testing.assert_allclose(covariance.diagonal(), deviation[:, 0] ** 2, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(covariance, covariance.T, atol=1e-6)
        assert np.linalg.eigvalsh(covariance).min() > -1e-6


def test_covariance_given_more_anchors_is_the_schur_complement():
    world, predictor = fixed_world(), fixed_predictor(0)
    anchors, _ = world.anchors(12)
    few, more = anchors[:5], anchors[5:]
    drugs = np.setdiff1d(world.everything, anchors)
    before, after = (fit(world, predictor, part).gp for part in (few, anchors))
    noise = predictor.source_fit.gp.noise
    between = before.covariance(drugs, more)
    noisy = before.covariance(more, more) + noise * np.eye(len(more))
    expected = before.covariance(drugs, drugs) - between @ np.linalg.solve(noisy, between.T)
    np.testing.assert_allclose(after.covariance(drugs, drugs), expected, atol=1e-5)


def test_same_seed_same_forecast_and_scores_are_shares():
    world, predictor = fixed_world(), fixed_predictor(0.4)
    anchors, _ = world.anchors(12)
    rest = np.setdiff1d(world.everything, anchors)
    one, same, other = (
        forecast(world, predictor, anchors[:4], anchors[4:], [0, 4, 8], rest, seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.scores, same.scores)
    assert one.scores.shape == (DRAWS, 3)
    assert not np.array_equal(one.scores, other.scores)
    assert ((one.scores >= 0) & (one.scores <= 1)).all()
    table = outlook_table(one)
    assert table["more_drugs"].tolist() == [0, 4, 8]
    assert (table["low"] <= table["macro_f1"]).all()
    assert (table["macro_f1"] <= table["high"]).all()
    np.testing.assert_allclose(table["gain"][1:], table["macro_f1"].diff()[1:], atol=2e-6)


def test_intervals_are_those_of_the_played_forecasts_and_the_first_drugs_have_their_own():
    world, predictor = fixed_world(), fixed_predictor(0)
    anchors, _ = world.anchors(12)
    rest, misses = np.setdiff1d(world.everything, anchors), Misses((-4.0, 5.0), (-1.0, 7.0), (-2.0, 3.0))
    for have in (0, 4):
        steps = np.array([0, 4, 8])
        found = forecast(world, predictor, anchors[:have], anchors[have:], steps, rest, misses=misses)
        score, gain = misses.intervals(found.scores, have, steps)
        table = outlook_table(found)
        np.testing.assert_allclose(table[["low", "high"]], score, atol=1e-6)
        np.testing.assert_allclose(table[["gain_low", "gain_high"]], gain, atol=1e-6)


def test_measuring_the_very_drugs_one_wants_to_predict_is_expected_to_pay():
    world = random_world(3)
    predictor, (drugs, _) = world.predictor(0), world.anchors(24)
    table = outlook_table(
        forecast(world, predictor, drugs[:0], drugs, [0, 24], drugs, unit=unit_of(world, predictor))
    )
    assert table["gain"].iloc[1] > 0


def test_many_drugs_to_predict_are_thinned_evenly():
    world, predictor = fixed_world(), fixed_predictor(0)
    anchors, _ = world.anchors(6)
    many = np.tile(world.everything, 20)
    assert len(many) > 300
    assert np.isfinite(forecast(world, predictor, anchors[:3], anchors[3:], [0, 3], many).scores).all()


def test_unit_of_variance_grows_with_what_predictions_miss():
    world, predictor = fixed_world(), fixed_predictor(0)
    erratic = world.with_other_z(np.arange(len(world.atlas.drug)))
    assert 0 < 2 * unit_of(world, predictor) < unit_of(erratic, predictor)
