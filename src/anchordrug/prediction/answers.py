"""The answers of an exported model: inputs and outputs checked at load, values checked after every call."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from anchordrug.errors import LibraryError
from anchordrug.prediction.card import REMEDY

# How far the sum of a row's probabilities may be from 1.
SUM_TOLERANCE = 1e-3
# How far a probability or a similarity may be outside [0, 1], by rounding.
ROUNDING = 1e-6


class End(Protocol):
    """An input or output of a session of onnxruntime."""

    name: str
    type: str
    shape: list[Any]


class Kind(NamedTuple):
    """Type and shape of an input or output, without the first axis, which is drugs."""

    type: str
    axes: tuple[int, ...] = ()

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return np.dtype(np.int64 if self.type == _INTEGERS else np.float32)


_FLOATS, _INTEGERS, _TEXTS = "tensor(float)", "tensor(int64)", "tensor(string)"


def inputs_of(card: Mapping[str, Any]) -> dict[str, Kind]:
    """Return the inputs that the model of a card takes, by name."""
    return {"fingerprint": Kind(_FLOATS, (card["fingerprint"]["bits"],)), "inchikey": Kind(_TEXTS)}


def outputs_of(card: Mapping[str, Any]) -> dict[str, Kind]:
    """Return the outputs that the model of a card gives, by name; it may lack z."""
    genes = len(card["genes"])
    return {
        "probabilities": Kind(_FLOATS, (genes, 3)),
        "z": Kind(_FLOATS, (genes,)),
        "nearest": Kind(_INTEGERS),
        "similarity": Kind(_FLOATS),
        "source_lines": Kind(_INTEGERS),
    }


def require_ends(
    inputs: Sequence[End], outputs: Sequence[End], card: Mapping[str, Any], path: Path
) -> list[str]:
    """Return the names of the outputs to ask for; other outputs are ignored.

    Raises
    ------
    LibraryError
        An input or output of the model at `path` is missing, has another type or shape than its card says, or
        is an input that nobody fills.
    """
    wanted = inputs_of(card)
    for end in inputs:
        if end.name not in wanted:
            raise LibraryError(f"{path}: takes a further input, '{end.name}'; {REMEDY}")
    _require_kinds("input", inputs, wanted, path)
    given = outputs_of(card)
    names = [end.name for end in outputs if end.name in given]
    if "z" not in names:
        del given["z"]
    _require_kinds("output", outputs, given, path)
    return names


def _require_kinds(role: str, ends: Sequence[End], wanted: Mapping[str, Kind], path: Path) -> None:
    found = {end.name: end for end in ends}
    for name, kind in wanted.items():
        if name not in found:
            raise LibraryError(f"{path}: has no {role} '{name}'; {REMEDY}")
        end = found[name]
        drugs, *axes = end.shape or [None]
        if end.type != kind.type or tuple(axes) != kind.axes or isinstance(drugs, int):
            raise LibraryError(
                f"{path}: its {role} '{name}' is {end.type} {_shape(end.shape)}, but its card says "
                f"{kind.type} {_shape(['n', *kind.axes])}; {REMEDY}"
            )


def _shape(axes: Sequence[object]) -> str:
    return f"[{', '.join(map(str, axes))}]"


def require_possible(
    found: Mapping[str, Any], drugs: int, card: Mapping[str, Any], path: Path
) -> dict[str, np.ndarray]:
    """Return the outputs of one call as arrays.

    Parameters
    ----------
    found
        Outputs by name, for so many `drugs`.

    Raises
    ------
    LibraryError
        An output has another type or shape than the card says, or values that it cannot have. Numbers are
        finite; probabilities and similarities are in [0, 1]; a row's probabilities have the sum 1.
    """
    arrays = {}
    for name, kind in outputs_of(card).items():
        if name not in found:
            continue
        values, shape = np.asarray(found[name]), (drugs, *kind.axes)
        if values.dtype != kind.dtype or values.shape != shape:
            raise LibraryError(
                f"{path}: gives '{name}' as {values.dtype} {_shape(values.shape)}, expected {kind.dtype} "
                f"{_shape(shape)}; {REMEDY}"
            )
        problem = _PROBLEMS[name](values, card)
        if problem is not None:
            raise LibraryError(f"{path}: gives '{name}' that {problem}; {REMEDY}")
        arrays[name] = values
    return arrays


def _of_probabilities(values: np.ndarray, card: Mapping[str, Any]) -> str | None:
    problem = _of_shares(values, card)
    # By three whole arrays: numpy's reductions over an axis of three are ten times slower.
    sums = values[..., 0] + values[..., 1] + values[..., 2]
    if problem is None and not np.abs(sums - 1).max(initial=0) <= SUM_TOLERANCE:
        return f"sum up to {sums.flat[np.abs(sums - 1).argmax()]:.6g} instead of 1"
    return problem


def _of_shares(values: np.ndarray, card: Mapping[str, Any]) -> str | None:
    least, most = values.min(initial=0), values.max(initial=0)
    # NaN is neither.
    if least >= -ROUNDING and most <= 1 + ROUNDING:
        return None
    return _of_numbers(values, card) or f"are not between 0 and 1 ({least:.6g} to {most:.6g})"


def _of_numbers(values: np.ndarray, _: Mapping[str, Any]) -> str | None:
    return None if np.isfinite(values).all() else "are not finite numbers"


def _of_places(values: np.ndarray, card: Mapping[str, Any]) -> str | None:
    drugs = len(card["learned_drugs"])
    if values.min(initial=0) >= 0 and values.max(initial=0) < drugs:
        return None
    return f"are not places in the {drugs} 'learned_drugs' of its card ({values.min()} to {values.max()})"


def _of_counts(values: np.ndarray, card: Mapping[str, Any]) -> str | None:
    lines = len(card["source_cell_lines"])
    if values.min(initial=0) >= 0 and values.max(initial=0) <= lines:
        return None
    return f"are not counts of the {lines} 'source_cell_lines' of its card ({values.min()} to {values.max()})"


_PROBLEMS: dict[str, Callable[[np.ndarray, Mapping[str, Any]], str | None]] = {
    "probabilities": _of_probabilities,
    "z": _of_numbers,
    "nearest": _of_places,
    "similarity": _of_shares,
    "source_lines": _of_counts,
}
