"""The response atlas against plain loops over its experiments."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import SettingsError, TableError
from anchordrug.labels import labels_of

LINES = ["SIM-A", "SIM-B", "SIM-C", "SIM-D"]
SEEDS = st.integers(0, 10_000)


def random_atlas(seed, drugs=8, genes=3, share=0.5):
    """Some of all (drug, cell line) pairs, in no particular order; the last drug is measured nowhere."""
    rng = np.random.default_rng(seed)
    present = rng.random((drugs, len(LINES))) < share
    present[0], present[-1] = True, False
    pairs = rng.permutation(np.argwhere(present))
    table = pd.DataFrame({"drug_id": [f"D{i}" for i in range(drugs)]})
    z = rng.normal(scale=2, size=(len(pairs), genes)).astype(np.float32)
    return ResponseAtlas(z, pairs[:, 0], pairs[:, 1], table, LINES, [f"G{i}" for i in range(genes)])


def experiments(atlas):
    """(drug, cell line, z) of every experiment, in order."""
    return [
        (int(drug), atlas.cell_lines[line], tuple(z.tolist()))
        for drug, line, z in zip(atlas.drug, atlas.cell_line, atlas.z, strict=True)
    ]


def values_around(threshold):
    cut = np.float32(threshold)
    edges = [cut, np.nextafter(cut, np.float32(9)), np.nextafter(cut, np.float32(0))]
    exact = [sign * float(edge) for edge in edges for sign in (1, -1)]
    return st.lists(st.sampled_from(exact) | st.floats(-4, 4, width=32), min_size=1, max_size=20)


@given(data=st.data(), threshold=st.sampled_from([0.1, 0.3, 1.0, 1.5, 1.7, 2.0]))
@settings(max_examples=200, deadline=None)
def test_labels_are_those_of_a_loop_also_next_to_the_threshold(data, threshold):
    z = np.array(data.draw(values_around(threshold)), np.float32)[None]
    cut = float(np.float32(threshold))
    expected = []
    for value in z[0].tolist():
        if value < -cut:
            expected.append(0)
        elif value > cut:
            expected.append(2)
        else:
            expected.append(1)
    labels = labels_of(z, threshold)
    assert labels.dtype == np.int8
    assert labels.shape == z.shape
    assert labels[0].tolist() == expected


@pytest.mark.parametrize("threshold", [0.1, 0.3, 1.5, 1.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_z_score_of_exactly_the_threshold_is_no_change(threshold, dtype):
    z = np.array([threshold, -threshold, 0, -0.0], dtype)
    assert labels_of(z, threshold).tolist() == [1, 1, 1, 1]


@given(seed=SEEDS, line=st.sampled_from(LINES))
@settings(max_examples=50, deadline=None)
def test_the_atlas_of_a_line_holds_its_experiments_in_their_order(seed, line):
    atlas = random_atlas(seed)
    assert experiments(atlas.of(line)) == [one for one in experiments(atlas) if one[1] == line]


@given(seed=SEEDS, lines=st.lists(st.sampled_from(LINES), max_size=4))
@settings(max_examples=50, deadline=None)
def test_the_atlas_without_lines_holds_the_experiments_of_all_others(seed, lines):
    atlas = random_atlas(seed)
    assert experiments(atlas.without(lines)) == [one for one in experiments(atlas) if one[1] not in lines]


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_mask_and_positions_restrict_alike_and_the_tables_stay_whole(seed):
    atlas = random_atlas(seed)
    mask = np.random.default_rng(seed).random(len(atlas.drug)) < 0.5
    by_mask, by_position = atlas.restricted_to(mask), atlas.restricted_to(np.flatnonzero(mask))
    assert experiments(by_mask) == experiments(by_position)
    assert experiments(by_mask) == [one for one, keep in zip(experiments(atlas), mask, strict=True) if keep]
    assert len(by_mask.drugs) == len(atlas.drugs)
    assert by_mask.cell_lines == LINES
    assert by_mask.genes == atlas.genes


@given(seed=SEEDS, lines=st.lists(st.sampled_from(LINES), max_size=3))
@settings(max_examples=50, deadline=None)
def test_measured_drugs_are_the_sorted_set_of_drugs_with_an_experiment(seed, lines):
    atlas = random_atlas(seed).without(lines)
    assert atlas.measured_drugs().tolist() == sorted({one[0] for one in experiments(atlas)})


@given(seed=SEEDS, lines=st.lists(st.sampled_from(LINES), max_size=4))
@settings(max_examples=50, deadline=None)
def test_the_consensus_is_the_mean_of_a_loop_and_zero_where_nothing_is_measured(seed, lines):
    atlas = random_atlas(seed).without(lines)
    z, count = atlas.consensus()
    assert z.shape == (len(atlas.drugs), len(atlas.genes))
    assert z.dtype == np.float32
    for drug in range(len(atlas.drugs)):
        measured = [one[2] for one in experiments(atlas) if one[0] == drug]
        assert count[drug] == len(measured)
        for gene in range(len(atlas.genes)):
            expected = sum(row[gene] for row in measured) / len(measured) if measured else 0.0
            assert z[drug, gene] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(seed=SEEDS, share=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_the_consensus_of_a_gene_is_the_mean_of_the_lines_that_measured_it(seed, share):
    atlas = random_atlas(seed)
    gone = np.random.default_rng(seed).random(atlas.z.shape) < share
    atlas = replace(atlas, z=np.where(gone, np.nan, atlas.z))
    z, count = atlas.consensus()
    for drug in range(len(atlas.drugs)):
        rows = atlas.z[atlas.drug == drug]
        assert count[drug] == len(rows)
        for gene in range(len(atlas.genes)):
            measured = [value for value in rows[:, gene].tolist() if value == value]
            expected = sum(measured) / len(measured) if measured else 0.0
            assert z[drug, gene] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_experiments_keep_their_assay_when_the_atlas_is_restricted():
    atlas = random_atlas(3)
    origins = [f"O{number}" for number in range(len(atlas.z))]
    atlas = replace(atlas, experiments=pd.DataFrame({"origin": origins}))
    own = atlas.without(["SIM-B"])
    expected = [
        origin for origin, line in zip(origins, atlas.cell_line, strict=True) if LINES[line] != "SIM-B"
    ]
    assert own.experiments["origin"].tolist() == expected
    assert own.restricted_to(np.array([2, 0])).experiments["origin"].tolist() == [expected[2], expected[0]]
    with pytest.raises(TableError, match=r"experiments: 1 row for \d+ responses; give one row per response"):
        replace(atlas, experiments=pd.DataFrame({"origin": ["O1"]}))


@given(seed=SEEDS, line=st.sampled_from(LINES))
@settings(max_examples=50, deadline=None)
def test_the_consensus_of_one_line_is_what_was_measured_in_it(seed, line):
    atlas = random_atlas(seed).of(line)
    np.testing.assert_array_equal(atlas.consensus()[0][atlas.drug], atlas.z)


@given(seed=SEEDS, data=st.data())
@settings(max_examples=50, deadline=None)
def test_responses_come_in_the_order_of_the_drugs_asked_for(seed, data):
    atlas = random_atlas(seed).of("SIM-B")
    measured = {drug: z for drug, _, z in experiments(atlas)}
    drugs = data.draw(st.lists(st.sampled_from(sorted(measured)), max_size=12))
    z = atlas.responses_of(np.array(drugs, np.int64))
    assert z.shape == (len(drugs), len(atlas.genes))
    assert [tuple(row.tolist()) for row in z] == [measured[drug] for drug in drugs]


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_asking_for_a_drug_that_is_not_measured_is_a_key_error(seed):
    atlas = random_atlas(seed)
    with pytest.raises(KeyError):
        atlas.of("SIM-B").responses_of(np.array([0, len(atlas.drugs) - 1]))


def gene_table(genes):
    ids = [str(row) for row in range(len(genes))]
    return pd.DataFrame({"gene": genes, "gene_id": ids, "ensembl_id": [None] * len(genes)})


def test_the_table_of_genes_stays_with_every_part_of_the_atlas():
    atlas = random_atlas(0)
    atlas = replace(atlas, gene_table=gene_table(atlas.genes))
    assert atlas.of("SIM-A").gene_table["gene_id"].tolist() == ["0", "1", "2"]
    assert atlas.without(["SIM-A"]).gene_table is atlas.gene_table


def test_an_atlas_made_without_ids_of_genes_has_the_symbols():
    table = random_atlas(0).gene_table
    assert table["gene"].tolist() == ["G0", "G1", "G2"]
    assert table[["gene_id", "ensembl_id"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda table: table.drop(columns="ensembl_id"), "no column 'ensembl_id'"),
        (lambda table: table.iloc[:2], "2 rows for 3 genes"),
        (lambda table: table.iloc[[0, 2, 1]], "row 1 is 'G2', but the gene there is 'G1'"),
    ],
)
def test_a_table_of_other_genes_is_refused(change, match):
    atlas = random_atlas(0)
    with pytest.raises(TableError, match=match):
        replace(atlas, gene_table=change(gene_table(atlas.genes)))


@pytest.mark.parametrize("asked", ["sim-b", "SIMB"])
def test_a_line_of_another_spelling_is_named(asked):
    atlas = random_atlas(0)
    for ask in (atlas.of, lambda line: atlas.without([line])):
        with pytest.raises(
            SettingsError, match=f"no cell line '{asked}'; did you mean 'SIM-B'.*SIM-A, SIM-B"
        ):
            ask(asked)
