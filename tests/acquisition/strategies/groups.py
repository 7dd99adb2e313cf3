"""Pools of drugs that are in groups, with a predictor that must not be asked."""

from collections import Counter

import numpy as np

from anchordrug.acquisition import Catalogue, PoolView
from tests.acquisition.fakes import choose


class Silent:
    """A predictor that fails when asked anything."""

    def __getattr__(self, name):
        raise AssertionError(name)


def pool_of(drugs, anchors, fingerprints=None, mechanisms=None):
    """All drugs but the anchors, in order."""
    anchors = np.array(anchors, np.int64)
    fingerprints = np.zeros((drugs, 4), np.uint8) if fingerprints is None else fingerprints
    catalogue = Catalogue(fingerprints, [None] * drugs if mechanisms is None else mechanisms)
    return PoolView(Silent(), np.setdiff1d(np.arange(drugs), anchors), anchors, catalogue)


def chosen(name, view, batch, seed=0):
    return view.drugs[choose(name, view, batch, seed).positions].tolist()


def groups_in_turn(group, anchors, drugs):
    """Whether every drug came from a group that no open group had fewer chosen drugs than."""
    taken = Counter(group[anchor] for anchor in anchors)
    left = Counter(group) - taken
    for drug in drugs:
        if taken[group[drug]] > min(taken[one] for one in left if left[one]):
            return False
        taken[group[drug]] += 1
        left[group[drug]] -= 1
    return True
