"""response_gp, response_net and their ensemble: what a fit gives, and what it must not depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import decide, labels_of
from anchordrug.predictors.base import FittedNetwork
from anchordrug.predictors.decision import best_offsets
from anchordrug.predictors.response import fitted as response
from anchordrug.predictors.temperature import UNCALIBRATED, fit_temperature_scaling
from tests.predictors.response.response_worlds import SHARES, THRESHOLD, fixed_predictor, fixed_world

every_share = pytest.mark.parametrize("share", SHARES)
COUNT = 12


@pytest.fixture(scope="module")
def world():
    return fixed_world()


@pytest.fixture(scope="module")
def fits(world):
    """A fit to the same anchors for every share."""
    return {share: fixed_predictor(share).fit(*world.anchors(COUNT), seed=5) for share in SHARES}


def no_anchors(world):
    return np.zeros(0, np.int64), np.zeros((0, len(world.atlas.genes)), np.float32)


@every_share
def test_probabilities_are_float32_and_sum_to_one(world, fits, share):
    probabilities = fits[share].probabilities(world.everything)
    assert probabilities.shape == (len(world.atlas.drugs), len(world.atlas.genes), 3)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    assert np.ptp(probabilities, axis=0).max() > 0.3


@every_share
def test_labels_are_those_of_the_largest_log_probability_plus_offset(world, fits, share):
    fitted = fits[share]
    logs = np.log(fitted.probabilities(world.everything).astype(np.float64))
    labels = fitted.labels(world.everything)
    assert labels.dtype == np.int8
    np.testing.assert_array_equal(labels, (logs + fitted.offsets).argmax(axis=2))
    # The offsets do decide some of them.
    assert (labels != logs.argmax(axis=2)).any()


@every_share
def test_by_group_seen_and_unseen_drugs_have_the_best_offsets_of_their_own(world, fits, share):
    drugs, fitted = world.everything, replace(fits[share], decision="by_group")
    seen = np.isin(drugs, world.sources.measured_drugs())
    assert 0 < seen.mean() < 1
    own = [best_offsets(fitted.probabilities(drugs[of])) for of in (seen, ~seen)]
    assert not np.array_equal(*own)
    both = fitted.deciding_for(drugs)
    np.testing.assert_array_equal(both.offsets, own[0])
    np.testing.assert_array_equal(both.offsets_unseen, own[1])
    # A group without drugs takes the offsets of the other.
    for of, offsets in zip((seen, ~seen), own, strict=True):
        alone = fitted.deciding_for(drugs[of])
        np.testing.assert_array_equal(alone.offsets, offsets)
        np.testing.assert_array_equal(alone.offsets_unseen, offsets)
    # Any other decision is the same for all drugs.
    balanced = fits[share].deciding_for(drugs)
    np.testing.assert_array_equal(balanced.offsets, best_offsets(balanced.probabilities(drugs)))
    np.testing.assert_array_equal(balanced.offsets_unseen, balanced.offsets)


def test_a_decision_without_offsets_is_the_likeliest_label_and_zero_probabilities_are_no_trouble():
    probabilities = np.array([[0.2, 0.5, 0.3], [1, 0, 0], [0, 0, 1]])
    assert decide(probabilities, np.zeros(3)).tolist() == [1, 0, 2]
    assert decide(probabilities, np.array([0, 0, 1])).tolist() == [2, 0, 2]


@every_share
def test_z_is_that_of_the_process_for_every_share(world, fits, share):
    z = fits[share].z(world.everything)
    assert z.dtype == np.float32
    np.testing.assert_array_equal(z, fits[0].z(world.everything))
    assert np.corrcoef(z[world.target.drug].ravel(), world.target.z.ravel())[0, 1] > 0.6


@every_share
def test_the_order_of_drugs_does_not_matter(world, fits, share):
    drugs = np.random.default_rng(0).permutation(world.everything)
    fitted = fits[share]
    whole = fitted.probabilities(world.everything)
    np.testing.assert_allclose(fitted.probabilities(drugs), whole[drugs], atol=1e-6)
    np.testing.assert_allclose(fitted.z(drugs), fitted.z(world.everything)[drugs], atol=1e-5)
    for one in drugs[:5]:
        np.testing.assert_allclose(fitted.probabilities(np.array([one]))[0], whole[one], atol=1e-6)


@every_share
def test_more_drugs_than_fit_at_once_get_the_same_numbers(world, fits, share, monkeypatch):
    fitted = fits[share]
    probabilities, z = fitted.probabilities(world.everything), fitted.z(world.everything)
    parts = []
    predict = response.ResponseFitted.predict

    def watched(self, ops, bits, row):
        parts.append(len(row))
        return predict(self, ops, bits, row)

    monkeypatch.setattr(response, "DRUGS_AT_ONCE", 7)
    monkeypatch.setattr(response.ResponseFitted, "predict", watched)
    np.testing.assert_allclose(fitted.probabilities(world.everything), probabilities, atol=1e-6)
    assert parts == [7, 7, 7, 7, 7, 5]
    np.testing.assert_allclose(fitted.z(world.everything), z, atol=1e-5)


@every_share
def test_no_drugs_have_no_predictions(world, fits, share):
    nothing = np.zeros(0, np.int64)
    genes = len(world.atlas.genes)
    assert fits[share].probabilities(nothing).shape == (0, genes, 3)
    assert fits[share].labels(nothing).shape == fits[share].z(nothing).shape == (0, genes)


@every_share
def test_without_anchors_the_prior_predicts(world, share):
    predictor = fixed_predictor(share)
    fitted = predictor.fit(*no_anchors(world), seed=0)
    prior = predictor.prior.evidence_of(world.everything).prior
    np.testing.assert_allclose(fitted.z(world.everything), predictor.source_fit.gp.slope * prior, rtol=1e-5)
    np.testing.assert_allclose(fitted.probabilities(world.everything).sum(axis=2), 1, atol=1e-5)


@every_share
def test_anchors_change_the_prediction_of_other_drugs(world, fits, share):
    before = fixed_predictor(share).fit(*no_anchors(world), seed=0)
    others = np.setdiff1d(world.everything, world.anchors(COUNT)[0])
    change = fits[share].probabilities(others) - before.probabilities(others)
    assert np.abs(change).max(axis=(1, 2)).min() > 1e-3


@every_share
@pytest.mark.parametrize("count", [1, 2, 33])
def test_few_anchors_and_all_drugs_of_the_target_can_be_fitted(world, share, count):
    anchors, z = world.anchors(count)
    assert len(anchors) == count
    fitted = fixed_predictor(share).fit(anchors, z, seed=0)
    assert np.isfinite(fitted.z(world.everything)).all()
    np.testing.assert_allclose(fitted.probabilities(world.everything).sum(axis=2), 1, atol=1e-5)


def test_the_process_comes_close_to_what_was_measured_of_its_anchors(world, fits):
    anchors, z = world.anchors(COUNT)
    before = fixed_predictor(0).fit(*no_anchors(world), seed=0)
    measured = np.clip(z, -4, 4)
    after = np.abs(fits[0].z(anchors) - measured).mean()
    assert after < 0.8 * np.abs(before.z(anchors) - measured).mean()


def test_the_order_of_anchors_does_not_matter_to_the_process(world, fits):
    anchors, z = world.anchors(COUNT)
    order = np.random.default_rng(1).permutation(COUNT)
    other = fixed_predictor(0).fit(anchors[order], z[order], seed=5)
    np.testing.assert_allclose(other.z(world.everything), fits[0].z(world.everything), atol=1e-4)
    np.testing.assert_allclose(
        other.probabilities(world.everything), fits[0].probabilities(world.everything), atol=1e-4
    )


def uncalibrated(fitted):
    return replace(fitted, temperature=UNCALIBRATED)


def test_log_probabilities_of_the_ensemble_are_the_weighted_sum_of_both(world, fits):
    gp, both, net = (
        np.log(uncalibrated(fits[share]).probabilities(world.everything).astype(np.float64))
        for share in SHARES
    )
    expected = 0.6 * gp + 0.4 * net
    expected -= np.log(np.exp(expected).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(both, expected, atol=1e-4)
    assert np.abs(both - gp).max() > 0.1
    assert np.abs(both - net).max() > 0.1


@pytest.mark.parametrize("share", [0, 0.4])
def test_calibration_acts_on_the_logits_of_the_whole(world, fits, share):
    fitted = fits[share]
    logits = np.log(uncalibrated(fitted).probabilities(world.everything).astype(np.float64))
    temperature, unseen = fitted.temperature, fitted.prior.lines[:-1, None] == 0
    assert temperature.unseen
    shift = np.stack([0 * unseen, temperature.none + temperature.unseen * unseen, 0 * unseen], axis=-1)
    powers = np.exp(logits * temperature.scale + shift)
    expected = powers / powers.sum(axis=2, keepdims=True)
    found = fitted.probabilities(world.everything)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - np.exp(logits)).max() > 0.01


@pytest.mark.parametrize("share", [0, 0.4])
def test_calibration_is_learned_from_anchors_as_fits_to_all_others_predict_them(world, fits, share):
    anchors, z = world.anchors(COUNT)
    # Of the process alone: a network for every anchor would have to be fine-tuned.
    predictor = fixed_predictor(0)
    logs = []
    for one in range(COUNT):
        others = np.arange(COUNT) != one
        refit = uncalibrated(predictor.fit(anchors[others], z[others], seed=5))
        logs.append(np.log(refit.probabilities(anchors[[one]])))
    unseen = predictor.prior.lines[anchors] == 0
    expected = fit_temperature_scaling(np.concatenate(logs), labels_of(z, THRESHOLD), unseen)
    assert fits[share].temperature.scale == pytest.approx(expected.scale, abs=1e-3)
    assert fits[share].temperature.none == pytest.approx(expected.none, abs=1e-3)
    assert fits[share].temperature.unseen == pytest.approx(expected.unseen, abs=1e-3)
    assert expected != UNCALIBRATED


def test_too_few_anchors_and_a_network_alone_are_not_calibrated(world, fits):
    assert fits[1].temperature == UNCALIBRATED
    for count in (0, 1):
        anchors, z = world.anchors(count) if count else no_anchors(world)
        assert fixed_predictor(0).fit(anchors, z, seed=5).temperature == UNCALIBRATED
    assert fixed_predictor(0).fit(*world.anchors(2), seed=5).temperature != UNCALIBRATED


def test_the_process_without_a_network_is_the_label_model_on_its_z(world, fits):
    fitted, drugs = fits[0], world.everything
    evidence = fitted.prior.evidence_of(drugs)
    mean, deviation = fitted.gp.predict(NumpyOps, evidence, fitted.prior.bits[drugs], drugs)
    logits = fitted.labels_from_gp.logits(NumpyOps, evidence, mean, deviation)
    expected = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(uncalibrated(fitted).probabilities(drugs), expected, atol=1e-5)


@every_share
def test_the_same_seed_fits_the_same_and_only_a_network_has_another_for_another_seed(world, fits, share):
    predictor = fixed_predictor(share)
    again = predictor.fit(*world.anchors(COUNT), seed=5).probabilities(world.everything)
    np.testing.assert_array_equal(again, fits[share].probabilities(world.everything))
    other = predictor.fit(*world.anchors(COUNT), seed=6).probabilities(world.everything)
    assert np.array_equal(other, again) == (share == 0)


@every_share
def test_a_final_fit_is_like_any_other(world, fits, share):
    final = fixed_predictor(share).fit(*world.anchors(COUNT), seed=5, final=True)
    np.testing.assert_array_equal(
        final.probabilities(world.everything), fits[share].probabilities(world.everything)
    )


def test_a_fit_leaves_the_pretrained_network_and_torchs_random_numbers_as_they_were(world):
    predictor = fixed_predictor(1)
    before = {name: value.clone() for name, value in predictor.net.network.state_dict().items()}
    torch.manual_seed(9)
    state = torch.get_rng_state()
    fitted = predictor.fit(*world.anchors(COUNT), seed=0)
    after = predictor.net.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.array_equal(fitted.net.path, before["path"].numpy())


def test_a_fit_does_not_write_to_what_it_is_given(world):
    anchors, z = world.anchors(COUNT)
    z[0] = 9
    kept = anchors.copy(), z.copy()
    fixed_predictor(0.4).fit(anchors, z, seed=0)
    np.testing.assert_array_equal(anchors, kept[0])
    np.testing.assert_array_equal(z, kept[1])


@every_share
def test_strategies_that_look_inside_a_network_are_not_offered_one(fits, share):
    assert not isinstance(fits[share], FittedNetwork)


# What follows plays the whole way to a prediction in two worlds that differ in what the target would say of
# drugs that nobody has measured there yet.


def unmeasured(world, known):
    """The target's experiments with other drugs than `known`."""
    return (world.atlas.cell_line == 0) & ~np.isin(world.atlas.drug, known)


