"""Registries: things by name, from the modules of a package and from the entry points of other packages."""

from collections import defaultdict
from collections.abc import Callable
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Generic, TypeVar

from anchordrug.errors import SettingsError, near

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """The things that the modules of `package` register, and those of other packages' entry points `group`.

    The modules are imported when a name is first asked for. An entry point is loaded when its own name is
    asked for, so a broken package does not harm those who do not use it.

    Parameters
    ----------
    noun
        The kind of thing, for errors, such as "strategy".
    package
        The package whose modules register things when they are imported.
    group
        The group of entry points, such as "anchordrug.strategies".
    prepare
        Called with a name and its thing; returns the thing to keep, such as the same function with checks
        around it. It may raise SettingsError.
    """

    def __init__(
        self, noun: str, package: str, group: str, prepare: Callable[[str, Thing], Thing] | None = None
    ) -> None:
        self.noun, self.package, self.group, self.prepare = noun, package, group, prepare
        self._things: dict[str, Thing] = {}
        self._own: frozenset[str] = frozenset()
        self._points: dict[str, list[metadata.EntryPoint]] | None = None

    def register(self, name: str, thing: Thing) -> Thing:
        """Register `thing` under `name` and return it as it is kept.

        Raises
        ------
        SettingsError
            The name is taken.
        """
        if name in self._things:
            raise SettingsError(f"{self.noun} '{name}' is registered twice; rename one of the two")
        self._things[name] = thing if self.prepare is None else self.prepare(name, thing)
        return self._things[name]

    def names(self) -> list[str]:
        """Return the registered names and those of entry points, in alphabetical order."""
        return sorted({*self._load(), *self._things})

    def get(self, name: str, source: str | None = None) -> Thing:
        """Return the thing called `name`.

        Parameters
        ----------
        source
            The setting or option that the name comes from; errors begin with it.

        Raises
        ------
        SettingsError
            No thing has the name (the message lists all names), several have it, or its entry point cannot be
            loaded.
        """
        points = self._load().get(name, [])
        owners = [self.package.partition(".")[0]] * (name in self._own) + [_owner(point) for point in points]
        called = f"{self.noun} '{name}'" if source is None else f"{source}: '{name}'"
        if len(owners) > 1:
            raise SettingsError(
                f"{called} is offered by {' and '.join(owners)}; uninstall one or rename its {self.noun}"
            )
        if points and name not in self._things:
            self._load_point(points[0], called)
        if name not in self._things:
            raise SettingsError(
                f"{called} is unknown{near(name, self.names())} (there are {', '.join(self.names())})"
            )
        return self._things[name]

    def _load(self) -> dict[str, list[metadata.EntryPoint]]:
        """Import the package's modules once; return the entry points by name."""
        if self._points is None:
            package = import_module(self.package)
            for module in iter_modules(package.__path__):
                import_module(f"{self.package}.{module.name}")
            self._own = frozenset(self._things)
            points = defaultdict(list)
            for point in metadata.entry_points(group=self.group):
                points[point.name].append(point)
            self._points = dict(points)
        return self._points

    def _load_point(self, point: metadata.EntryPoint, called: str) -> None:
        try:
            thing = point.load()
            # Its module may have registered it while it was imported.
            if point.name not in self._things:
                self.register(point.name, thing)
        except Exception as error:  # another package's import may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise SettingsError(
                f"{called} of package {_owner(point)} cannot be loaded ({reason}); "
                "correct or uninstall that package"
            ) from error


def _owner(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
