"""Acquisition functions: which pool drugs to assay next; look them up with ``strategy(name)``.

Every module of this package is imported, which registers its strategies: a new one needs its own file only.
"""

from importlib import import_module
from pkgutil import iter_modules

from anchordrug.acquisition.registry import Selection, Strategy, strategies, strategy
from anchordrug.acquisition.view import Catalogue, PoolView

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Catalogue", "PoolView", "Selection", "Strategy", "strategies", "strategy"]
