"""Source lines that play the target: none sees itself, the real target is never seen, and what is learned."""

from dataclasses import replace

import numpy as np
import pytest

from anchordrug.evaluation.metrics import macro_f1
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.response import pseudo_targets as module
from anchordrug.predictors.response.gp import KernelWeights, fit_gp
from anchordrug.predictors.response.label_model import probabilities
from anchordrug.predictors.response.prior import Evidence, clipped
from anchordrug.predictors.response.pseudo_targets import (
    ANCHORS,
    FEWEST_DRUGS,
    NOISES,
    RIDGES,
    TAUS,
    fit_to_pseudo_targets,
    gene_rates,
    mean_square,
)
from tests.predictors.response.response_worlds import (
    LINES,
    SIZES,
    THRESHOLD,
    fixed_world,
    random_world,
    same_arrays,
)


@pytest.fixture(scope="module")
def world():
    return fixed_world()


@pytest.fixture(scope="module")
def targets(world):
    return world.pseudo_targets()


@pytest.fixture(scope="module")
def learned(world):
    return world.calibration()


def same_calibration(one, other):
    return (
        one.gp == other.gp
        and same_arrays(one.labels, other.labels)
        and np.array_equal(one.offsets, other.offsets)
    )


def same_known(one, other):
    """Whether two pseudo-targets know the same of their drugs."""
    return (
        same_arrays(one.prior, other.prior)
        and same_arrays(one.evidence, other.evidence)
        and one.scale == other.scale
    )


def test_lines_with_enough_drugs_play_the_target_largest_first(targets):
    assert [one.line for one in targets] == [1, 2, 3]
    assert [len(one.drugs) for one in targets] == list(SIZES[1:4])
    assert SIZES[4] < FEWEST_DRUGS <= SIZES[3]


@pytest.mark.parametrize("fewest", [SIZES[3] + 1, SIZES[3]])
def test_a_line_with_too_few_drugs_is_left_out(world, monkeypatch, fewest):
    monkeypatch.setattr(module, "FEWEST_DRUGS", fewest)
    assert [one.line for one in world.pseudo_targets()] == [1, 2, 3][: 3 if fewest == SIZES[3] else 2]


def test_of_many_lines_the_largest_suffice(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 2)
    assert [one.line for one in world.pseudo_targets()] == [1, 2]


def test_a_single_source_line_can_play_no_target(world):
    away = {LINES.index(name) for name in LINES} - {0, 1}
    kept = ~np.isin(world.atlas.cell_line, list(away))
    assert replace(world, atlas=world.atlas.restricted_to(kept)).pseudo_targets() == []
    # With a second one, even a small one, there is something to learn from.
    kept |= world.atlas.cell_line == 4
    two = replace(world, atlas=world.atlas.restricted_to(kept)).pseudo_targets()
    assert [one.line for one in two] == [1]


def test_a_pseudo_target_holds_its_drugs_their_z_and_the_other_lines_experiments(world, targets):
    for one in targets:
        own = world.atlas.of(LINES[one.line])
        np.testing.assert_array_equal(one.drugs, own.drug)
        np.testing.assert_array_equal(one.z, own.z)
        assert set(one.sources.cell_line.tolist()) == {1, 2, 3, 4} - {one.line}
        assert len(one.sources.drug) == len(world.sources.drug) - len(own.drug)
        assert one.scale == mean_square(one.evidence.prior)
        assert same_arrays(one.evidence, one.prior.evidence_of(one.drugs))


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_prior_is_made_without_its_own_line(world, targets, line):
    other = world.with_other_z(world.atlas.cell_line == line).pseudo_targets()
    for one, changed in zip(targets, other, strict=True):
        assert one.line == changed.line
        if one.line == line:
            assert not np.array_equal(one.z, changed.z)
            assert same_known(one, changed)
        else:
            assert not np.array_equal(one.prior.total, changed.prior.total)
            assert not np.array_equal(one.evidence.prior, changed.evidence.prior)


def test_a_line_that_is_too_small_to_play_still_counts_for_the_others(world, targets):
    other = world.with_other_z(world.atlas.cell_line == 4).pseudo_targets()
    for one, changed in zip(targets, other, strict=True):
        assert not np.array_equal(one.prior.total, changed.prior.total)


def test_the_same_seed_learns_the_same_and_another_seed_something_else(world, learned):
    assert same_calibration(learned, world.calibration())
    assert not same_calibration(learned, world.calibration(seed=1))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_targets_own_responses_cannot_matter(world, learned, seed):
    other = world.with_other_z(world.atlas.cell_line == 0, seed)
    assert not np.array_equal(other.atlas.z, world.atlas.z)
    assert same_calibration(learned, other.calibration())


def test_the_responses_of_source_lines_do_matter(world, learned):
    one = np.flatnonzero(world.atlas.cell_line == 1)[:1]
    assert not same_calibration(learned, world.with_other_z(one).calibration())


