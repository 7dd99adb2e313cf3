"""Shrinking of noise and the factor to the atlas' z scale."""

import numpy as np
import pytest

from anchordrug.bench.assays.scale import shrink, to_atlas_scale
from anchordrug.errors import AssayError


def test_shrinking_is_the_posterior_mean_of_effects_of_known_variance():
    rng = np.random.default_rng(0)
    error = rng.uniform(0.2, 0.6, (2, 20_000))
    spread = np.array([[1.0], [0.3]])
    true = spread * rng.standard_normal(error.shape)

    found = shrink(true + error * rng.standard_normal(error.shape), error)

    due = (spread**2 / (spread**2 + error**2)) * (true + 0)
    measured_again = (found - due).mean(axis=1)
    assert measured_again == pytest.approx([0, 0], abs=0.02)
    # Slope 1 of the truth over the estimate is what a posterior mean has.
    assert (found * true).sum(axis=1) / (found**2).sum(axis=1) == pytest.approx([1, 1], abs=0.05)


def test_noise_is_shrunk_more_than_effects_and_less_sure_genes_more_than_sure_ones():
    rng = np.random.default_rng(0)
    error = np.tile([0.2, 0.8], (2, 500))
    noise = error * rng.standard_normal(error.shape)
    change = noise + [[0.0], [1.0]] * rng.standard_normal(error.shape)

    kept = np.abs(shrink(change, error) / change)

    assert kept[0].max() < 0.3
    assert kept[1].min() > 0.4
    assert (kept[:, 0] > kept[:, 1]).all()


def test_a_drug_without_effect_keeps_the_order_of_its_genes():
    change = np.linspace(-0.1, 0.1, 51)[None]

    found = shrink(change, np.ones_like(change))

    assert (np.diff(found[0]) > 0).all()


def test_drugs_are_shrunk_on_their_own_and_the_unit_does_not_matter():
    rng = np.random.default_rng(0)
    change, error = rng.normal(0, [[1], [3]], (2, 100)), rng.uniform(0.2, 0.9, (2, 100))

    both = shrink(change, error)

    assert both[:1] == pytest.approx(shrink(change[:1], error[:1]))
    assert shrink(10 * change, 10 * error) == pytest.approx(10 * both)


def test_a_few_badly_measured_genes_hardly_change_the_others():
    rng = np.random.default_rng(0)
    change, error = rng.normal(0, 0.5, (1, 100)), np.full((1, 100), 0.3)
    bad = 8 * rng.standard_normal((1, 10))

    found = shrink(np.hstack([change, bad]), np.hstack([error, np.full((1, 10), 8.0)]))

    assert found[:, :100] == pytest.approx(shrink(change, error), rel=0.02)
    assert np.abs(found[:, 100:]).max() < 0.2


def test_genes_that_were_not_measured_stay_zero_and_change_no_other():
    rng = np.random.default_rng(0)
    change, error = rng.normal(size=(3, 40)), rng.uniform(0.2, 0.9, (3, 40))
    unmeasured = (np.zeros((3, 60)), np.full((3, 60), np.inf))

    found = shrink(np.hstack([change, unmeasured[0]]), np.hstack([error, unmeasured[1]]))

    assert found[:, :40] == pytest.approx(shrink(change, error))
    assert (found[:, 40:] == 0).all()


@pytest.mark.parametrize("unit", [0.01, 1.0, 30.0])
def test_the_unit_of_the_results_cancels(unit):
    rng = np.random.default_rng(0)
    z = rng.standard_t(4, (10, 200))

    scaled, factor = to_atlas_scale(z * unit, rng.standard_t(4, (60, 200)))

    assert factor == pytest.approx(1 / unit, rel=0.05)
    assert scaled == pytest.approx(z, rel=0.05)


def test_results_of_the_atlas_itself_are_left_as_they_are():
    z = np.random.default_rng(0).standard_t(4, (10, 200))

    scaled, factor = to_atlas_scale(z, z)

    assert factor == 1
    assert np.array_equal(scaled, z)


def test_genes_that_were_not_measured_do_not_count_in_the_factor():
    rng = np.random.default_rng(0)
    statistic, z = rng.normal(size=(10, 50)), rng.normal(0, 2, (40, 50))
    strong_elsewhere = np.full((40, 30), 9.0)

    _, factor = to_atlas_scale(statistic, z)
    scaled, with_unmeasured = to_atlas_scale(
        np.hstack([statistic, np.zeros((10, 30))]), np.hstack([z, strong_elsewhere])
    )

    assert with_unmeasured == pytest.approx(factor)
    assert (scaled[:, 50:] == 0).all()


def test_what_was_not_measured_elsewhere_does_not_count_in_the_factor():
    rng = np.random.default_rng(0)
    statistic, z = rng.normal(size=(10, 50)), rng.normal(0, 2, (40, 50))
    z[:, :20] = np.nan
    z[:5] = np.nan

    _, factor = to_atlas_scale(statistic, z)

    assert factor == pytest.approx(np.abs(z[5:, 20:]).mean() / np.abs(statistic).mean())


@pytest.mark.parametrize(("statistic", "z"), [(0, 1), (1, 0)])
def test_nothing_to_scale_by_is_an_error(statistic, z):
    with pytest.raises(AssayError, match="are 0"):
        to_atlas_scale(np.full((2, 3), float(statistic)), np.full((2, 3), float(z)))
