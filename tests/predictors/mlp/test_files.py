"""Networks on disk: what is written comes back, and what is damaged is told in one line."""

import json

import numpy as np
import pytest

from anchordrug.errors import RawDataError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.predictors.mlp.files import load_mlp, save_mlp
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.predictor import MlpFitted

SHAPE = MlpShape((12, 5, 7), (16, 8, 6), 0.4)
DRUGS = np.arange(9)


def fitted(network):
    rng = np.random.default_rng(0)
    blocks = FeatureBlocks(
        unit_rows(rng.integers(0, 2, (9, 12))),
        unit_rows(rng.normal(size=(3, 5))),
        unit_rows(rng.integers(0, 2, (11, 7))),
    )
    return MlpFitted(network, blocks, 1)


@pytest.fixture
def saved(tmp_path):
    """A folder that holds a network."""
    folder = tmp_path / "model"
    save_mlp(FactorisedMlp(SHAPE, seed=3), folder, {"predictor": "mlp", "targets": ["SIM-T1"]})
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit_card(folder, **changes):
    card = json.loads((folder / "model.json").read_text(encoding="utf-8")) | changes
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")


def complaint(folder):
    with pytest.raises(RawDataError) as caught:
        load_mlp(folder)
    return str(caught.value)


def test_a_network_predicts_the_same_after_saving_and_loading(tmp_path):
    network = FactorisedMlp(SHAPE, seed=3)
    save_mlp(network, tmp_path, {})
    loaded = load_mlp(tmp_path)
    assert loaded.shape == SHAPE
    assert not loaded.training
    np.testing.assert_array_equal(fitted(network).probabilities(DRUGS), fitted(loaded).probabilities(DRUGS))
    for one, other in zip(
        fitted(network).dropout_probabilities(DRUGS, 2, np.random.default_rng(5)),
        fitted(loaded).dropout_probabilities(DRUGS, 2, np.random.default_rng(5)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    other = FactorisedMlp(SHAPE, seed=4)
    assert np.abs(fitted(network).probabilities(DRUGS) - fitted(other).probabilities(DRUGS)).max() > 1e-4


def test_the_folder_holds_weights_and_a_readable_card_and_nothing_else(saved):
    assert set(contents(saved)) == {"weights.safetensors", "model.json"}
    card = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    assert card == {
        "inputs": [12, 5, 7],
        "hidden": [16, 8, 6],
        "dropout": 0.4,
        "predictor": "mlp",
        "targets": ["SIM-T1"],
    }


def test_the_same_network_is_written_as_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_mlp(FactorisedMlp(SHAPE, seed=3), tmp_path / name, {"predictor": "mlp"})
    save_mlp(load_mlp(tmp_path / "one"), tmp_path / "three", {"predictor": "mlp"})
    save_mlp(FactorisedMlp(SHAPE, seed=4), tmp_path / "other", {"predictor": "mlp"})
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert first["weights.safetensors"] != contents(tmp_path / "other")["weights.safetensors"]


def test_saving_again_replaces_the_network(saved):
    network = FactorisedMlp(MlpShape((12, 5, 7), (10, 9, 4), 0.1), seed=8)
    save_mlp(network, saved, {})
    loaded = load_mlp(saved)
    assert loaded.shape == network.shape
    np.testing.assert_array_equal(fitted(network).probabilities(DRUGS), fitted(loaded).probabilities(DRUGS))


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_named_with_the_remedy(saved, name):
    (saved / name).unlink()
    text = complaint(saved)
    assert text.startswith(f"{saved / name}: no such file")
    assert "dvc repro" in text
    assert "\n" not in text


def test_a_missing_folder_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in complaint(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_an_error_that_names_the_folder(saved, keep):
    path = saved / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    text = complaint(saved)
    assert text.startswith(f"{saved}")
    assert "not a usable model" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": [16, 8, 7]},
        {"hidden": [17, 8, 6]},
        {"inputs": [13, 5, 7]},
        {"inputs": [11, 6, 7]},
    ],
    ids=str,
)
def test_weights_of_another_shape_are_an_error_that_names_the_folder(saved, change):
    edit_card(saved, **change)
    text = complaint(saved)
    assert text.startswith(f"{saved}")
    assert "\n" not in text


@pytest.mark.parametrize(
    "change",
    [{"hidden": [16, 8]}, {"inputs": [12, 12]}, {"inputs": 24}, {"hidden": ["16", "8", "6"]}],
    ids=str,
)
def test_a_card_that_is_no_shape_is_an_error_that_names_the_folder(saved, change):
    edit_card(saved, **change)
    text = complaint(saved)
    assert text.startswith(f"{saved}")
    assert "\n" not in text


@pytest.mark.parametrize("key", ["inputs", "hidden", "dropout"])
def test_a_card_without_a_key_is_an_error_that_names_folder_and_key(saved, key):
    card = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    del card[key]
    (saved / "model.json").write_text(json.dumps(card), encoding="utf-8")
    text = complaint(saved)
    assert text.startswith(f"{saved}")
    assert key in text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "{", '{"inputs": [12, 5', "not json"])
def test_a_card_that_is_not_json_is_an_error_that_names_the_file(saved, text):
    (saved / "model.json").write_text(text, encoding="utf-8")
    message = complaint(saved)
    assert message.startswith(f"{saved / 'model.json'}: is not JSON")
    assert "\n" not in message


@pytest.mark.parametrize("text", ["[1, 2]", "3", '"mlp"', "null"])
def test_a_card_that_is_no_json_object_is_an_error_that_names_the_folder(saved, text):
    (saved / "model.json").write_text(text, encoding="utf-8")
    message = complaint(saved)
    assert str(saved) in message
    assert "\n" not in message
