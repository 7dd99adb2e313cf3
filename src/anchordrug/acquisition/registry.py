"""The registry of strategies: a name, and a pure function from a pool to a batch of drugs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anchordrug.acquisition.view import PoolView
from anchordrug.errors import SettingsError, near


@dataclass(frozen=True)
class Selection:
    """A batch: int64 positions in the pool, best first, and the float64 score of every one of them."""

    positions: np.ndarray
    scores: np.ndarray


Strategy = Callable[[PoolView, int, np.random.Generator], Selection]
_strategies: dict[str, Strategy] = {}


def register(name: str) -> Callable[[Strategy], Strategy]:
    """Register the decorated function under `name`."""

    def keep(function: Strategy) -> Strategy:
        _strategies[name] = function
        return function

    return keep


def strategies() -> list[str]:
    """Return the registered names in alphabetical order."""
    return sorted(_strategies)


def strategy(name: str) -> Strategy:
    """Return the strategy registered under `name`.

    Raises
    ------
    SettingsError
        There is none; the message lists them.
    """
    if name not in _strategies:
        raise SettingsError(
            f"select.strategy: '{name}' is unknown{near(name, _strategies)} "
            f"(there are {', '.join(strategies())})"
        )
    return _strategies[name]


def highest(scores: np.ndarray, batch: int) -> Selection:
    """Return the `batch` highest of `scores` [pool]; ties keep the order of the pool (by InChIKey)."""
    positions = np.argsort(-scores, kind="stable")[:batch]
    return Selection(positions, scores[positions].astype(np.float64))
