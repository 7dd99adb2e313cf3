"""The doubt of the top label, against its formula written out."""

import pytest

from tests.acquisition.strategies.doubts import check_doubt, mean, pools, quick


def doubts_of_top(table):
    return [[1 - max(gene) for gene in drug] for drug in table.tolist()]


@pytest.mark.parametrize(
    ("name", "over_genes"), [("least_confidence", mean), ("least_confidence_points", max)]
)
@pools
@quick
def test_doubt_is_the_loop_and_ties_keep_the_pools_order(name, over_genes, seed, pool, share, coarse):
    check_doubt(name, doubts_of_top, over_genes, seed, pool, share, coarse)
