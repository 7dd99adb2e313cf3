"""The registry of strategies: a name, and a pure function from a pool to a batch of drugs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

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
    """Register the decorated function under `name`; it is only called with batches that the pool can hold."""

    def keep(function: Strategy) -> Strategy:
        @wraps(function)
        def checked(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
            if not 1 <= batch <= len(view.drugs):
                raise SettingsError(
                    f"select.batch: cannot choose {batch} of the {len(view.drugs)} drugs left in the pool"
                )
            return function(view, batch, rng)

        _strategies[name] = checked
        return checked

    return keep


def strategies() -> list[str]:
    """Return the registered names in alphabetical order."""
    return sorted(_strategies)


def strategy(name: str, key: str = "select.strategy") -> Strategy:
    """Return the strategy registered under `name`; `key` is the setting that asks for it.

    Raises
    ------
    SettingsError
        There is none; the message lists them.
    """
    if name not in _strategies:
        raise SettingsError(
            f"{key}: '{name}' is unknown{near(name, _strategies)} (there are {', '.join(strategies())})"
        )
    return _strategies[name]


def highest(scores: np.ndarray, batch: int) -> Selection:
    """Return the `batch` highest of `scores` [pool]; ties keep the order of the pool (by InChIKey)."""
    positions = np.argsort(-scores, kind="stable")[:batch]
    return Selection(positions, scores[positions].astype(np.float64))


def first_of_largest(values: np.ndarray) -> int:
    """Return the first position whose value is the largest to within rounding.

    Twins, such as stereo-isomers with one fingerprint, differ by rounding that depends on where in the
    pool they stand; the pool's order has to settle them.
    """
    largest = values.max()
    return int(np.argmax(values >= largest - abs(largest) * 1e-5))
