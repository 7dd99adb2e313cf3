"""Wells, drugs and layouts that can be trusted, and those that cannot."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.bench.assays.quality import check_wells, failed_drugs, replicate_correlations, swapped_layout
from anchordrug.bench.assays.simulated_counts import simulate_counts
from anchordrug.bench.plates.wells import SHAPES, well_name
from anchordrug.errors import AssayError
from tests.bench.assays.assay_worlds import (
    DRUGS,
    assay,
    expression_of,
    plate_map_of,
    responses_of,
    wells_of,
)


def one(wells, well):
    return wells.set_index(["plate", "well_position"]).loc[well]


def drugs_that_fail(counts, plate_map):
    wells = check_wells(counts, plate_map)
    good = plate_map[~wells["failed"].to_numpy()]
    return failed_drugs(wells, replicate_correlations(counts, good)).set_index("drug_id")["reason"].to_dict()


# --- wells


@pytest.mark.parametrize("reads", [1e5, 2e6])
@pytest.mark.parametrize("size", [0, 2])
def test_good_wells_pass(reads, size):
    plate_map = plate_map_of()
    counts = assay(responses_of(size=size), plate_map, reads=reads)

    wells = check_wells(counts, plate_map)

    assert not wells["failed"].any()
    assert (wells["reason"] == "").all()
    assert wells["well_position"].tolist() == plate_map["well_position"].tolist()
    assert wells["reads"].tolist() == counts.sum().tolist()
    assert wells["genes_detected"].tolist() == (counts > 0).sum().tolist()
    assert wells["similarity"].between(0.7, 1).all()


def test_wells_without_reads_with_few_and_without_a_column_fail_with_their_reasons():
    plate_map = plate_map_of()
    counts = assay(responses_of(), plate_map)
    empty, thin, missing = [counts.columns[place] for place in (0, 5, 9)]
    counts[empty] = 0
    counts[thin] = np.random.default_rng(0).binomial(counts[thin], 0.03)
    wells = check_wells(counts.drop(columns=[missing]), plate_map)

    assert wells["failed"].sum() == 3
    assert one(wells, empty)["reason"] == "no reads"
    assert one(wells, thin)["reason"] == "too few reads (<10% of the plate's median)"
    assert one(wells, missing)["reason"] == "no column in the results"
    assert np.isnan(one(wells, empty)["similarity"])
    assert one(wells, missing)["reads"] == 0


@pytest.mark.parametrize("drug", ["DMSO", "DRUG0"])
def test_a_well_of_another_cell_line_fails(drug):
    plate_map = plate_map_of()
    counts = assay(responses_of(), plate_map)
    well = wells_of(plate_map, drug)[1]
    counts[well] = simulate_counts(responses_of(), plate_map, expression_of(1), 0)[well]

    wells = check_wells(counts, plate_map)

    assert wells.loc[wells["failed"], "reason"].tolist() == ["unlike the other wells of the plate"]
    assert one(wells, well)["failed"]


def test_a_drug_that_changes_the_cells_altogether_passes():
    plate_map = plate_map_of()
    z = responses_of()
    z.loc["DRUG0"] *= 15
    counts = assay(z, plate_map)

    wells = check_wells(counts, plate_map)

    assert wells.loc[wells["drug_id"] == "DRUG0", "similarity"].max() < wells["similarity"].median() - 0.1
    assert not wells["failed"].any()


def test_plates_and_cell_lines_are_judged_apart():
    plate_map = plate_map_of(replicates=1, plates=("P1", "P2"))
    is_other = plate_map["drug_id"].isin(DRUGS[:3])
    plate_map["cell_line"] = np.where(is_other, "OTHER", "LINE")
    counts = assay(responses_of(), plate_map)
    other = simulate_counts(responses_of(), plate_map, expression_of(1), 0)
    counts.loc[:, is_other.to_numpy()] = other.loc[:, is_other.to_numpy()]
    counts.loc[:, (plate_map["plate"] == "P2").to_numpy()] //= 30

    assert not check_wells(counts, plate_map)["failed"].any()


def test_results_without_any_read_fail_in_every_well():
    plate_map = plate_map_of()
    counts = assay(responses_of(), plate_map) * 0

    wells = check_wells(counts, plate_map)

    assert (wells["reason"] == "no reads").all()


def test_the_order_of_wells_and_genes_does_not_matter():
    plate_map = plate_map_of()
    counts = assay(responses_of(), plate_map)
    shuffled = counts.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    keys = ["plate", "well_position"]

    again = check_wells(shuffled, plate_map.sample(frac=1, random_state=3))

    pd.testing.assert_frame_equal(
        check_wells(counts, plate_map).set_index(keys).sort_index(), again.set_index(keys).sort_index()
    )
    pd.testing.assert_frame_equal(
        replicate_correlations(counts, plate_map),
        replicate_correlations(shuffled, plate_map.sample(frac=1, random_state=3)),
    )


# --- drugs


def test_replicates_of_strong_drugs_correlate_as_expected_and_those_of_weak_ones_as_by_chance():
    z = responses_of()
    z.loc[DRUGS[:3]] *= 0
    plate_map = plate_map_of()

    found = replicate_correlations(assay(z, plate_map, reads=1e7), plate_map)

    assert found.index.tolist() == DRUGS
    assert (found["wells"] == 3).all()
    weak, strong = found.iloc[:3], found.iloc[3:]
    assert weak["correlation"].to_numpy() == pytest.approx(weak["by_chance"].to_numpy(), abs=0.1)
    assert weak["expected"].to_numpy() == pytest.approx(weak["by_chance"].to_numpy(), abs=0.15)
    assert strong["correlation"].to_numpy() == pytest.approx(strong["expected"].to_numpy(), abs=0.1)
    assert strong["correlation"].min() > weak["correlation"].max() + 0.2


@pytest.mark.parametrize("size", [0, 0.3, 1, 3])
@pytest.mark.parametrize("plates", [("P1",), ("P1", "P2", "P3")])
def test_no_drug_fails_in_good_results(size, plates):
    for seed in range(5):
        plate_map = plate_map_of(plates=plates, replicates=3 if len(plates) == 1 else 1, seed=seed)
        counts = assay(responses_of(size=size, seed=seed), plate_map, seed=seed, reads=5e5)

        assert drugs_that_fail(counts, plate_map) == {}


def test_a_strong_drug_whose_wells_hold_different_drugs_fails():
    z = responses_of(["X", "Y", *DRUGS], size=3)
    plate_map = plate_map_of()
    truth = plate_map.copy()
    first, second, _ = plate_map.index[plate_map["drug_id"] == "DRUG0"]
    truth.loc[[first, second], "drug_id"] = ["X", "Y"]

    reasons = drugs_that_fail(assay(z, truth), plate_map)

    assert list(reasons) == ["DRUG0"]
    assert reasons["DRUG0"].startswith("replicates disagree (correlation ")


@pytest.mark.parametrize(
    ("replicates", "lost", "reason"), [(3, 2, "1 good wells of 3"), (1, 1, "0 good wells of 1")]
)
def test_a_drug_without_enough_good_wells_fails(replicates, lost, reason):
    plate_map = plate_map_of(replicates=replicates)
    counts = assay(responses_of(), plate_map)
    counts[wells_of(plate_map, "DRUG2")[:lost]] = 0

    assert drugs_that_fail(counts, plate_map) == {"DRUG2": reason}


def test_a_drug_with_two_good_wells_of_three_or_its_only_one_stays():
    plate_map = plate_map_of()
    counts = assay(responses_of(), plate_map)
    counts[wells_of(plate_map, "DRUG2")[0]] = 0
    single = plate_map_of(replicates=1)

    assert drugs_that_fail(counts, plate_map) == {}
    assert drugs_that_fail(assay(responses_of(), single), single) == {}


def test_one_control_a_plate_tells_no_scatter_and_fails_no_drug():
    plate_map = plate_map_of(controls=1)
    counts = assay(responses_of(), plate_map)

    assert replicate_correlations(counts, plate_map)["expected"].isna().all()
    assert drugs_that_fail(counts, plate_map) == {}


def test_a_plate_without_controls_cannot_be_compared():
    plate_map = plate_map_of(controls=0)

    with pytest.raises(AssayError, match="plate P1: no control well"):
        replicate_correlations(assay(responses_of(), plate_map), plate_map)


# --- layouts


def moved(position, layout, shape):
    """Where the contents of a well are under another layout, written again by hand."""
    rows, columns = shape
    row, column = "ABCDEFGHIJKLMNOP".index(position[0]), int(position[1:]) - 1
    if layout == "filled by columns instead of by rows":
        column, row = divmod(row * columns + column, rows)
    elif layout == "filled by rows instead of by columns":
        row, column = divmod(column * rows + row, columns)
    elif layout == "rotated by 180 degrees":
        row, column = rows - 1 - row, columns - 1 - column
    elif layout == "mirrored left to right":
        column = columns - 1 - column
    elif layout == "rows in reverse order":
        row = rows - 1 - row
    return well_name(row, column)


LAYOUTS = [
    "filled by columns instead of by rows",
    "filled by rows instead of by columns",
    "rotated by 180 degrees",
    "mirrored left to right",
    "rows in reverse order",
]


def read_as(counts, layout, shape, plates):
    columns = [(p, moved(well, layout, shape) if p in plates else well) for p, well in counts.columns]
    return counts.set_axis(pd.MultiIndex.from_tuples(columns, names=counts.columns.names), axis=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=str)
def test_another_layout_is_named(layout, shape):
    drug_ids = [f"D{number}" for number in range(22 if shape == (8, 12) else 28)]
    plate_map = plate_map_of(drug_ids, replicates=4, controls=8, shape=shape)
    counts = assay(responses_of(drug_ids), plate_map)
    assert swapped_layout(counts, plate_map) is None

    assert swapped_layout(read_as(counts, layout, shape, {"P1"}), plate_map) == layout


@pytest.mark.parametrize("layout", LAYOUTS[2:])
def test_a_plate_in_part_filled_whose_results_name_the_used_wells_only(layout):
    plate_map = plate_map_of()  # the first two rows
    plate_map["well_position"] = plate_map["well_position"].str.replace("A", "C")
    counts = assay(responses_of(), plate_map)
    # Rows B and C change places in the middle of four rows, as they would not on the whole plate.
    swapped = read_as(counts, layout, (4, 12), {"P1"})
    assert set(swapped.columns) == set(counts.columns)

    assert swapped_layout(swapped, plate_map) == layout


def test_one_swapped_plate_of_three_is_named():
    plate_map = plate_map_of(plates=("P1", "P2", "P3"), replicates=4)
    counts = assay(responses_of(), plate_map)
    swapped = read_as(counts, "rotated by 180 degrees", (8, 12), {"P2"})

    assert swapped_layout(counts, plate_map) is None
    assert swapped_layout(swapped, plate_map) == "rotated by 180 degrees (plate P2)"


def test_failed_wells_do_not_hide_a_swap():
    plate_map = plate_map_of(replicates=5)
    swapped = read_as(assay(responses_of(), plate_map), "mirrored left to right", (8, 12), {"P1"})
    swapped[swapped.columns[3]] = 0

    assert swapped_layout(swapped.drop(columns=[swapped.columns[7]]), plate_map) == "mirrored left to right"


@pytest.mark.parametrize(
    "seeds", [range(4), pytest.param(range(4, 20), marks=pytest.mark.long)], ids=["few", "many"]
)
@pytest.mark.parametrize("size", [0, 0.5, 3])
def test_the_right_layout_never_raises_an_alarm(size, seeds):
    for seed in seeds:
        plates = ("P1",) if seed % 2 else ("P1", "P2")
        plate_map = plate_map_of(seed=seed, plates=plates)
        counts = assay(responses_of(size=size, seed=seed), plate_map, seed=seed, reads=3e5)

        assert swapped_layout(counts, plate_map) is None


@pytest.mark.parametrize("size", [0, 0.5])
def test_neighbours_of_one_drug_and_a_pipette_that_differs_by_column_raise_no_alarm(size):
    for seed in range(5):
        plate_map = plate_map_of()
        plate_map["well_position"] = sorted(plate_map["well_position"])
        counts = assay(responses_of(size=size), plate_map, seed=seed)
        rng = np.random.default_rng(seed)
        pipette = {column: 2.0 ** rng.normal(0, 0.25, len(counts)) for column in range(1, 13)}
        for well in counts.columns:
            counts[well] = rng.poisson(counts[well] * pipette[int(well[1][1:])])

        assert swapped_layout(counts, plate_map) is None


def test_nothing_repeated_tells_no_layout():
    plate_map = plate_map_of(replicates=1, controls=1)

    assert swapped_layout(assay(responses_of(), plate_map), plate_map) is None
    assert swapped_layout(assay(responses_of(), plate_map) * 0, plate_map) is None
