"""Ranking of genes and the overlap of panels, against loops."""

import numpy as np
import pandas as pd
import pytest

from anchordrug import schemas
from anchordrug.errors import SettingsError
from anchordrug.predictors.response.panel import FOLDS, best_genes, overlap, rank_genes
from anchordrug.predictors.response.predictability import predictability
from tests.predictors.response.response_worlds import THRESHOLD, random_world

DATA = random_world()
RANKING = pd.DataFrame({"gene": ["MYC", "JUN", "CIAO3", "FOS"]})


def test_a_ranking_lists_every_gene_by_its_mean_score(tmp_path):
    table = rank_genes(DATA.sources, DATA.bits, DATA.mechanism, THRESHOLD, 3)
    schemas.validate(table, schemas.GENE_SCORES, tmp_path / "scores.csv")
    found = predictability(DATA.sources, DATA.bits, DATA.mechanism, THRESHOLD, folds=FOLDS, seed=3)
    rows = table.set_index("gene").loc[DATA.sources.genes]
    np.testing.assert_array_equal(rows["score"], found.scores.mean(axis=0))
    np.testing.assert_array_equal(rows["spread"], found.scores.std(axis=0))
    for gene, changed in enumerate(rows["changed"]):
        values = DATA.sources.z[:, gene].tolist()
        assert changed == pytest.approx(sum(abs(z) > THRESHOLD for z in values) / len(values))
    assert table["score"].is_monotonic_decreasing
    assert (table["cell_lines"] == len(found.lines)).all()


def test_one_source_line_cannot_rank():
    alone = DATA.sources.restricted_to(DATA.sources.cell_line == 1)
    with pytest.raises(SettingsError, match="no two cell lines share enough drugs; a panel needs two"):
        rank_genes(alone, DATA.bits, DATA.mechanism, THRESHOLD, 0)


def test_the_best_genes_are_the_first():
    assert best_genes(RANKING, 2) == ["MYC", "JUN"]
    assert best_genes(RANKING, 4) == RANKING["gene"].tolist()
    with pytest.raises(SettingsError, match="--size 5: only 4 genes can be ranked"):
        best_genes(RANKING, 5)


def test_the_overlap_counts_genes_under_their_other_names():
    found = overlap(RANKING, 2, ["NARFL", "JUN", "NOTAGENE"])  # NARFL is CIAO3
    assert found == (2, 1, 2 * 2 / 4, 2.5)


def test_a_panel_without_a_ranked_gene_has_no_overlap():
    found = overlap(RANKING, 2, ["NOTAGENE"])
    assert found[:3] == (0, 0, 0)
    assert np.isnan(found.median_rank)
