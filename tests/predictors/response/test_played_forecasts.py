"""Forecasts in source lines that play the target."""

from dataclasses import replace

import numpy as np

from anchordrug.evaluation.metrics import macro_f1
from anchordrug.labels import labels_of
from anchordrug.predictors.response import played_forecasts
from anchordrug.predictors.response.misses import CHANCE, Misses
from anchordrug.predictors.response.played_forecasts import played_misses
from tests.predictors.response.response_worlds import THRESHOLD, fixed_world, random_world


def fit_of(world, asked=None):
    predictor = world.predictor(0)

    def fit(target, drugs, z):
        if asked is not None:
            asked.append((target.line, drugs.tolist(), z))
        own = replace(predictor, sources=target.sources, prior=target.prior, scale=target.scale)
        return own.fit(drugs, z, seed=0)

    return fit, predictor.source_fit


def test_each_line_is_fitted_to_its_own_drugs_and_the_same_seed_gives_the_same_limits():
    world, asked = fixed_world(), []
    lines = world.pseudo_targets()
    fit, source_fit = fit_of(world, asked)
    first, again, other = (played_misses(lines, fit, source_fit, THRESHOLD, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert {line for line, _, _ in asked} == {line.line for line in lines}
    measured = {line.line: dict(zip(line.drugs.tolist(), line.z, strict=True)) for line in lines}
    for line, drugs, z in asked:
        np.testing.assert_array_equal(z, np.array([measured[line][drug] for drug in drugs]).reshape(z.shape))
    for low, high in (first.score, first.first, first.later):
        assert low <= 0 <= high
        assert low < high


def test_the_limits_hold_the_outcomes_by_a_plain_loop(monkeypatch):
    world = random_world(3)
    lines = world.pseudo_targets()[:1]
    monkeypatch.setattr(played_forecasts, "ANCHORS", ((0,), (4,)))
    monkeypatch.setattr(played_forecasts, "BATCH", 3)
    asked = []
    fit, source_fit = fit_of(world, asked)
    draws = []

    def drawn(fitted, source_fit, sources, order, steps, queries, rng, count):
        draws.append((order, steps.tolist(), queries, np.random.default_rng(len(draws)).uniform(size=(9, 2))))
        return draws[-1][-1]

    monkeypatch.setattr(played_forecasts, "drawn_scores", drawn)
    found = played_misses(lines, fit, source_fit, THRESHOLD, 0)
    (line,), ratios = lines, []
    place = {drug: number for number, drug in enumerate(line.drugs.tolist())}
    for number, (order, steps, queries, scores) in enumerate(draws):
        (_, known, _), (_, later, _) = asked[2 * number : 2 * number + 2]
        assert len(known) == (0, 4)[number]
        assert later == [*known, *order.tolist()]
        assert steps == [0, 3]
        assert not set(later) & set(queries.tolist())
        truth = labels_of(line.z[[place[drug] for drug in queries.tolist()]], THRESHOLD)
        outcome = []
        for drugs in (known, later):
            rows = [place[drug] for drug in drugs]
            fitted = fit(line, np.array(drugs, np.int64), line.z[rows]).deciding_for(queries)
            outcome.append(macro_f1(truth, fitted.labels(queries)))
        gains = scores[:, 1] - scores[:, 0]
        ratios.append((outcome[1] - outcome[0] - gains.mean()) / gains.std())
    assert len(ratios) == 2
    np.testing.assert_allclose(found.first, (min(ratios[0], 0), max(ratios[0], 0)), rtol=1e-5)
    np.testing.assert_allclose(found.later, (min(ratios[1], 0), max(ratios[1], 0)), rtol=1e-5)


def test_a_line_with_too_few_drugs_to_be_predicted_does_not_play():
    world = fixed_world()
    small = [
        line for line in world.pseudo_targets() if len(line.drugs) < 20 + played_forecasts.FEWEST_QUERIES
    ]
    assert small
    fit, source_fit = fit_of(world)
    found = played_misses(small, fit, source_fit, THRESHOLD, 0)
    # Without drugs for a second round, only the first is forecast.
    assert found.later == CHANCE.later
    assert played_misses([], fit, source_fit, THRESHOLD, 0) == Misses()
