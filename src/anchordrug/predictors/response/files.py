"""Files of response predictors: weights.safetensors (every array) and model.json (the rest)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save

from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.files.tables import read_json, write_json
from anchordrug.predictors.base import Expectation
from anchordrug.predictors.damage import usable
from anchordrug.predictors.response.gp import GpSettings, KernelWeights
from anchordrug.predictors.response.label_model import LabelModel
from anchordrug.predictors.response.misses import Misses
from anchordrug.predictors.response.net import NetSettings, PriorBasis
from anchordrug.predictors.response.pseudo_targets import SourceFit

# Brings torch, which response_gp does without.
if TYPE_CHECKING:
    from anchordrug.predictors.response.net_training import ResponseNet

WEIGHTS, CARD = "weights.safetensors", "model.json"


def save_state(
    folder: Path,
    source_fit: SourceFit,
    net: "tuple[ResponseNet, PriorBasis] | None",
    card: Mapping[str, object],
) -> None:
    """Write the lessons of pseudo-targets and, where there is one, the pre-trained network."""
    arrays = prefixed("labels", source_fit.labels) | {"offsets": source_fit.offsets}
    shape: list[int] = []
    if net is not None:
        network, basis = net
        arrays |= prefixed("basis", basis)
        arrays |= {f"network.{name}": value.numpy() for name, value in network.state_dict().items()}
        shape = [basis.components.shape[1], network.cell.in_features]
    expected = [asdict(entry) for entry in source_fit.expected]
    forecast = {"unit": source_fit.unit, "misses": asdict(source_fit.misses)}
    lessons = {"gp": asdict(source_fit.gp), "net_inputs": shape, "expected": expected, "forecast": forecast}
    write(folder, arrays, {**lessons, **card})


def load_state(
    folder: Path, settings: NetSettings | None
) -> "tuple[SourceFit, tuple[ResponseNet, PriorBasis] | None]":
    """Read the files of `save_state`; `settings` give the network's shape.

    Raises
    ------
    RawDataError
        A file is missing or damaged, or the shape differs.
    """
    with reading(folder) as (arrays, card):
        kernel = card["gp"]["kernel"]
        # A weight that an older version did not have would otherwise get today's default.
        require("kernel", set(kernel) == {field.name for field in fields(KernelWeights)})
        gp = GpSettings(**{**card["gp"], "kernel": KernelWeights(**kernel)})
        labels = LabelModel(**part(arrays, "labels"))
        expected = tuple(Expectation(**entry) for entry in card["expected"])
        unit, misses = _forecasts(card["forecast"])
        source_fit = SourceFit(gp, labels, arrays["offsets"], expected, unit, misses)
        require("labels", labels.gene.shape == (len(labels.spread), 3) and arrays["offsets"].shape == (3,))
        if not card["net_inputs"]:
            return source_fit, None
        if settings is None:
            raise ValueError("it holds a network, which this predictor has none of")
        return source_fit, _network(arrays, card["net_inputs"], settings)
    raise AssertionError


def _network(
    arrays: Mapping[str, np.ndarray], inputs: Sequence[int], settings: NetSettings
) -> "tuple[ResponseNet, PriorBasis]":
    """Return the network with its basis; `inputs` are its components and the length of an embedding."""
    import torch

    from anchordrug.predictors.response.net_training import ResponseNet

    basis = PriorBasis(**part(arrays, "basis"))
    state = {name: torch.from_numpy(value) for name, value in part(arrays, "network").items()}
    components, cell = inputs
    bits = state["drug.weight"].shape[1] - components - 2
    genes = state["output.bias"].shape[0] // 3
    require("basis", basis.components.shape == (genes, components) and basis.mean.shape == (genes,))
    network = ResponseNet(bits, components, cell, genes, settings, seed=0)
    network.load_state_dict(state)
    return network.eval(), basis


def _forecasts(values: Mapping[str, Any]) -> tuple[float, Misses]:
    """Return `SourceFit.unit` and `SourceFit.misses`."""
    unit = float(values["unit"])
    misses = Misses(**{name: (float(low), float(high)) for name, (low, high) in values["misses"].items()})
    limits = [misses.score, misses.first, misses.later]
    require("forecast", unit > 0 and bool(np.isfinite([unit, *np.ravel(limits)]).all()))
    require("forecast", all(low <= 0 <= high for low, high in limits))
    return unit, misses


def require(name: str, holds: bool) -> None:
    """Raise ValueError that names the part `name` unless it `holds`."""
    if not holds:
        raise ValueError(f"'{name}' does not fit the rest, or the atlas")


def prefixed(prefix: str, holder: object) -> dict[str, np.ndarray]:
    """Return the arrays among the fields of `holder` under names that begin with `prefix`."""
    values = {f"{prefix}.{field.name}": getattr(holder, field.name) for field in fields(holder)}  # pyright: ignore[reportArgumentType]
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the fields of `prefixed` by their own names."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in arrays.items() if name.startswith(start)}


def write(folder: Path, arrays: Mapping[str, np.ndarray], card: Mapping[str, object]) -> None:
    """Write arrays and card into `folder`."""
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save({name: np.asarray(value, order="C") for name, value in arrays.items()}))
    write_json(card, folder / CARD)


@contextmanager
def reading(folder: Path) -> Iterator[tuple[dict[str, np.ndarray], dict]]:
    """Yield arrays and card; a fault in the block becomes an error that names the folder.

    Raises
    ------
    RawDataError
        A file is missing or damaged, or the block finds that parts do not fit.
    """
    card = read_json(folder / CARD)
    weights = require_file(folder / WEIGHTS, "run the stage that writes it (dvc repro)")
    with usable(folder):
        yield load_file(weights), card
