"""Drugs of different mechanisms of action (PAPER, Baselines)."""

import numpy as np

from anchordrug.acquisition.groups import one_of_each_group
from anchordrug.acquisition.registry import Selection, register
from anchordrug.acquisition.view import PoolView


@register("moa")
def moa(view: PoolView, batch: int, rng: np.random.Generator) -> Selection:
    """Draw random mechanisms of action, a random drug of each (PAPER, Baselines). Scores are 0.

    Drugs of one mechanism (or the same several) are a group; a drug without a known mechanism is a group of
    its own. Groups with an anchor come last.
    """
    rows = np.concatenate([view.drugs, view.anchors])
    names = [view.catalogue.mechanisms[row] for row in rows]
    keys = [(name, False) if name else (f"drug {place}", True) for place, name in enumerate(names)]
    number = {key: place for place, key in enumerate(sorted(set(keys)))}
    groups = np.array([number[key] for key in keys])
    return one_of_each_group(
        groups,
        len(view.drugs),
        batch,
        rng,
        "mechanism of action (each drug without a known one counts as its own)",
    )
