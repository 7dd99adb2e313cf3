"""The rules that every registered predictor keeps."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime
import pytest

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import SettingsError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.labels import decide
from anchordrug.prediction.export import AtlasDrugs, Fingerprint, model_bytes
from anchordrug.predictors.base import PredictorParams, Task, Work, network_of
from anchordrug.predictors.registry import params_class, predictor_class, predictors
from anchordrug.settings import checked
from tests.conftest import small_params
from tests.predictors.response.response_worlds import TARGET, THRESHOLD, random_world

every = pytest.mark.parametrize("name", predictors())
COUNT = 9


def params_of(name):
    """The predictor's block of the small settings; empty parts where they have none."""
    block = small_params()["predictors"].get(name, {"pretrain": {}, "fit": {}})
    return checked(block, params_class(name), "tests")


@cache
def task() -> Task:
    world = random_world(drugs=50)
    sources = replace(world.sources, drugs=world.sources.drugs.assign(moa=world.mechanisms))
    annotation = np.random.default_rng(2).integers(0, 2, (len(sources.genes), 5))
    features = FeatureBlocks(unit_rows(world.bits), world.cells, unit_rows(annotation))
    return Task(TARGET, sources, features, THRESHOLD)


@cache
def measured() -> ResponseAtlas:
    return random_world(drugs=50).target


@cache
def state_of(name):
    return predictor_class(name).pretrain(task().of_measured_drugs(), params_of(name), Work())


@cache
def predictor_of(name):
    return predictor_class(name).ready(task(), params_of(name), state_of(name))


def anchors(count=COUNT):
    drugs = np.random.default_rng(0).permutation(measured().drug)[:count]
    return drugs, measured().responses_of(drugs)


@cache
def fitted_by(name):
    return predictor_of(name).fit(*anchors(), seed=3, final=True)


def drugs():
    return np.arange(len(task().sources.drugs))


@pytest.mark.parametrize("name", ["ensemble", "response_gp"])
def test_the_share_of_new_drugs_in_the_library_tells_how_new_drugs_are_predicted(name):
    """Before anchors are measured, drugs that a source line has measured are predicted the same."""
    seen = np.isin(drugs(), task().sources.measured_drugs())
    assert 0 < seen.mean() < 1
    found = {}
    for share, library in {0: drugs()[seen], seen.mean(): drugs(), 1: drugs()[~seen]}.items():
        own = replace(task(), library=library)
        assert own.unseen_share() == pytest.approx(share if share in (0, 1) else 1 - share)
        predictor = predictor_class(name).ready(own, params_of(name), state_of(name))
        found[own.unseen_share()] = predictor.fit(*anchors(0), seed=3).probabilities(drugs())
    none, some, alone = (found[share] for share in sorted(found))
    for other in (some, alone):
        np.testing.assert_array_equal(other[seen], none[seen])
    moved = [np.abs(other[~seen] - none[~seen]).mean() for other in (some, alone)]
    assert 0 < moved[0] < moved[1]


@every
def test_probabilities_are_shares_of_three_labels(name):
    for fitted in (fitted_by(name), predictor_of(name).fit(*anchors(0), seed=3)):
        found = fitted.probabilities(drugs())
        assert found.shape == (len(drugs()), len(task().sources.genes), 3)
        assert found.dtype == np.float32
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)


@every
def test_labels_are_decided_by_probabilities_and_offsets(name):
    fitted = fitted_by(name)
    assert fitted.offsets.shape == (3,)
    expected = decide(fitted.probabilities(drugs()), fitted.offsets)
    np.testing.assert_array_equal(fitted.labels(drugs()), expected)


def seen():
    """Return whether some source line has measured each drug."""
    return np.isin(drugs(), task().sources.measured_drugs())


@every
def test_a_decision_by_group_gives_each_drug_the_offsets_of_its_group(name):
    by_group = predictor_class(name).ready(
        replace(task(), decision="by_group"), params_of(name), state_of(name)
    )
    fitted = by_group.fit(*anchors(), seed=3, final=True).deciding_for(drugs())
    for offsets, own in ((fitted.offsets, drugs()[seen()]), (fitted.offsets_unseen, drugs()[~seen()])):
        assert offsets.shape == (3,)
        assert fitted.offsets_of(own).shape == (len(own), 1, 3)
        assert (fitted.offsets_of(own) == offsets).all()
        np.testing.assert_array_equal(fitted.labels(own), decide(fitted.probabilities(own), offsets))


@every
def test_z_is_there_for_every_drug_and_gene_or_not_at_all(name):
    z = fitted_by(name).z(drugs())
    assert z is None or (z.shape == (len(drugs()), len(task().sources.genes)) and np.isfinite(z).all())


@every
def test_order_and_company_of_the_drugs_do_not_matter(name):
    whole = fitted_by(name).probabilities(drugs())
    order = np.random.default_rng(1).permutation(drugs())
    np.testing.assert_allclose(fitted_by(name).probabilities(order), whole[order], atol=1e-5)
    np.testing.assert_allclose(fitted_by(name).probabilities(order[:1]), whole[order[:1]], atol=1e-5)


@every
def test_the_same_seed_gives_the_same_predictor(name):
    kind, params = predictor_class(name), params_of(name)
    again = kind.ready(task(), params, kind.pretrain(task().of_measured_drugs(), params, Work()))
    found = again.fit(*anchors(), seed=3, final=True).probabilities(drugs())
    np.testing.assert_array_equal(found, fitted_by(name).probabilities(drugs()))