def test_the_slope_is_that_of_least_squares(targets, learned):
    prior = np.concatenate([one.evidence.prior.ravel() for one in targets]).astype(np.float64)
    z = np.concatenate([np.clip(one.z, -4, 4).ravel() for one in targets])
    slope = np.linalg.lstsq(prior[:, None], z, rcond=None)[0][0]
    assert learned.gp.slope == pytest.approx(slope, rel=1e-5)


def predicted(targets, settings, seed, anchors):
    """Each pseudo-target's held-out evidence, predicted z, deviation and z, with `anchors` first drugs."""
    rng = np.random.default_rng(seed)
    for one in targets:
        order = rng.permutation(len(one.drugs))
        cut = min(anchors, len(order) // 2)
        known, rest = order[:cut], order[cut:]
        fit = fit_gp(settings, one.prior, one.sources, one.drugs[known], one.z[known], one.scale)
        evidence = Evidence(*(getattr(one.evidence, name)[rest] for name in vars(one.evidence)))
        bits = one.prior.bits[one.drugs[rest]]
        yield evidence, *fit.predict(NumpyOps, evidence, bits, one.drugs[rest]), one.z[rest]


@pytest.mark.parametrize("seed", [0, 3])
def test_noise_and_ridge_are_those_that_agree_best_with_held_out_drugs(targets, world, seed):
    found = world.calibration(seed).gp
    scores = {}
    for noise in NOISES:
        for ridge in RIDGES:
            settings = replace(found, noise=noise, ridge=ridge)
            by_line = [
                np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(clipped(z), mean, strict=True)])
                for _, mean, _, z in predicted(targets, settings, seed, 30)
            ]
            scores[noise, ridge] = np.mean(by_line)
    assert scores[found.noise, found.ridge] >= max(scores.values()) - 1e-9
    assert min(scores.values()) < max(scores.values()) - 1e-6


@pytest.mark.parametrize("seed", [0, 3])
def test_offsets_are_tau_times_the_log_share_of_the_labels_with_the_best_tau(targets, world, seed):
    found = world.calibration(seed)
    held_out = [one for count in ANCHORS for one in predicted(targets, found.gp, seed, count)]
    measured = [labels_of(z, THRESHOLD) for *_, z in held_out]
    counts = np.bincount(np.concatenate([one.ravel() for one in measured]), minlength=3)
    share = np.log(counts / counts.sum())
    taus = [tau for tau in TAUS if np.allclose(found.offsets, -tau * share, atol=1e-5)]
    assert len(taus) == 1
    logs = [np.log(probabilities(found.labels, *known)) for *known, _ in held_out]
    scores = [
        np.mean(
            [
                macro_f1(labels, (log - tau * share).argmax(axis=2))
                for labels, log in zip(measured, logs, strict=True)
            ]
        )
        for tau in TAUS
    ]
    assert scores[TAUS.index(taus[0])] == pytest.approx(max(scores))
    assert min(scores) < max(scores)
    assert found.offsets.dtype == np.float32


def test_of_many_rows_the_label_model_takes_as_many_of_each_line(world, monkeypatch):
    """With few rows allowed both regressions still learn all labels, from no more rows than that."""
    seen = []
    fit = module.fit_label_model

    def watched(pair, drug, gene, labels, rates, threshold):
        seen.append((len(pair), len(drug), len(gene), len(labels)))
        return fit(pair, drug, gene, labels, rates, threshold)

    monkeypatch.setattr(module, "ROWS", 600)
    monkeypatch.setattr(module, "fit_label_model", watched)
    world.calibration()
    assert seen == [(600, 600, 600, 600)] * 2


def test_without_a_pseudo_target_nothing_can_be_learned(world):
    with pytest.raises(ValueError, match="no source line can be used as the target"):
        fit_to_pseudo_targets(
            [], [], KernelWeights(), gene_rates(world.sources, THRESHOLD), THRESHOLD, seed=0
        )


def test_the_scale_of_priors_that_are_all_zero_can_be_divided_by():
    assert mean_square(np.zeros((3, 4), np.float32)) > 0
    assert mean_square(np.full((3, 4), 2, np.float32)) == 4


def test_another_world_is_learned_from_as_well():
    """Nothing above hangs on the one world that is looked at."""
    world = random_world(seed=5, drugs=45, genes=5)
    found = world.calibration()
    assert np.isfinite(found.labels.pair).all()
    assert 0 < found.gp.slope < 3
    assert same_calibration(found, world.with_other_z(world.atlas.cell_line == 0).calibration())


def test_near_and_far_are_told_by_structure_alone():
    """A mechanism that all drugs share makes none of them near."""
    shared = random_world(seed=3, drugs=120)
    shared = replace(shared, mechanisms=["M"] * len(shared.mechanisms))
    unknown = replace(shared, mechanisms=[None] * len(shared.mechanisms))
    played = [
        [(entry.group, entry.anchors, entry.lines) for entry in world.calibration().expected]
        for world in (shared, unknown)
    ]
    assert played[0] == played[1]
    assert {group for group, _, _ in played[0]} >= {"seen", "far"}
