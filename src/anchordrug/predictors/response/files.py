"""Files of response predictors: weights.safetensors (every array) and model.json (the rest)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from anchordrug.errors import RawDataError
from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.files.tables import read_json, write_json
from anchordrug.predictors.response.gp import DrugKernel, GpFit, GpSettings, KernelWeights
from anchordrug.predictors.response.label_model import LabelModel
from anchordrug.predictors.response.net import PATHS, NetFit, NetSettings, PriorBasis, ResponseNet
from anchordrug.predictors.response.predictor import ResponseFitted
from anchordrug.predictors.response.prior import ResponsePrior
from anchordrug.predictors.response.pseudo_targets import SourceFit
from anchordrug.predictors.temperature import TemperatureScaling

WEIGHTS, CARD = "weights.safetensors", "model.json"


def save_start(
    folder: Path,
    calibration: SourceFit,
    net: tuple[ResponseNet, PriorBasis] | None,
    card: Mapping[str, object],
) -> None:
    """Write what source lines taught: calibration and, where there is one, the pre-trained network."""
    arrays = _prefixed("labels", calibration.labels) | {"offsets": calibration.offsets}
    shape: list[int] = []
    if net is not None:
        network, basis = net
        arrays |= _prefixed("basis", basis)
        arrays |= {f"network.{name}": value.numpy() for name, value in network.state_dict().items()}
        shape = [basis.components.shape[1], network.cell.in_features]
    _write(folder, arrays, {"gp": asdict(calibration.gp), "net_inputs": shape, **card})


def load_start(
    folder: Path, settings: NetSettings
) -> tuple[SourceFit, tuple[ResponseNet, PriorBasis] | None]:
    """Read what `save_start` wrote; `settings` give the network's shape.

    Raises
    ------
    RawDataError
        A file is missing or damaged, or the shape is another one.
    """
    with _reading(folder) as (arrays, card):
        gp = GpSettings(**{**card["gp"], "kernel": KernelWeights(**card["gp"]["kernel"])})
        labels = LabelModel(**_part(arrays, "labels"))
        calibration = SourceFit(gp, labels, arrays["offsets"])
        _require("labels", labels.gene.shape == (len(labels.spread), 3) and arrays["offsets"].shape == (3,))
        if not card["net_inputs"]:
            return calibration, None
        basis = PriorBasis(**_part(arrays, "basis"))
        state = {name: torch.from_numpy(value) for name, value in _part(arrays, "network").items()}
        components, cell = card["net_inputs"]
        bits = state["drug.weight"].shape[1] - components - 2
        genes = state["output.bias"].shape[0] // 3
        _require("basis", basis.components.shape == (genes, components) and basis.mean.shape == (genes,))
        network = ResponseNet(bits, components, cell, genes, settings, seed=0)
        network.load_state_dict(state)
        return calibration, (network.eval(), basis)
    raise AssertionError


def save_response(fitted: ResponseFitted, folder: Path, card: Mapping[str, object]) -> None:
    """Write what was fitted to the anchors; the atlas and the pre-trained part hold the rest."""
    arrays = {
        "anchors": fitted.gp.kernel.drugs,
        "slope": np.array([fitted.gp.slope]),
        "shift": fitted.gp.shift,
        "coefficients": fitted.gp.coefficients,
        "precision": fitted.gp.precision,
        "offsets": fitted.offsets,
    }
    if fitted.net is not None:
        arrays |= _prefixed("net", fitted.net) | _prefixed("basis", fitted.net.basis)
    _write(folder, arrays, {"net_share": fitted.net_share, "calibration": asdict(fitted.calibration), **card})


def load_response(folder: Path, prior: ResponsePrior, calibration: SourceFit, scale: float) -> ResponseFitted:
    """Read what `save_response` wrote.

    Parameters
    ----------
    prior, calibration, scale
        Those of the predictor it was fitted by.

    Raises
    ------
    RawDataError
        A file is missing or damaged.
    """
    with _reading(folder) as (arrays, card):
        anchors, genes = arrays["anchors"], prior.total.shape[1]
        for name, shape in {
            "shift": prior.total.shape,
            "slope": (1,),
            "coefficients": (len(anchors), genes),
            "precision": (len(anchors), len(anchors)),
            "offsets": (3,),
        }.items():
            _require(name, arrays[name].shape == shape)
        _require("anchors", anchors.ndim == 1 and not len(anchors[anchors >= len(prior.bits)]))
        _require("net_share", isinstance(card["net_share"], int | float))
        kernel = DrugKernel(calibration.gp.kernel, prior, anchors, prior.evidence_of(anchors).prior, scale)
        gp = GpFit(
            np.float32(arrays["slope"][0]),
            arrays["shift"],
            kernel,
            arrays["coefficients"],
            arrays["precision"],
        )
        net = None
        if card["net_share"]:
            net = NetFit(PriorBasis(**_part(arrays, "basis")), **_part(arrays, "net"))
            _require("net", _fits(net, prior.bits.shape[1], genes))
        scale_of_logits = TemperatureScaling(**card["calibration"])
        return ResponseFitted(
            prior, gp, calibration.labels, net, card["net_share"], arrays["offsets"], scale_of_logits
        )
    raise AssertionError


def _fits(net: NetFit, bits: int, genes: int) -> bool:
    """Say whether the arrays of a network fit each other."""
    components = net.basis.components.shape[-1]
    first, second = len(net.drug_bias), len(net.hidden_bias)
    return (
        net.basis.mean.shape == (genes,)
        and net.basis.components.shape == (genes, components)
        and net.drug.shape == (bits + components + 2, first)
        and net.hidden.shape == (first, second)
        and net.output.shape == (second, genes * 3)
        and net.output_bias.shape == (genes, 3)
        and net.path.shape == (PATHS, genes, 3)
    )


def _require(name: str, holds: bool) -> None:
    if not holds:
        raise ValueError(f"'{name}' does not fit the rest, or the atlas")


def _prefixed(prefix: str, holder: object) -> dict[str, np.ndarray]:
    values = {f"{prefix}.{field.name}": getattr(holder, field.name) for field in fields(holder)}  # pyright: ignore[reportArgumentType]
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in arrays.items() if name.startswith(start)}


def _write(folder: Path, arrays: Mapping[str, np.ndarray], card: dict[str, object]) -> None:
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(value) for name, value in arrays.items()}))
    write_json(card, folder / CARD)


@contextmanager
def _reading(folder: Path) -> Iterator[tuple[dict[str, np.ndarray], dict]]:
    card = read_json(folder / CARD)
    weights = require_file(folder / WEIGHTS, "run the stage that writes it (dvc repro)")
    try:
        yield load_file(weights), card
    except (KeyError, IndexError, TypeError, ValueError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RawDataError(f"{folder}: not a usable model ({reason}); train it again") from error
