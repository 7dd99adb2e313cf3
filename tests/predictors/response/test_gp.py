"""The Gaussian process over drugs against scikit-learn's process and ridge regression, and against refits."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel
from sklearn.linear_model import Ridge

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.gp import (
    DrugKernel,
    GpSettings,
    KernelWeights,
    deviations,
    fit_gp,
    leave_one_out,
    line_weights,
)
from tests.predictors.atlases import LINES, kernel_by_loop, random_sources

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=25, deadline=None)
SCALE = 1.7
SETTINGS = GpSettings(slope=0.8, noise=0.6, ridge=5.0, kernel=KernelWeights(0.7, 0.9, 0.5, 0.2, 0.8))


class Fixed(Kernel):
    """A kernel that is looked up: inputs are rows of `matrix`."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __call__(self, X, Y=None):
        columns = X if Y is None else Y
        return self.matrix[np.ix_(X[:, 0].astype(int), columns[:, 0].astype(int))]

    def diag(self, X):
        return self.matrix.diagonal()[X[:, 0].astype(int)]

    def is_stationary(self):
        return False


def problem(seed, anchors, drugs=25):
    """Sources, anchors among their drugs, and what was measured of them in the target; some z are cut."""
    sources = random_sources(seed, drugs)
    rng = np.random.default_rng(seed + 1)
    chosen = rng.permutation(sources.drugs)[:anchors]
    prior = sources.prior.evidence_of(chosen).prior
    z = (0.9 * prior + rng.normal(scale=1.5, size=prior.shape)).astype(np.float32)
    return sources, chosen, z


def cut_off(z):
    return np.minimum(np.maximum(z.astype(float), -4), 4)


def deviations_by_loop(sources, drugs):
    atlas = sources.atlas
    result = np.zeros((len(drugs), len(atlas.genes), len(LINES)))
    for place, drug in enumerate(drugs):
        rows = [row for row in range(len(atlas.drug)) if atlas.drug[row] == drug]
        if rows:
            consensus = sum(cut_off(atlas.z[row]) for row in rows) / len(rows)
        for row in rows:
            result[place, :, atlas.cell_line[row]] = cut_off(atlas.z[row]) - consensus
    return result


def inputs_by_loop(sources, drugs):
    """What the weights multiply: the lines' deviations and the prior, [drugs, genes, lines + 1]."""
    prior = sources.prior.evidence_of(drugs).prior.astype(float)
    return np.concatenate([deviations_by_loop(sources, drugs), prior[:, :, None]], axis=2)


def posterior_by_sklearn(model, sources, anchors, z):
    """Mean [drugs, genes] and deviation [drugs] of every drug."""
    everyone = np.arange(sources.drugs)
    inputs = inputs_by_loop(sources, everyone)
    start = model.slope * inputs[:, :, -1]
    residual = cut_off(z) - start[anchors]
    ridge = Ridge(alpha=model.ridge, fit_intercept=False, tol=1e-10)
    weights = ridge.fit(inputs[anchors].reshape(-1, inputs.shape[2]), residual.ravel()).coef_
    process = GaussianProcessRegressor(
        Fixed(kernel_by_loop(sources, model.kernel, SCALE)), alpha=model.noise, optimizer=None
    )
    process.fit(anchors[:, None], residual - inputs[anchors] @ weights)
    mean, deviation = process.predict(everyone[:, None], return_std=True)
    return start + inputs @ weights + mean, deviation[:, 0]


def predict(fit, sources, drugs):
    return fit.predict(NumpyOps, sources.prior.evidence_of(drugs), sources.prior.bits[drugs], drugs)


def fit_of(model, sources, anchors, z):
    return fit_gp(model, sources.prior, sources.atlas, anchors, z, SCALE)


