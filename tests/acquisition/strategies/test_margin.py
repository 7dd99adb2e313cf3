"""The doubt between the two most probable labels, against its formula written out."""

import pytest

from tests.acquisition.fakes import Stored, choose, view_of
from tests.acquisition.strategies.doubts import check_doubt, mean, pools, quick


def doubts_of_margin(table):
    return [[1 - (sorted(gene)[2] - sorted(gene)[1]) for gene in drug] for drug in table.tolist()]


@pytest.mark.parametrize(("name", "over_genes"), [("margin", mean), ("margin_points", max)])
@pools
@quick
def test_doubt_is_the_loop_and_ties_keep_the_pools_order(name, over_genes, seed, pool, share, coarse):
    check_doubt(name, doubts_of_margin, over_genes, seed, pool, share, coarse)


def test_it_differs_from_least_confidence_and_from_the_form_on_points():
    table = [
        [[0.34, 0.33, 0.33], [1, 0, 0], [1, 0, 0]],
        [[0.5, 0.5, 0], [0.9, 0.1, 0], [0.9, 0.1, 0]],
        [[0.4, 0.3, 0.3], [0.55, 0.45, 0], [0.8, 0.2, 0]],
        [[0.6, 0.4, 0], [0.6, 0.4, 0], [0.6, 0.4, 0]],
    ]
    names = ("least_confidence", "least_confidence_points", "margin", "margin_points")
    assert {name: choose(name, view_of(Stored(table)), 4).positions.tolist() for name in names} == {
        "least_confidence": [2, 3, 1, 0],
        "least_confidence_points": [0, 2, 1, 3],
        "margin": [3, 2, 1, 0],
        "margin_points": [1, 0, 2, 3],
    }
