"""Acquisition functions: which pool drugs to assay next; look them up with ``strategy(name)``."""

from anchordrug.acquisition import random as _random  # noqa: F401
from anchordrug.acquisition import uncertainty  # noqa: F401  importing a family registers its strategies
from anchordrug.acquisition.registry import Selection, Strategy, strategies, strategy
from anchordrug.acquisition.view import PoolView

__all__ = ["PoolView", "Selection", "Strategy", "strategies", "strategy"]
