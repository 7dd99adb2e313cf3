"""Registries: things by name, from the modules of a package and from the entry points of other packages."""

from collections.abc import Callable
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Generic, TypeVar

from anchordrug.errors import SettingsError, near

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """What the modules of `package` register, and what other packages offer under the entry point `group`.

    Modules and entry points are imported when a name is first asked for. An entry point that cannot be loaded
    or whose name is taken is an error, because a silent choice between two would change results.

    Parameters
    ----------
    noun
        What is registered, for errors, such as "strategy".
    package
        The package whose modules register things when they are imported.
    group
        The group of entry points, such as "anchordrug.strategies".
    """

    def __init__(self, noun: str, package: str, group: str) -> None:
        self.noun, self.package, self.group = noun, package, group
        self._things: dict[str, Thing] = {}
        self._loaded = False

    def register(self, name: str, thing: Thing) -> Thing:
        """Register `thing` under `name` and return it.

        Raises
        ------
        SettingsError
            The name is taken by another thing.
        """
        if self._things.setdefault(name, thing) is not thing:
            raise SettingsError(f"{self.noun} '{name}' is registered twice; rename one of them")
        return thing

    def names(self) -> list[str]:
        """Return the registered names in alphabetical order."""
        self._load()
        return sorted(self._things)

    def get(self, name: str, source: str) -> Thing:
        """Return the thing registered under `name`; `source` tells in errors where the name comes from.

        Raises
        ------
        SettingsError
            There is none; the message lists them. Or an entry point cannot be loaded.
        """
        self._load()
        if name not in self._things:
            raise SettingsError(
                f"{source}: {self.noun} '{name}' is unknown{near(name, self._things)} "
                f"(there are {', '.join(self.names())})"
            )
        return self._things[name]

    def _load(self) -> None:
        if self._loaded:
            return
        package = import_module(self.package)
        for module in iter_modules(package.__path__):
            import_module(f"{self.package}.{module.name}")
        for point in metadata.entry_points(group=self.group):
            self.register(point.name, self._loaded_point(point))
        self._loaded = True

    def _loaded_point(self, point: metadata.EntryPoint) -> Thing:
        try:
            return point.load()
        except Exception as error:  # whatever another package's import raises
            owner = point.dist.name if point.dist else point.value
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(
                f"{self.noun} '{point.name}' of package {owner} cannot be loaded ({reason}); "
                "correct or uninstall that package"
            ) from error


def decorator(registry: Registry[Thing], name: str) -> Callable[[Thing], Thing]:
    """Return a decorator that registers what it decorates under `name`."""
    return lambda thing: registry.register(name, thing)
