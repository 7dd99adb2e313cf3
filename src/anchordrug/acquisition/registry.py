"""The registry of strategies: a name, and a pure function from a pool to a batch of drugs.

A strategy of this package is a module of `anchordrug.acquisition.strategies`. Other packages offer a function
``(view, batch, rng) -> Selection`` under the entry point group `anchordrug.strategies`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

import numpy as np

from anchordrug.acquisition.reasons import alike
from anchordrug.acquisition.view import PoolView
from anchordrug.errors import SettingsError, StrategyError
from anchordrug.registry import Registry


@dataclass(frozen=True)
class Selection:
    """A batch of drugs.

    Attributes
    ----------
    positions
        int64 [batch] distinct positions in the pool, best first.
    scores
        float64 [batch], finite; 0 where a strategy gives its choices no score.
    reasons
        A sentence per drug for a biologist: the knowledge that its measurement brings. A strategy may leave
        them out; the registry then names the strategy and the score.
    """

    positions: np.ndarray
    scores: np.ndarray
    reasons: tuple[str, ...] = ()


Strategy = Callable[[PoolView, int, np.random.Generator], Selection]


def register(name: str) -> Callable[[Strategy], Strategy]:
    """Register the decorated function under `name`, with a check of the batch asked for and of its choice."""
    return lambda function: _strategies.register(name, function)


def strategies() -> list[str]:
    """Return the names of all strategies in alphabetical order."""
    return _strategies.names()


def strategy(name: str, source: str | None = None) -> Strategy:
    """Return the strategy called `name`; errors begin with `source`, the setting that the name comes from.

    The strategy raises a SettingsError if the batch exceeds the pool or the view lacks something it needs. It
    raises a StrategyError if it returns anything but a batch of distinct drugs of the pool.

    Raises
    ------
    SettingsError
        There is no such strategy (the message lists them), or the package that offers it is broken.
    """
    return _strategies.get(name, source)


def _checked(name: str, function: Strategy) -> Strategy:
    if not callable(function):
        raise SettingsError(f"strategy '{name}' must be a function (view, batch, rng) -> Selection")

    @wraps(function)
    def checked(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
        if not 1 <= batch <= len(view.drugs):
            raise SettingsError(
                f"strategy '{name}': cannot choose {batch} of the {len(view.drugs)} drugs left in the pool"
            )
        try:
            selection = function(view, batch, rng)
        except SettingsError as error:
            raise SettingsError(f"strategy '{name}': {error}") from error
        defect = _defect(selection, batch, len(view.drugs))
        if defect is not None:
            raise StrategyError(f"strategy '{name}' {defect}; correct the strategy or choose another")
        if selection.reasons:
            return selection
        return replace(
            selection, reasons=alike(f"Strategy {name} chose it with a score of {{}}.", selection.scores)
        )

    return checked


def _defect(selection: object, batch: int, pool: int) -> str | None:
    """Return how `selection` breaks the contract, or None."""
    if not isinstance(selection, Selection):
        return f"returned {type(selection).__name__} in place of a Selection"
    positions, scores = np.asarray(selection.positions), np.asarray(selection.scores)
    if positions.shape != (batch,) or positions.dtype.kind not in "iu":
        return f"returned positions {positions.dtype} {list(positions.shape)} in place of integers [{batch}]"
    outside = positions[(positions < 0) | (positions >= pool)]
    if len(outside):
        return f"chose position {outside[0]} of a pool of {pool} drugs"
    values, counts = np.unique(positions, return_counts=True)
    if len(values) < batch:
        return f"chose position {values[counts > 1][0]} more than once"
    if scores.shape != (batch,):
        return f"returned scores {list(scores.shape)} for a batch of {batch}"
    if not np.isfinite(scores).all():
        return f"returned the score {scores[~np.isfinite(scores)][0]}, which is not finite"
    if len(selection.reasons) not in (0, batch):
        return f"returned {len(selection.reasons)} reasons for a batch of {batch}"
    return None


_strategies: Registry[Strategy] = Registry(
    "strategy", "anchordrug.acquisition.strategies", "anchordrug.strategies", _checked
)