@given(
    seed=SEEDS,
    anchors=st.integers(1, 15),
    slope=st.sampled_from([0.0, 0.8]),
    noise=st.sampled_from([0.3, 3.0]),
    ridge=st.sampled_from([1.0, 1000.0]),
)
@quick
def test_the_posterior_is_that_of_scikit_learn_on_what_ridge_regression_leaves(
    seed, anchors, slope, noise, ridge
):
    sources, chosen, z = problem(seed, anchors)
    model = GpSettings(slope, noise, ridge, SETTINGS.kernel)
    mean, deviation = predict(fit_of(model, sources, chosen, z), sources, np.arange(sources.drugs))
    assert (mean.dtype, deviation.dtype) == (np.float32, np.float32)
    assert (mean.shape, deviation.shape) == ((sources.drugs, 8), (sources.drugs, 1))
    expected, spread = posterior_by_sklearn(model, sources, chosen, z)
    np.testing.assert_allclose(mean, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(deviation[:, 0], spread, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("part", ["cosine", "linear", "structure", "constant", "unknown"])
def test_every_part_of_the_kernel_is_that_of_the_loop(part):
    sources = random_sources(3)
    weights = KernelWeights(**{**dict.fromkeys(asdict(KernelWeights()), 0.0), part: 0.6})
    drugs, columns = np.arange(sources.drugs), np.array([4, 0, 24, 1])
    evidence = sources.prior.evidence_of(drugs)
    model = GpSettings(1, 1, 1, weights)
    kernel = DrugKernel(model.kernel, sources.prior, columns, sources.prior.evidence_of(columns), SCALE)
    expected = kernel_by_loop(sources, weights, SCALE)
    assert np.ptp(expected) > 0.1 or part == "constant"
    found = kernel.to(NumpyOps, evidence, sources.prior.bits[:], drugs)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected[:, columns], rtol=1e-5, atol=1e-6)
    variance = kernel.variance(NumpyOps, evidence, sources.prior.bits[:], drugs)
    np.testing.assert_allclose(variance[:, 0], expected.diagonal(), rtol=1e-5)


def test_the_shipped_kernel_weights_all_count():
    assert min(asdict(KernelWeights()).values()) > 0


@given(seed=SEEDS, drugs=st.integers(1, 25))
@quick
def test_deviations_of_source_lines_are_those_of_a_loop(seed, drugs):
    sources = random_sources(seed)
    asked = np.random.default_rng(seed).permutation(sources.drugs)[:drugs]
    found = deviations(sources.atlas, sources.prior, asked)
    assert found.dtype == np.float32
    assert found.shape == (drugs, 8, len(LINES))
    np.testing.assert_allclose(found, deviations_by_loop(sources, asked), atol=1e-5)


@given(seed=SEEDS, anchors=st.integers(1, 12), ridge=st.sampled_from([0.1, 10.0, 3000.0]))
@quick
def test_line_weights_are_those_of_ridge_regression(seed, anchors, ridge):
    rng = np.random.default_rng(seed)
    deviation = rng.normal(size=(anchors, 6, 3)).astype(np.float32)
    prior, residual = rng.normal(size=(2, anchors, 6))
    inputs = np.array(
        [[*deviation[anchor, gene], prior[anchor, gene]] for anchor in range(anchors) for gene in range(6)]
    )
    expected = Ridge(alpha=ridge, fit_intercept=False, tol=1e-10).fit(inputs, residual.ravel()).coef_
    np.testing.assert_allclose(line_weights(deviation, prior, residual, ridge), expected, atol=1e-6)


def test_the_line_that_resembles_the_target_gets_the_weight():
    sources = random_sources(5)
    anchors = np.unique(sources.atlas.drug)
    deviation = deviations(sources.atlas, sources.prior, anchors)
    prior = sources.prior.evidence_of(anchors).prior
    weights = line_weights(deviation, prior, deviation[:, :, 2] + 0.5 * prior, 1e-6)
    # The deviations of a drug's lines sum to 0, so all lines may be shifted by one number.
    np.testing.assert_allclose(weights[:4] - weights[0], [0, 0, 1, 0], atol=1e-3)
    assert weights[4] == pytest.approx(0.5, abs=1e-3)


@given(seed=SEEDS, anchors=st.integers(2, 15), ridge=st.sampled_from([1.0, 1000.0]))
@quick
def test_leaving_an_anchor_out_is_fitting_without_it(seed, anchors, ridge):
    sources, chosen, z = problem(seed, anchors)
    model = GpSettings(SETTINGS.slope, SETTINGS.noise, ridge, SETTINGS.kernel)
    found, spread = leave_one_out(model, sources.prior, sources.atlas, chosen, z, SCALE)
    assert (found.dtype, spread.dtype) == (np.float32, np.float32)
    assert (found.shape, spread.shape) == ((anchors, 8), (anchors, 1))
    for one in range(anchors):
        others = np.arange(anchors) != one
        refit = fit_of(model, sources, chosen[others], z[others])
        mean, deviation = predict(refit, sources, chosen[[one]])
        np.testing.assert_allclose(found[[one]], mean, atol=1e-4)
        np.testing.assert_allclose(spread[[one]], deviation, rtol=1e-3, atol=1e-4)


def test_an_anchor_is_less_certain_without_its_own_measurement():
    sources, chosen, z = problem(3, 12)
    _, spread = leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen, z, SCALE)
    _, deviation = predict(fit_of(SETTINGS, sources, chosen, z), sources, chosen)
    assert (spread > 1.05 * deviation).all()


