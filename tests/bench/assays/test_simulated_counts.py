"""Simulated counts: depth, true effects, and what hangs on the seed alone."""

import numpy as np
import pandas as pd
import pytest

from tests.bench.assays.assay_worlds import (
    DRUGS,
    GENES,
    assay,
    expression_of,
    plate_map_of,
    responses_of,
    wells_of,
)


def test_a_column_for_each_well_in_the_order_of_the_plate_map():
    plate_map = plate_map_of(plates=("P1", "P2"))

    counts = assay(responses_of(), plate_map)

    assert list(counts.columns) == list(zip(plate_map["plate"], plate_map["well_position"], strict=True))
    assert list(counts.index[: len(GENES)]) == GENES
    assert counts.index[len(GENES)] == "BACKGROUND0001"
    assert counts.index.is_unique
    assert (counts.dtypes == np.int64).all()
    assert (counts.to_numpy() >= 0).all()


@pytest.mark.parametrize("reads", [1e5, 2e6])
def test_wells_have_about_the_reads_asked_for(reads):
    total = assay(responses_of(), plate_map_of(), reads=reads).sum()

    assert total.median() == pytest.approx(reads, rel=0.2)
    assert 0.15 < np.log(total).std() < 0.5


def test_genes_that_are_expressed_more_have_more_reads():
    counts = assay(responses_of(size=0), plate_map_of())

    found = np.log2(counts.loc[GENES].mean(axis=1) + 1)

    assert np.corrcoef(found, expression_of())[0, 1] > 0.95


def test_log_ratios_follow_the_true_responses_and_the_background_has_none():
    z = responses_of()
    plate_map = plate_map_of(replicates=20, controls=20)

    counts = assay(z, plate_map, reads=5e6)

    cpm = counts / counts.sum() * 1e6
    controls = cpm[wells_of(plate_map, "DMSO")].mean(axis=1)
    for drug in DRUGS[:3]:
        change = np.log2((cpm[wells_of(plate_map, drug)].mean(axis=1) + 1) / (controls + 1))
        assert np.corrcoef(change[GENES], z.loc[drug])[0, 1] > 0.85
        assert (change[GENES] / z.loc[drug]).median() == pytest.approx(0.25, rel=0.2)
        assert change.drop(GENES).abs().median() < 0.2


def test_more_dispersion_scatters_the_wells_more():
    plate_map = plate_map_of([], controls=30)

    def scatter(dispersion):
        counts = assay(responses_of(), plate_map, reads=1e8, dispersion=dispersion)
        return (counts.var(axis=1) / counts.mean(axis=1) ** 2).median()

    assert scatter(0.02) == pytest.approx(0.02 + 0.09, rel=0.4)  # 0.09 is the scatter of the depths, squared
    assert scatter(0.3) == pytest.approx(0.3 + 0.09, rel=0.4)


def test_the_same_seed_gives_the_same_counts_in_any_order_of_the_plate_map():
    z, plate_map = responses_of(), plate_map_of(plates=("P1", "P2"))

    counts = assay(z, plate_map)
    again = assay(z.sample(frac=1, random_state=1), plate_map.sample(frac=1, random_state=2))

    pd.testing.assert_frame_equal(counts, again[counts.columns])
    assert not counts.equals(assay(z, plate_map, seed=1))


def test_plates_differ_but_agree_on_the_genes():
    wells = plate_map_of([], controls=30)

    first = assay(responses_of(), wells)
    second = assay(responses_of(), wells.assign(plate="P2"))

    assert not np.array_equal(first.to_numpy(), second.to_numpy())
    assert np.corrcoef(np.log1p(first.mean(axis=1)), np.log1p(second.mean(axis=1)))[0, 1] > 0.99


def test_a_gene_without_expression_is_named():
    z = responses_of().rename(columns={"GENE000": "OTHER"})

    with pytest.raises(KeyError, match="OTHER"):
        assay(z, plate_map_of())