@pytest.fixture(scope="module")
def other_world(world):
    """All but the first anchors of the target respond otherwise."""
    return world.with_other_z(unmeasured(world, world.anchors(COUNT)[0]))


@pytest.fixture(scope="module")
def other_predictor(other_world):
    return other_world.predictor(0.4)


def test_responses_of_drugs_that_are_no_anchors_do_not_change_the_fit(
    world, fits, other_world, other_predictor
):
    anchors, z = other_world.anchors(COUNT)
    np.testing.assert_array_equal(z, world.anchors(COUNT)[1])
    assert not np.array_equal(other_world.target.z, world.target.z)
    fitted = other_predictor.fit(anchors, z, seed=5)
    np.testing.assert_array_equal(
        fitted.probabilities(world.everything), fits[0.4].probabilities(world.everything)
    )
    np.testing.assert_array_equal(fitted.z(world.everything), fits[0.4].z(world.everything))
    np.testing.assert_array_equal(fitted.labels(world.everything), fits[0.4].labels(world.everything))


def test_the_response_of_an_anchor_does_change_the_fit(world, fits):
    anchors, z = world.anchors(COUNT)
    z[3] = -z[3]
    fitted = fixed_predictor(0.4).fit(anchors, z, seed=5)
    assert not np.array_equal(fitted.z(world.everything), fits[0.4].z(world.everything))


