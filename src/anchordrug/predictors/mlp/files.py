"""Files of the paper's network: weights.safetensors and model.json."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from safetensors.torch import load_file, save

from anchordrug.errors import RawDataError
from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.files.tables import read_json, write_json
from anchordrug.predictors.damage import usable
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.temperature import TemperatureScaling


def save_mlp(network: FactorisedMlp, folder: Path, card: Mapping[str, object]) -> None:
    """Write weights.safetensors and model.json (the network's shape and `card`) into `folder`."""
    shape = network.shape
    with atomic_path(folder / "weights.safetensors") as temporary:
        temporary.write_bytes(
            save({name: value.contiguous() for name, value in network.state_dict().items()})
        )
    write_json(
        {"inputs": list(shape.inputs), "hidden": list(shape.hidden), "dropout": shape.dropout, **card},
        folder / "model.json",
    )


def load_temperature(folder: Path) -> TemperatureScaling:
    """Read the temperature scaling of a fitted network.

    Raises
    ------
    RawDataError
        model.json is missing or holds none.
    """
    stored = read_json(folder / "model.json").get("temperature")
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(TemperatureScaling)}:
        raise RawDataError(f"{folder}: not a usable model ('temperature' is missing); train it again")
    with usable(folder):
        return TemperatureScaling(**stored)


def load_mlp(folder: Path) -> FactorisedMlp:
    """Read a network that `save_mlp` wrote.

    Raises
    ------
    RawDataError
        A file is missing, damaged, or does not fit the shape in model.json.
    """
    card = read_json(folder / "model.json")
    weights = require_file(folder / "weights.safetensors", "run the stage that trains it (dvc repro)")
    with usable(folder):
        shape = MlpShape(tuple(card["inputs"]), tuple(card["hidden"]), card["dropout"])
        network = FactorisedMlp(shape, seed=0)
        network.load_state_dict(load_file(weights))
        return network.eval()