def test_a_deviation_that_is_nothing_but_rounding_is_the_same_as_after_a_refit():
    """A variance may come out below 0 then, and has no square root."""
    sources, _, _ = problem(4, 2)
    # The last two drugs are twins: measured without noise, either tells all of the other one.
    twins = np.array([sources.drugs - 2, sources.drugs - 1])
    model = GpSettings(SETTINGS.slope, 1e-12, SETTINGS.ridge, SETTINGS.kernel)
    z = np.zeros((2, 8), np.float32)
    _, spread = leave_one_out(model, sources.prior, sources.atlas, twins, z, SCALE)
    _, deviation = predict(fit_of(model, sources, twins[:1], z[:1]), sources, twins[1:])
    assert 0 < deviation[0, 0] < 1e-4
    assert spread.tolist() == [deviation[0].tolist()] * 2


@given(seed=SEEDS, slope=st.sampled_from([0.0, 0.4, 1.3]))
@quick
def test_without_anchors_a_prediction_is_the_prior_times_the_slope(seed, slope):
    sources = random_sources(seed)
    model = GpSettings(slope, SETTINGS.noise, SETTINGS.ridge, SETTINGS.kernel)
    fit = fit_of(model, sources, np.empty(0, np.int64), np.empty((0, 8), np.float32))
    drugs = np.arange(sources.drugs)
    mean, deviation = predict(fit, sources, drugs)
    np.testing.assert_allclose(mean, slope * sources.prior.evidence_of(drugs).prior, rtol=1e-5)
    variance = kernel_by_loop(sources, model.kernel, SCALE).diagonal()
    np.testing.assert_allclose(deviation[:, 0], np.sqrt(variance), rtol=1e-5)


@given(seed=SEEDS, anchors=st.integers(2, 15))
@quick
def test_the_order_of_anchors_does_not_matter(seed, anchors):
    sources, chosen, z = problem(seed, anchors)
    order = np.random.default_rng(seed).permutation(anchors)
    drugs = np.arange(sources.drugs)
    before = predict(fit_of(SETTINGS, sources, chosen, z), sources, drugs)
    after = predict(fit_of(SETTINGS, sources, chosen[order], z[order]), sources, drugs)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    left_out = leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen, z, SCALE)
    moved = leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen[order], z[order], SCALE)
    for one, other in zip(left_out, moved, strict=True):
        np.testing.assert_allclose(other, one[order], rtol=1e-4, atol=1e-5)


@given(seed=SEEDS, anchors=st.integers(1, 12))
@quick
def test_anchors_measured_without_noise_are_predicted_as_they_were_measured(seed, anchors):
    sources, chosen, z = problem(seed, anchors)
    # Twins cannot both be met exactly where they differ.
    held = chosen != sources.drugs - 1
    chosen, z = chosen[held], z[held]
    model = GpSettings(SETTINGS.slope, 1e-7, 1e12, SETTINGS.kernel)
    mean, deviation = predict(fit_of(model, sources, chosen, z), sources, chosen)
    np.testing.assert_allclose(mean, cut_off(z), atol=2e-3)
    assert (deviation < 2e-3).all()


