"""Response predictors on disk: what is written comes back to the bit, and damage is told in one line."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from anchordrug.errors import RawDataError
from anchordrug.predictors.response.files import load_state, save_state
from anchordrug.predictors.response.fitted import load_fitted, save_fitted
from anchordrug.predictors.response.misses import Misses
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling
from tests.predictors.response.response_worlds import NET, SHARES, fixed_predictor, fixed_world, same_arrays

every_share = pytest.mark.parametrize("share", SHARES)
COUNT = 10


@pytest.fixture(scope="module")
def world():
    return fixed_world()


def start_of(share):
    """What `save_state` takes."""
    predictor = fixed_predictor(share)
    net = None if predictor.net is None else (predictor.net.network, predictor.net.basis)
    return predictor.source_fit, net


def fit_of(world, share, count=COUNT, seed=5):
    return fixed_predictor(share).fit(*world.anchors(count), seed=seed)


def load(folder, share):
    predictor = fixed_predictor(share)
    return load_fitted(folder, predictor.prior, predictor.source_fit, predictor.scale, "balanced")


@pytest.fixture
def started(tmp_path):
    """A folder with the lessons of pseudo-targets and a network."""
    save_state(tmp_path / "start", *start_of(0.4), {"predictor": "ensemble"})
    return tmp_path / "start"


@pytest.fixture
def saved(world, tmp_path):
    """A folder with a fitted ensemble."""
    save_fitted(fit_of(world, 0.4), tmp_path / "fit", {"predictor": "ensemble"})
    return tmp_path / "fit"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def card_of(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def edit_card(folder, **changes):
    (folder / "model.json").write_text(json.dumps(card_of(folder) | changes), encoding="utf-8")


def edit_arrays(folder, change):
    """Write the weights again after `change` has had its way with the dictionary of arrays."""
    arrays = {name: value.copy() for name, value in load_file(folder / "weights.safetensors").items()}
    change(arrays)
    save_file(arrays, folder / "weights.safetensors")


def complaint(read, folder):
    with pytest.raises(RawDataError) as caught:
        read(folder)
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert "\n" not in text
    return text


def read_start(folder):
    return load_state(folder, NET)


def read_response(folder):
    return load(folder, 0.4)


both = pytest.mark.parametrize(
    ("fixture", "read"), [("started", read_start), ("saved", read_response)], ids=["start", "response"]
)


@every_share
def test_what_source_lines_taught_comes_back(share, tmp_path):
    source_fit, net = start_of(share)
    source_fit = replace(source_fit, unit=0.7, misses=Misses((-1.5, 2.5), (0.0, 7.0), (-3.0, 4.0)))
    save_state(tmp_path, source_fit, net, {})
    again, loaded = load_state(tmp_path, NET)
    assert again.gp == source_fit.gp
    assert (again.unit, again.misses) == (source_fit.unit, source_fit.misses)
    assert same_arrays(source_fit.labels, again.labels)
    np.testing.assert_array_equal(again.offsets, source_fit.offsets)
    assert again.offsets.dtype == source_fit.offsets.dtype == np.float32
    if net is None:
        assert loaded is None
        return
    network, basis = loaded
    assert same_arrays(net[1], basis)
    assert not network.training
    state = network.state_dict()
    assert list(state) == list(net[0].state_dict())
    assert all(torch.equal(value, state[name]) for name, value in net[0].state_dict().items())


@every_share
@pytest.mark.parametrize("count", [0, COUNT])
def test_a_fit_that_starts_from_the_files_is_the_same_to_the_bit(world, share, count, tmp_path):
    predictor = fixed_predictor(share)
    save_state(tmp_path, *start_of(share), {})
    source_fit, net = load_state(tmp_path, NET)
    start = None if net is None else replace(predictor.net, network=net[0], basis=net[1])
    other = replace(predictor, source_fit=source_fit, net=start).fit(*world.anchors(count), seed=5)
    ours = fit_of(world, share, count)
    np.testing.assert_array_equal(other.probabilities(world.everything), ours.probabilities(world.everything))
    np.testing.assert_array_equal(other.z(world.everything), ours.z(world.everything))


@every_share
@pytest.mark.parametrize("count", [0, 1, COUNT])
def test_a_fitted_predictor_predicts_the_same_to_the_bit_after_saving_and_loading(
    world, share, count, tmp_path
):
    fitted = fit_of(world, share, count)
    save_fitted(fitted, tmp_path, {"predictor": "any"})
    loaded = load(tmp_path, share)
    drugs = world.everything
    np.testing.assert_array_equal(loaded.probabilities(drugs), fitted.probabilities(drugs))
    np.testing.assert_array_equal(loaded.z(drugs), fitted.z(drugs))
    np.testing.assert_array_equal(loaded.labels(drugs), fitted.labels(drugs))
    assert loaded.net_share == share
    assert (loaded.net is None) == (share == 0)
    assert loaded.temperature == fitted.temperature
    assert (loaded.temperature == UNCALIBRATED) == (share == 1 or count < 2)
    # Another fit is told apart.
    other = fit_of(world, share, COUNT + 3)
    assert not np.array_equal(loaded.z(drugs), other.z(drugs))


def test_offsets_that_were_set_aside_for_a_fit_come_back_with_it(world, tmp_path):
    """They are the fit's, not the state's, which a later setting may have changed."""
    offsets = np.array([[0, -1.5, 0], [0, 0.25, 0]], np.float32)
    save_fitted(replace(fit_of(world, 0), decision_offsets=offsets), tmp_path, {})
    loaded = load(tmp_path, 0)
    assert loaded.offsets.tolist() == [0, -1.5, 0]
    assert loaded.offsets_unseen.tolist() == [0, 0.25, 0]


def test_the_card_tells_the_temperature(world, tmp_path):
    fitted = replace(fit_of(world, 0), temperature=TemperatureScaling(0.75, -0.25))
    save_fitted(fitted, tmp_path, {})
    assert card_of(tmp_path)["temperature"] == {"scale": 0.75, "none": -0.25, "unseen": 0}
    assert load(tmp_path, 0).temperature == TemperatureScaling(0.75, -0.25)
    edit_card(tmp_path, temperature={"scale": 1, "temperature": 1})
    assert "not a usable model" in complaint(lambda folder: load(folder, 0), tmp_path)


def test_folders_hold_weights_and_a_readable_card_and_nothing_else(started, saved):
    for folder in (started, saved):
        assert set(contents(folder)) == {"weights.safetensors", "model.json"}
        assert card_of(folder)["predictor"] == "ensemble"
    assert card_of(saved)["net_share"] == 0.4
    assert set(card_of(started)["gp"]) == {"slope", "noise", "ridge", "kernel"}


@both
def test_weights_are_a_header_and_plain_numbers(request, fixture, read):
    """Nothing in the file can hold code: a JSON header, then the bytes of the arrays without a gap."""
    data = (request.getfixturevalue(fixture) / "weights.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    sizes = {"F32": 4, "F64": 8, "I64": 8}
    spans = sorted(one["data_offsets"] for one in header.values())
    for one in header.values():
        first, last = one["data_offsets"]
        assert last - first == sizes[one["dtype"]] * np.prod(one["shape"], dtype=int)
    assert [first for first, _ in spans] == [0, *(last for _, last in spans[:-1])]
    assert 8 + length + spans[-1][1] == len(data)


@both
def test_nothing_is_pickled(request, monkeypatch, world, tmp_path, fixture, read):
    folder = request.getfixturevalue(fixture)
    # Made beforehand, as torch may copy a network any way it likes.
    fitted, start = fit_of(world, 0.4), start_of(0.4)

    def refuse(*arguments, **options):
        raise AssertionError("pickle is refused")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch, "save", refuse)
    save_state(tmp_path / "one", *start, {})
    save_fitted(fitted, tmp_path / "two", {})
    read(folder)


@every_share
def test_the_same_input_is_written_as_the_same_bytes(world, share, tmp_path):
    card = {"predictor": "any", "targets": ["L0"]}
    for name in ("one", "two"):
        save_state(tmp_path / name, *start_of(share), card)
        save_fitted(fit_of(world, share), tmp_path / f"{name}-fit", card)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one-fit") == contents(tmp_path / "two-fit")
    source_fit, net = load_state(tmp_path / "one", NET)
    save_state(tmp_path / "again", source_fit, net, card)
    save_fitted(load(tmp_path / "one-fit", share), tmp_path / "again-fit", card)
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    assert contents(tmp_path / "one-fit") == contents(tmp_path / "again-fit")
    save_fitted(fit_of(world, share, COUNT + 1), tmp_path / "other-fit", card)
    assert contents(tmp_path / "one-fit") != contents(tmp_path / "other-fit")


def test_learning_all_over_again_is_written_as_the_same_bytes(world, started, tmp_path):
    again = world.predictor(0.4)
    net = again.net.network, again.net.basis
    save_state(tmp_path / "again", again.source_fit, net, {"predictor": "ensemble"})
    assert contents(tmp_path / "again") == contents(started)


def test_saving_again_replaces_what_was_there(world, saved):
    save_fitted(fit_of(world, 0, 3), saved, {"predictor": "response_gp"})
    assert set(contents(saved)) == {"weights.safetensors", "model.json"}
    loaded = load(saved, 0)
    assert loaded.net is None
    np.testing.assert_array_equal(loaded.gp.kernel.drugs, world.anchors(3)[0])


@both
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_named_with_the_remedy(request, fixture, read, name):
    folder = request.getfixturevalue(fixture)
    (folder / name).unlink()
    text = complaint(read, folder)
    assert text.startswith(f"{folder / name}: no such file")
    assert "dvc repro" in text


@pytest.mark.parametrize("read", [read_start, read_response], ids=["start", "response"])
def test_a_missing_folder_is_named(tmp_path, read):
    assert "no such file" in complaint(read, tmp_path / "nowhere")


@both
@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_an_error_that_names_the_folder(request, fixture, read, keep):
    folder = request.getfixturevalue(fixture)
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "not a usable model" in complaint(read, folder)


@both
@pytest.mark.parametrize(
    "junk", [b"junk", bytes(range(256)) * 40, b"\xff" * 64], ids=["text", "bytes", "ones"]
)
def test_weights_that_are_something_else_are_an_error_that_names_the_folder(request, fixture, read, junk):
    folder = request.getfixturevalue(fixture)
    (folder / "weights.safetensors").write_bytes(junk)
    assert "not a usable model" in complaint(read, folder)


@both
@pytest.mark.parametrize("text", ["", "{", '{"gp": {"slope"', "not json", "[1, 2]", "3", "null"])
def test_a_card_that_is_no_json_object_is_an_error_that_names_the_file(request, fixture, read, text):
    folder = request.getfixturevalue(fixture)
    (folder / "model.json").write_text(text, encoding="utf-8")
    assert complaint(read, folder).startswith(f"{folder / 'model.json'}: is no")


@pytest.mark.parametrize(
    ("fixture", "read", "key"),
    [
        ("started", read_start, "gp"),
        ("started", read_start, "net_inputs"),
        ("started", read_start, "forecast"),
        ("saved", read_response, "net_share"),
        ("saved", read_response, "temperature"),
    ],
)
def test_a_card_without_a_key_is_an_error_that_names_folder_and_key(request, fixture, read, key):
    folder = request.getfixturevalue(fixture)
    card = card_of(folder)
    del card[key]
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    text = complaint(read, folder)
    assert "not a usable model" in text
    assert key in text


@pytest.mark.parametrize(
    ("unit", "later"),
    [(0, [-1, 1]), (-1, [-1, 1]), ("x", [-1, 1]), (1, [0.5, 1]), (1, [-1, -0.5]), (1, [1]), (1, [-1, None])],
)
def test_limits_of_forecasts_that_cannot_be_are_an_error_that_names_the_folder(started, unit, later):
    misses = card_of(started)["forecast"]["misses"] | {"later": later}
    edit_card(started, forecast={"unit": unit, "misses": misses})
    assert "not a usable model" in complaint(read_start, started)


@both
def test_an_array_that_is_missing_is_an_error_that_names_the_folder(request, fixture, read):
    folder = request.getfixturevalue(fixture)
    names = list(load_file(folder / "weights.safetensors"))
    whole = contents(folder)["weights.safetensors"]
    assert len(names) > 10
    for name in names:
        edit_arrays(folder, lambda arrays, name=name: arrays.pop(name))
        assert "not a usable model" in complaint(read, folder)
        (folder / "weights.safetensors").write_bytes(whole)
    # Whole again, it can be read.
    read(folder)


@pytest.mark.parametrize(
    "settings",
    [replace(NET, hidden=(12, 11)), replace(NET, hidden=(13, 10)), replace(NET, hidden=(10, 12))],
    ids=lambda one: str(one.hidden),
)
def test_a_network_of_another_shape_than_the_settings_is_an_error_that_names_the_folder(started, settings):
    assert "not a usable model" in complaint(lambda folder: load_state(folder, settings), started)


@pytest.mark.parametrize("inputs", [[8, 5], [8, 3], [8], [8, 4, 1], ["8", "4"], 8], ids=str)
def test_inputs_that_do_not_fit_the_network_are_an_error_that_names_the_folder(started, inputs):
    assert card_of(started)["net_inputs"] == [8, 4]
    edit_card(started, net_inputs=inputs)
    assert "not a usable model" in complaint(read_start, started)


@pytest.mark.parametrize(
    "gp",
    [
        {},
        [],
        3,
        {"slope": 1, "noise": 1, "ridge": 1},
        {"slope": 1, "noise": 1, "ridge": 1, "kernel": {"angle": 1}},
        {"slope": 1, "noise": 1, "ridge": 1, "kernel": {}, "more": 1},
        # A weight that is missing is not taken from the defaults: it may be newer than the file.
        {"slope": 1, "noise": 1, "ridge": 1, "kernel": {"cosine": 0.1, "linear": 1.0, "structure": 0.1}},
    ],
    ids=str,
)
def test_settings_that_are_none_of_the_process_are_an_error_that_names_the_folder(started, gp):
    edit_card(started, gp=gp)
    assert "not a usable model" in complaint(read_start, started)


def test_anchors_that_the_atlas_does_not_have_are_an_error_that_names_the_folder(saved):
    def beyond(arrays):
        arrays["anchors"] = arrays["anchors"] + 1000

    edit_arrays(saved, beyond)
    assert "not a usable model" in complaint(read_response, saved)


def test_a_share_without_a_network_is_an_error_that_names_the_folder(world, tmp_path):
    save_fitted(fit_of(world, 0), tmp_path, {})
    edit_card(tmp_path, net_share=0.4)
    assert "not a usable model" in complaint(read_response, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("anchors", "shift", "coefficients", "precision", "pattern", "offsets"),
        *("net.drug", "net.hidden", "net.output", "net.output_bias", "net.path", "basis.mean"),
    ],
)
def test_an_array_that_was_cut_is_an_error(saved, name):
    edit_arrays(saved, lambda arrays: arrays.update({name: arrays[name][:-1].copy()}))
    # What was cut is not always what is named: the others do not fit it either.
    assert "does not fit the rest, or the atlas" in complaint(read_response, saved)


@pytest.mark.parametrize(
    "name", ["offsets", "labels.gene", "labels.spread", "basis.mean", "basis.components"]
)
def test_an_array_of_the_start_that_was_cut_is_an_error(started, name):
    edit_arrays(started, lambda arrays: arrays.update({name: arrays[name][:-1].copy()}))
    complaint(read_start, started)


@pytest.mark.parametrize("components", [7, 9, 800, -8])
def test_a_number_of_components_that_is_not_the_basis_is_an_error(started, components):
    edit_card(started, net_inputs=[components, card_of(started)["net_inputs"][1]])
    complaint(read_start, started)


@pytest.mark.parametrize("share", ["x", [1], None])
def test_a_share_that_is_no_number_is_an_error(saved, share):
    edit_card(saved, net_share=share)
    complaint(read_response, saved)