def pool_of(world):
    """Drugs of the target that a source line has measured, in the order of their InChIKeys."""
    return np.intersect1d(world.target.drug, world.sources.measured_drugs())


def catalogue_of(world, prior, queries):
    return Catalogue(world.bits, world.mechanisms, prior, world.everything if queries else None)


@pytest.mark.parametrize("queries", [False, True], ids=["pool", "all drugs"])
@pytest.mark.parametrize("name", ["a_optimal", "facility_location"])
def test_responses_of_the_target_do_not_change_a_design(
    world, fits, other_world, other_predictor, name, queries
):
    anchors, z = world.anchors(COUNT)
    selections = []
    for place, predictor in ((world, fixed_predictor(0.4)), (other_world, other_predictor)):
        pool = pool_of(place)
        view = PoolView(
            predictor.fit(anchors, z, seed=5),
            pool[~np.isin(pool, anchors)],
            anchors,
            catalogue_of(place, predictor.prior, queries),
        )
        selections.append(strategy(name)(view, 6, np.random.default_rng(0)))
    one, other = selections
    assert one.positions.tolist() == other.positions.tolist()
    assert one.scores.tolist() == other.scores.tolist()
    assert len(set(one.positions.tolist())) == 6


def rounds_of(world, predictor, name="a_optimal"):
    target = world.target
    catalogue = catalogue_of(world, predictor.prior, queries=False)
    campaign = Campaign(pool_of(world), catalogue, strategy(name), budget=9, batch=4, seed=2)
    return list(play(campaign, predictor, target.responses_of))


