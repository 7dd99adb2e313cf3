"""Differential expression: known fold changes, plates, order of the input, unusable results."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.bench.assays.differential_expression import differential_expression
from anchordrug.errors import AssayError
from tests.bench.assays.assay_worlds import DRUGS, GENES, assay, plate_map_of, responses_of, wells_of

FEW = GENES[:40]


def table_of(plate_map, mean_of, genes=150, size=None, dispersion=0.01, seed=0):
    """Counts whose mean is `mean_of(drug_id, plate)` [genes] times the size of the well."""
    rng = np.random.default_rng(seed)
    columns = pd.MultiIndex.from_frame(plate_map[["plate", "well_position"]])
    size = np.ones(len(plate_map)) if size is None else size
    counts = [
        rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean_of(drug, plate) * one))
        for drug, plate, one in zip(plate_map["drug_id"], plate_map["plate"], size, strict=True)
    ]
    return pd.DataFrame(
        np.array(counts).T, index=[f"G{number:03d}" for number in range(genes)], columns=columns
    )


BASE = np.exp(np.random.default_rng(7).normal(6, 1, 150))


def two_fold(drug, _plate):
    return BASE * np.where((np.arange(150) == 3) & (drug == "A"), 2.0, 1.0)


@pytest.fixture(scope="module")
def simulated():
    z, plate_map = responses_of(DRUGS[:3]), plate_map_of(DRUGS[:3])
    counts = assay(z, plate_map, reads=1e7).iloc[:600]
    return z, plate_map, counts, differential_expression(counts, plate_map, FEW)


def test_a_doubled_gene_has_log_ratio_one_whatever_the_depth_of_the_wells():
    plate_map = plate_map_of(["A", "B"], replicates=4)
    size = np.random.default_rng(1).uniform(0.3, 3, len(plate_map))
    counts = table_of(plate_map, two_fold, size=size)

    effects = differential_expression(counts, plate_map, ["G003", "G004"])

    assert effects.drug_ids == ["A", "B"]
    assert effects.genes == ["G003", "G004"]
    assert effects.log2_fold_change[0, 0] == pytest.approx(1, abs=0.2)
    assert effects.log2_fold_change[[0, 1, 1], [1, 0, 1]] == pytest.approx([0, 0, 0], abs=0.25)
    assert effects.statistic[0, 0] > 6
    assert np.abs(effects.statistic[[0, 1, 1], [1, 0, 1]]).max() < 3.5
    assert effects.statistic == pytest.approx(effects.log2_fold_change / effects.standard_error)


def test_fold_changes_agree_with_log_ratios_by_hand(simulated):
    _, plate_map, counts, effects = simulated
    # Background genes do not respond, so that their sum tells the depth of a well.
    depth = counts.drop(GENES).sum()
    normalised = counts.loc[FEW] / depth * depth.mean()
    controls = normalised[wells_of(plate_map, "DMSO")].mean(axis=1)
    well_read = (controls > 50).to_numpy()
    assert well_read.sum() > 5

    for drug, found in zip(effects.drug_ids, effects.log2_fold_change, strict=True):
        by_hand = np.log2(normalised[wells_of(plate_map, drug)].mean(axis=1) / controls)
        assert found[well_read] == pytest.approx(by_hand[well_read], abs=0.12)


def test_true_responses_come_back(simulated):
    z, _, _, effects = simulated

    for drug, statistic in zip(effects.drug_ids, effects.statistic, strict=True):
        assert np.corrcoef(statistic, z.loc[drug, FEW])[0, 1] > 0.7


@pytest.mark.filterwarnings("ignore:The dispersion trend curve fitting did not converge")
def test_statistic_and_error_are_those_of_pydeseq2():
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    plate_map = plate_map_of(["A", "B"])
    counts = table_of(plate_map, two_fold, dispersion=0.1)
    names = [f"{plate} {well}" for plate, well in counts.columns]
    metadata = pd.DataFrame({"drug": plate_map["drug_id"].to_numpy()}, index=names)
    wide = pd.DataFrame(counts.to_numpy().T, index=names, columns=counts.index)
    model = DeseqDataSet(
        counts=wide, metadata=metadata, design="~drug", refit_cooks=False, quiet=True, n_cpus=1
    )
    model.deseq2()
    theirs = DeseqStats(model, contrast=["drug", "B", "DMSO"], quiet=True, n_cpus=1)
    theirs.run_wald_test()

    ours = differential_expression(counts, plate_map, counts.index.tolist())

    assert ours.statistic[1] == pytest.approx(theirs.statistics.to_numpy(), abs=1e-3)
    assert ours.standard_error[1] * np.log(2) == pytest.approx(theirs.SE.to_numpy(), rel=1e-3)


def test_equal_conditions_have_small_statistics():
    plate_map = plate_map_of(["A", "B", "C"])
    counts = table_of(plate_map, lambda _drug, _plate: BASE, dispersion=0.1)

    statistic = differential_expression(counts, plate_map, counts.index.tolist()).statistic

    assert 0.6 < statistic.std() < 1.4
    assert np.abs(statistic).max() < 6


@pytest.fixture(scope="module")
def batch():
    return 2.0 ** np.random.default_rng(3).normal(0, 1, 150)


def test_a_batch_effect_between_plates_does_not_become_an_effect_of_drugs(batch):
    plate_map = plate_map_of(["A", "B"], replicates=2, controls=4, plates=("P1", "P2"))
    counts = table_of(plate_map, lambda drug, plate: two_fold(drug, plate) * (batch if plate == "P2" else 1))

    effects = differential_expression(counts, plate_map, ["G003", "G010", "G020"])

    assert effects.log2_fold_change == pytest.approx(np.array([[1, 0, 0], [0, 0, 0]]), abs=0.3)


def test_a_drug_on_one_plate_only_is_compared_with_the_controls_of_that_plate(batch):
    first = plate_map_of(["A"], plates=("P1",))
    second = plate_map_of(["B"], plates=("P2",))
    plate_map = pd.concat([first, second], ignore_index=True)
    counts = table_of(plate_map, lambda drug, plate: two_fold(drug, plate) * (batch if plate == "P2" else 1))

    effects = differential_expression(counts, plate_map, ["G003", "G010", "G020"])

    assert effects.log2_fold_change == pytest.approx(np.array([[1, 0, 0], [0, 0, 0]]), abs=0.3)


def test_the_order_of_wells_and_genes_changes_no_bit(simulated):
    _, plate_map, counts, effects = simulated
    shuffled = counts.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)

    again = differential_expression(shuffled, plate_map.sample(frac=1, random_state=3), FEW[::-1])

    assert again.drug_ids == effects.drug_ids
    assert np.array_equal(again.log2_fold_change[:, ::-1], effects.log2_fold_change)
    assert np.array_equal(again.standard_error[:, ::-1], effects.standard_error)


def test_it_prints_and_warns_nothing(capfd, recwarn):
    plate_map = plate_map_of(["A"], replicates=2, controls=2)

    differential_expression(table_of(plate_map, two_fold), plate_map, ["G003"])

    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_genes_without_counts_are_named_and_have_no_effect():
    plate_map = plate_map_of(["A", "B"])
    counts = table_of(plate_map, two_fold)
    counts.loc["G005"] = 0

    effects = differential_expression(counts, plate_map, ["G003", "G005", "UNKNOWN"])

    assert effects.without_counts == ["G005", "UNKNOWN"]
    assert (effects.log2_fold_change[:, 1:] == 0).all()
    assert (effects.statistic[:, 1:] == 0).all()
    assert np.isinf(effects.standard_error[:, 1:]).all()
    assert effects.log2_fold_change[0, 0] == pytest.approx(1, abs=0.2)


def test_a_gene_that_a_drug_silences_has_a_finite_effect():
    plate_map = plate_map_of(["A", "B"])
    counts = table_of(plate_map, two_fold)
    counts.loc["G003", wells_of(plate_map, "A")] = 0

    effects = differential_expression(counts, plate_map, ["G003"])

    assert np.isfinite(effects.log2_fold_change).all()
    assert np.isfinite(effects.statistic).all()
    assert effects.log2_fold_change[0, 0] < -4


def test_results_so_thin_that_no_gene_is_read_in_every_well_are_still_compared():
    plate_map = plate_map_of(["A", "B"])
    base = np.full(150, 1.0)
    base[3] = 40.0

    counts = table_of(
        plate_map, lambda drug, _plate: base * np.where((np.arange(150) == 3) & (drug == "A"), 4.0, 1.0)
    )
    assert (counts > 0).all(axis=1).sum() < 10

    effects = differential_expression(counts, plate_map, ["G003"])

    assert effects.log2_fold_change[:, 0] == pytest.approx([2, 0], abs=0.5)


def test_a_plate_without_controls_is_named():
    plate_map = plate_map_of(["A"], plates=("P1", "P2"))
    left = plate_map[(plate_map["plate"] == "P1") | (plate_map["pert_type"] == "trt")]

    with pytest.raises(AssayError, match=r"plate P2: no control well"):
        differential_expression(table_of(plate_map, two_fold), left, ["G003"])


def test_nothing_repeated_is_an_error_with_a_remedy():
    plate_map = plate_map_of(["A", "B"], replicates=1, controls=1)

    with pytest.raises(AssayError, match=r"3 good wells for 3 conditions.*two wells or more"):
        differential_expression(table_of(plate_map, two_fold), plate_map, ["G003"])


def test_one_well_a_drug_is_enough_where_the_controls_are_repeated():
    plate_map = plate_map_of(["A", "B"], replicates=1, controls=6)

    effects = differential_expression(table_of(plate_map, two_fold), plate_map, ["G003"])

    assert effects.log2_fold_change[:, 0] == pytest.approx([1, 0], abs=0.4)


def test_a_well_without_a_column_is_named():
    plate_map = plate_map_of(["A"])
    counts = table_of(plate_map, two_fold).drop(columns=[("P1", "A02")])

    with pytest.raises(AssayError, match=r"plate P1: well A02 has no column"):
        differential_expression(counts, plate_map, ["G003"])


def test_genes_under_other_names_are_an_error():
    plate_map = plate_map_of(["A"])

    with pytest.raises(AssayError, match=r"no counts of any of the 2 wanted genes, such as ENSG1, ENSG2"):
        differential_expression(table_of(plate_map, two_fold), plate_map, ["ENSG1", "ENSG2"])