def test_of_a_drug_that_is_not_in_the_atlas_structure_and_anchors_speak():
    sources, chosen, z = problem(6, 10)
    fit = fit_of(SETTINGS, sources, chosen, z)
    # The last drug is in no source line and its mechanism unknown: a stranger of its structure is the same.
    assert sources.mechanisms[-1] is None
    stranger = np.array([-1])
    evidence = sources.prior.evidence(NumpyOps, sources.prior.bits[[24]], stranger)
    mean, deviation = fit.predict(NumpyOps, evidence, sources.prior.bits[[24]], stranger)
    expected = predict(fit, sources, np.array([24]))
    np.testing.assert_allclose(mean, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(deviation, expected[1], rtol=1e-5)
    assert np.abs(mean - SETTINGS.slope * evidence.prior).max() > 0.05


def test_z_beyond_what_counts_is_cut():
    sources, chosen, z = problem(7, 6)
    z[2, :3] = 4, -4, 4
    far = z.copy()
    far[2, :3] = 40, -50, 4.5
    drugs = np.arange(sources.drugs)
    for one, other in zip(
        predict(fit_of(SETTINGS, sources, chosen, z), sources, drugs),
        predict(fit_of(SETTINGS, sources, chosen, far), sources, drugs),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(
        leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen, z, SCALE),
        leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen, far, SCALE),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_drug_of_which_nothing_is_known_has_the_same_variance_as_its_kernel_with_itself():
    sources = random_sources(0)
    fingerprints = sources.fingerprints.copy()
    fingerprints[24] = 0
    sources = replace(sources, fingerprints=fingerprints, mechanisms=[*sources.mechanisms[:-1], None])
    prior, drug = sources.prior, np.array([24])
    evidence = prior.evidence_of(drug)
    settings = GpSettings(1.0, 1e-6, 1000.0, KernelWeights())
    kernel = DrugKernel(settings.kernel, prior, drug, evidence, 1.0)
    between = kernel.to(NumpyOps, evidence, prior.bits[drug], drug)
    np.testing.assert_allclose(kernel.variance(NumpyOps, evidence, prior.bits[drug], drug), between)


def test_a_new_drug_is_the_more_unknown_the_less_it_resembles_any_other():
    sources = random_sources(0)
    fingerprints = np.zeros((25, 40))
    fingerprints[:23, :20] = np.random.default_rng(0).random((23, 20)) < 0.5
    fingerprints[23, :22], fingerprints[24, 30:] = 1, 1
    seen = sources.atlas.drug < 23
    atlas = sources.atlas.restricted_to(seen)
    sources = replace(sources, atlas=atlas, fingerprints=fingerprints, mechanisms=[None] * 25)
    drugs = np.array([0, 23, 24])
    evidence = sources.prior.evidence_of(drugs)
    np.testing.assert_array_equal(evidence.lines[1:, 0], 0)
    known, near, far = evidence.unknown(NumpyOps)[:, 0]
    assert known < near < far == 1
    part = replace(SETTINGS.kernel, cosine=0, linear=0, structure=0, constant=0, unknown=1)
    kernel = DrugKernel(part, sources.prior, drugs, evidence, SCALE)
    variance = kernel.variance(NumpyOps, evidence, sources.prior.bits[drugs], drugs)[:, 0]
    np.testing.assert_allclose(variance, [known**2, near**2, 1], rtol=1e-6)


def unmeasured(z, seed, share=0.5):
    """The same z with NaN in a share of the places, one gene in none, one in all of them."""
    gone = np.random.default_rng(seed + 2).random(z.shape) < share
    gone[:, 0], gone[:, 1] = False, True
    return np.where(gone, np.nan, z).astype(np.float32)


@given(seed=SEEDS, anchors=st.integers(2, 12), noise=st.sampled_from([0.3, 3.0]))
@quick
def test_a_gene_learns_from_the_anchors_that_measured_it(seed, anchors, noise):
    sources, chosen, z = problem(seed, anchors)
    z, model = unmeasured(z, seed), replace(SETTINGS, noise=noise)
    mean, deviation = predict(fit_of(model, sources, chosen, z), sources, np.arange(sources.drugs))
    inputs = inputs_by_loop(sources, np.arange(sources.drugs))
    start = model.slope * inputs[:, :, -1]
    residual = cut_off(z) - start[chosen]
    known = np.isfinite(z)
    ridge = Ridge(alpha=model.ridge, fit_intercept=False, tol=1e-10)
    weights = ridge.fit(inputs[chosen][known], residual[known]).coef_
    kernel = kernel_by_loop(sources, model.kernel, SCALE)
    for gene in range(z.shape[1]):
        own = chosen[known[:, gene]]
        expected, spread = (start + inputs @ weights)[:, gene], np.sqrt(kernel.diagonal())
        if not len(own):
            np.testing.assert_allclose(deviation[:, gene], spread, atol=2e-4)
            continue
        process = GaussianProcessRegressor(Fixed(kernel), alpha=noise, optimizer=None)
        process.fit(own[:, None], residual[known[:, gene], gene] - (inputs[own] @ weights)[:, gene])
        more, spread = process.predict(np.arange(sources.drugs)[:, None], return_std=True)
        expected = expected + more
        np.testing.assert_allclose(mean[:, gene], expected, atol=2e-4)
        np.testing.assert_allclose(deviation[:, gene], spread, atol=2e-4)


@given(seed=SEEDS, anchors=st.integers(2, 10))
@quick
def test_leaving_an_anchor_out_is_fitting_without_it_where_genes_are_missing(seed, anchors):
    sources, chosen, z = problem(seed, anchors)
    z = unmeasured(z, seed)
    found, deviation = leave_one_out(SETTINGS, sources.prior, sources.atlas, chosen, z, SCALE)
    for place in range(anchors):
        others = np.arange(anchors) != place
        again = fit_of(SETTINGS, sources, chosen[others], z[others])
        mean, spread = predict(again, sources, chosen[[place]])
        told = np.isfinite(z[others]).any(axis=0)
        np.testing.assert_allclose(found[place, told], mean[0, told], atol=2e-4)
        np.testing.assert_allclose(
            np.broadcast_to(deviation, z.shape)[place], np.broadcast_to(spread, (1, z.shape[1]))[0], atol=2e-4
        )


def test_genes_that_no_anchor_measured_do_not_touch_the_others():
    sources, chosen, z = problem(5, 8)
    half = np.arange(z.shape[1]) % 2 == 0
    nothing = np.where(half, z, np.nan).astype(np.float32)
    found = predict(fit_of(SETTINGS, sources, chosen, nothing), sources, np.arange(sources.drugs))
    assert np.isfinite(found[0]).all()
    # The same but for the weights of the lines, which all measured genes give together.
    alone = replace(SETTINGS, ridge=1e12)
    some, all_of_them = (
        predict(fit_of(alone, sources, chosen, values), sources, np.arange(sources.drugs))
        for values in (nothing, z)
    )
    np.testing.assert_allclose(some[0][:, half], all_of_them[0][:, half], atol=1e-5)


def test_a_gene_that_no_anchor_measured_follows_the_genes_it_moves_with_in_the_source_lines():
    sources, chosen, z = problem(5, 12)
    twin, z = sources.atlas.z.copy(), z.copy()
    twin[:, 1], z[:, 1] = twin[:, 0], np.nan
    model, drugs = replace(SETTINGS, ridge=1e12), np.arange(sources.drugs)
    shared = ResponseAtlas(
        np.tile(twin, (4000, 1)),
        *(np.tile(column, 4000) for column in (sources.atlas.drug, sources.atlas.cell_line)),
        sources.atlas.drugs,
        sources.atlas.cell_lines,
        sources.atlas.genes,
    )
    fit = fit_gp(model, sources.prior, shared, chosen, z, SCALE)
    np.testing.assert_allclose(fit.coefficients[:, 1], fit.coefficients[:, 0], rtol=0.05, atol=0.02)
    alone = fit_of(model, sources, chosen, z)
    assert np.isfinite(predict(alone, sources, drugs)[0]).all()
