"""Acquisition functions: which pool drugs to assay next; look them up with ``strategy(name)``."""

from anchordrug.acquisition.registry import Selection, Strategy, strategy
from anchordrug.acquisition.view import Catalogue, PoolView

__all__ = ["Catalogue", "PoolView", "Selection", "Strategy", "strategy"]
