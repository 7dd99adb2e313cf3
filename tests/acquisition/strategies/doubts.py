"""Strategies that take the drugs of the largest doubt, against a plain loop."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acquisition.fakes import choose, fake_view

quick = settings(max_examples=30, deadline=None)
pools = given(seed=st.integers(0, 1000), pool=st.integers(1, 20), share=st.floats(0, 1), coarse=st.booleans())


def mean(values):
    return sum(values) / len(values)


def check_doubt(name, doubts, over_genes, seed, pool, share, coarse):
    """`doubts` makes a list [drugs][genes] of probabilities; ties must keep the pool's order."""
    batch = max(1, round(share * pool))
    view = fake_view(seed, pool, coarse=coarse, anchors=2)
    selection = choose(name, view, batch)
    expected = [over_genes(genes) for genes in doubts(view.predictor.table[view.drugs])]
    order = sorted(range(pool), key=lambda position: (-round(expected[position], 9), position))
    assert selection.positions.tolist() == order[:batch]
    np.testing.assert_allclose(
        selection.scores, [expected[position] for position in order[:batch]], atol=1e-7
    )