def test_responses_that_were_never_revealed_do_not_change_a_campaign(world):
    played = rounds_of(world, fixed_predictor(0.4))
    chosen = np.concatenate([one.drugs for one in played])
    assert len(set(chosen.tolist())) == 9
    other = world.with_other_z(unmeasured(world, chosen))
    for one, again in zip(played, rounds_of(other, other.predictor(0.4)), strict=True):
        assert one.drugs.tolist() == again.drugs.tolist()
        assert one.scores.tolist() == again.scores.tolist()
        np.testing.assert_array_equal(
            one.fitted.probabilities(world.everything), again.fitted.probabilities(world.everything)
        )
        np.testing.assert_array_equal(one.fitted.z(world.everything), again.fitted.z(world.everything))


@pytest.mark.parametrize("name", ["a_optimal", "facility_location"])
def test_designs_choose_the_same_whatever_is_revealed_but_the_fits_learn_from_it(world, name):
    played = rounds_of(world, fixed_predictor(0), name)
    other = world.with_other_z(world.atlas.cell_line == 0)
    again = rounds_of(other, other.predictor(0), name)
    assert [one.drugs.tolist() for one in played] == [one.drugs.tolist() for one in again]
    before, after = played[-1].fitted.z(world.everything), again[-1].fitted.z(world.everything)
    assert np.abs(before - after).max() > 0.1
