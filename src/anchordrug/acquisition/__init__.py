"""Acquisition functions: which pool drugs to assay next; look them up with ``strategy(name)``."""

# Importing a family registers its strategies.
from anchordrug.acquisition import adversarial, design, diversity, structure, uncertainty  # noqa: F401
from anchordrug.acquisition import random as _random  # noqa: F401
from anchordrug.acquisition.registry import Selection, Strategy, strategies, strategy
from anchordrug.acquisition.view import Catalogue, PoolView

__all__ = ["Catalogue", "PoolView", "Selection", "Strategy", "strategies", "strategy"]