@every
def test_fitting_leaves_predictor_and_arguments_as_they_are(name):
    rows, z = anchors()
    before = rows.copy(), z.copy()
    first = predictor_of(name).fit(rows, z, seed=3, final=True).probabilities(drugs())
    predictor_of(name).fit(rows[:4], z[:4], seed=8)
    np.testing.assert_array_equal(rows, before[0])
    np.testing.assert_array_equal(z, before[1])
    np.testing.assert_array_equal(
        first, predictor_of(name).fit(rows, z, seed=3, final=True).probabilities(drugs())
    )


@every
def test_what_is_saved_comes_back_to_the_bit(name, tmp_path):
    kind, params = predictor_class(name), params_of(name)
    state = kind.pretrain(task().of_measured_drugs(), params, Work())
    state.save(tmp_path / "state", {"predictor": name})
    read = kind.ready(task(), params, kind.load_state(tmp_path / "state", params))
    fitted = read.fit(*anchors(), seed=3, final=True)
    np.testing.assert_array_equal(fitted.probabilities(drugs()), fitted_by(name).probabilities(drugs()))
    fitted.save(tmp_path / "fit", {"predictor": name})
    again = read.load(tmp_path / "fit")
    np.testing.assert_array_equal(again.probabilities(drugs()), fitted.probabilities(drugs()))
    np.testing.assert_array_equal(again.labels(drugs()), fitted.labels(drugs()))
    fitted.save(tmp_path / "twice", {"predictor": name})
    files = [sorted(folder.iterdir()) for folder in (tmp_path / "fit", tmp_path / "twice")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


@every
def test_the_exported_file_predicts_the_same(name):
    same_from_file(fitted_by(name))


def same_from_file(fitted):
    sources = task().sources
    bits = (task().features.drugs > 0).astype(np.float32)
    rows, _ = anchors()
    known = AtlasDrugs.of(sources, bits, sources, rows)
    card = {"target": TARGET, "fingerprint": Fingerprint(2, bits.shape[1]).card()}
    session = onnxruntime.InferenceSession(model_bytes(fitted, card, sources.genes, known))
    keys = np.array(sources.drugs["inchikey"].tolist(), object)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"fingerprint": bits, "inchikey": keys}), strict=True))
    np.testing.assert_allclose(found["probabilities"], fitted.probabilities(drugs()), atol=1e-5)
    z = fitted.z(drugs())
    assert ("z" in found) == (z is not None)
    if z is not None:
        np.testing.assert_allclose(found["z"], z, atol=1e-4)


def with_missing_genes():
    """Anchors of which each measured other genes, and one gene none of them."""
    chosen, z = anchors()
    gone = np.random.default_rng(1).random(z.shape) < 0.4
    gone[:, 0] = True
    return chosen, np.where(gone, np.nan, z).astype(np.float32)


@every
def test_what_was_not_measured_is_not_learned(name):
    chosen, z = with_missing_genes()
    fitted = predictor_of(name).fit(chosen, z, seed=3, final=True)
    found = fitted.probabilities(drugs())
    assert np.isfinite(found).all()
    left_out = predictor_of(name).left_out(chosen, z)
    assert left_out is None or np.isfinite(left_out).all()
    # A gene that none measured is as sure as before, and not surer.
    filled = predictor_of(name).fit(chosen, np.nan_to_num(z), seed=3, final=True)
    assert found[:, 0, 1].mean() < filled.probabilities(drugs())[:, 0, 1].mean()


@every
def test_the_exported_file_predicts_the_same_where_genes_are_missing(name):
    same_from_file(predictor_of(name).fit(*with_missing_genes(), seed=3, final=True))


@every
def test_deciding_for_drugs_changes_the_decision_alone(name):
    fitted = fitted_by(name)
    other = fitted.deciding_for(drugs()[:20])
    np.testing.assert_array_equal(fitted.probabilities(drugs()), other.probabilities(drugs()))
    assert other.offsets.shape == (3,)
    again = other.deciding_for(drugs()[20:]).deciding_for(drugs()[:20])
    np.testing.assert_array_equal(again.offsets, other.offsets)


@every
def test_anchors_left_out_are_predicted_or_not_offered(name):
    rows, z = anchors()
    left_out = predictor_of(name).left_out(rows, z)
    assert left_out is None or (left_out.shape == z.shape and np.isfinite(left_out).all())


@every
def test_a_forecast_has_one_score_per_draw_and_step(name):
    forecaster = predictor_of(name).forecaster()
    if forecaster is None:
        return
    rest = np.setdiff1d(measured().drug, anchors()[0])
    steps = np.array([0, 3, 6])
    outlook = forecaster.outlook(fitted_by(name), rest, steps, drugs(), seed=0)
    assert outlook.scores.shape[1] == len(steps)
    assert ((outlook.scores >= 0) & (outlook.scores <= 1)).all()
    for intervals, expected in (
        (outlook.score, outlook.scores.mean(axis=0)),
        (outlook.gain[1:], np.diff(outlook.scores).mean(axis=0)),
    ):
        assert intervals.shape == (len(expected), 2)
        assert (intervals[:, 0] <= expected).all()
        assert (expected <= intervals[:, 1]).all()
    assert np.isnan(outlook.gain[0]).all()


@every
def test_settings_are_a_model_of_two_steps(name):
    assert issubclass(params_class(name), PredictorParams)
    assert {"pretrain", "fit"} <= set(params_class(name).model_fields)


def test_strategies_can_look_inside_the_networks_alone():
    inside = {name for name in predictors() if network_of(fitted_by(name)) is not None}
    assert {"mlp", "mlp_response"} <= inside
    assert not inside & {"response_gp", "response_net", "ensemble"}


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        SettingsError, match=r"'ensembel' is unknown; did you mean 'ensemble'\? .*response_gp"
    ):
        predictor_class("ensembel")
