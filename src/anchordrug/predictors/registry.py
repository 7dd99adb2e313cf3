"""The registry of predictors: a name, its settings, and the class that learns.

A predictor of this package registers itself in a module of `anchordrug.predictors`; other packages offer a
`Predictor` subclass under the entry point group `anchordrug.predictors`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from anchordrug.errors import SettingsError, near
from anchordrug.predictors.base import Predictor, PredictorParams
from anchordrug.registry import Registry
from anchordrug.settings import Settings, checked


@dataclass(frozen=True)
class Method:
    """A registered predictor; `load_class` imports it, so that settings can be checked without torch."""

    params: type[PredictorParams]
    load_class: Callable[[], type[Predictor]]


def _prepared(name: str, method: Method | type[Predictor]) -> Method | type[Predictor]:
    if isinstance(method, Method):
        return method
    if not (isinstance(method, type) and issubclass(method, Predictor)):
        raise SettingsError(f"predictor '{name}' must be a subclass of anchordrug.predictors.base.Predictor")
    params = getattr(method, "Params", None)
    if not (isinstance(params, type) and issubclass(params, PredictorParams)):
        raise SettingsError(f"predictor '{name}' must name its settings: Params, a PredictorParams")
    return method


_methods: Registry[Method | type[Predictor]] = Registry(
    "predictor", "anchordrug.predictors", "anchordrug.predictors", _prepared
)


def register(name: str) -> Callable[[type[Predictor]], type[Predictor]]:
    """Register the decorated `Predictor` subclass under `name`."""

    def keep(predictor: type[Predictor]) -> type[Predictor]:
        _methods.register(name, predictor)
        return predictor

    return keep


def register_at(name: str, params: type[PredictorParams], place: str) -> None:
    """Register the class at `place` ("module:Class"), which is imported when it is first used."""
    module, _, predictor = place.partition(":")
    _methods.register(name, Method(params, lambda: getattr(import_module(module), predictor)))


def predictors() -> list[str]:
    """Return the registered names in alphabetical order."""
    return _methods.names()


def params_class(name: str, source: str = "predictor") -> type[PredictorParams]:
    """Return the settings model of the predictor called `name`; `source` tells where the name comes from.

    Raises
    ------
    SettingsError
        There is no such predictor; the message lists them.
    """
    method = _methods.get(name, source)
    return method.params if isinstance(method, Method) else method.Params


def predictor_class(name: str, source: str = "predictor") -> type[Predictor]:
    """Return the class of the predictor called `name`.

    Raises
    ------
    SettingsError
        As `params_class`.
    """
    method = _methods.get(name, source)
    return method.load_class() if isinstance(method, Method) else method


def params_of(settings: Settings, source: str = "settings") -> PredictorParams:
    """Return the block of the predictor that the settings choose, checked.

    Raises
    ------
    SettingsError
        There is no such predictor or no block, or a key or value of it is wrong.
    """
    name = settings.predictor
    model = params_class(name, f"{source}: predictor")
    if name not in settings.predictors:
        raise SettingsError(
            f"{source}: key 'predictors.{name}' is missing; add the block of predictor '{name}'"
        )
    return checked(settings.predictors[name], model, source, f"predictors.{name}")


def check_predictors(settings: Settings, path: Path) -> None:
    """Check the blocks of all predictors in the settings file `path`.

    Raises
    ------
    SettingsError
        As `params_of`, or a block belongs to no registered predictor.
    """
    known = predictors()
    for name, block in settings.predictors.items():
        if name not in known:
            raise SettingsError(
                f"{path}: unknown key 'predictors.{name}'{near(name, known)} (there are {', '.join(known)})"
            )
        checked(block, params_class(name), str(path), f"predictors.{name}")
    params_of(settings, str(path))
