"""Test drugs and pool: their sizes, who may be in them, and what they must not depend on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import common_pool, require_targets, split_drugs
from anchordrug.errors import SettingsError

LINES = ["SIM-T1", "SIM-S1", "SIM-T2", "SIM-S2"]
TARGETS = ("SIM-T1", "SIM-T2")
SUBSTITUENTS = ["C", "CC", "O", "N", "Cl", "F", "OC(=O)", "OCC", "NC(=O)", "CCC"]
# Ring systems with the number of their substituents that occur; the last entry has no ring.
RINGS = {
    "c1ccccc1": 10,
    "c1ccncc1": 8,
    "C1CCCCC1": 7,
    "c1ccc2ccccc2c1": 7,
    "c1ccco1": 5,
    "c1cccs1": 4,
    "c1ccc2ncccc2c1": 3,
    "C1CCNC1": 2,
    "c1ncc[nH]1": 1,
    "C1CC1": 1,
    "CCCCC": 9,
}


def drug_table():
    smiles = [side + ring for ring, count in RINGS.items() for side in SUBSTITUENTS[:count]]
    molecules = [Chem.MolFromSmiles(one) for one in smiles]
    table = pd.DataFrame(
        {
            "drug_id": [f"D{i:02}" for i in range(len(smiles))],
            "inchikey": [Chem.MolToInchiKey(one) for one in molecules],
            "smiles": [Chem.MolToSmiles(one) for one in molecules],
        }
    )
    assert table["inchikey"].is_unique
    return table


DRUGS = drug_table()


def atlas_of(present):
    """An atlas that holds the (drug, cell line) pairs where `present` is true."""
    pairs = np.argwhere(present)
    z = np.zeros((len(pairs), 2), np.float32)
    return ResponseAtlas(z, pairs[:, 0], pairs[:, 1], DRUGS, LINES, ["G1", "G2"])


def random_atlas(seed, share=0.6):
    return atlas_of(np.random.default_rng(seed).random((len(DRUGS), len(LINES))) < share)


def shuffled(atlas, seed):
    """The same measurements with the drug table and the experiments in another order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(atlas.drugs))
    rows = rng.permutation(len(atlas.drug))
    return ResponseAtlas(
        atlas.z[rows],
        np.argsort(order)[atlas.drug][rows],
        atlas.cell_line[rows],
        atlas.drugs.iloc[order].reset_index(drop=True),
        atlas.cell_lines,
        atlas.genes,
    )


def split(atlas, by="random", fraction=0.2, seed=0, target="SIM-T1", pool="known"):
    """The drug_ids of test set and pool."""
    test, pool = split_drugs(atlas, target, by=by, test_fraction=fraction, pool=pool, seed=seed)
    ids = atlas.drugs["drug_id"]
    return ids.iloc[test].tolist(), ids.iloc[pool].tolist()


def measured_in(atlas, *lines):
    ids = atlas.drugs["drug_id"].tolist()
    return {
        ids[drug]
        for drug, line in zip(atlas.drug, atlas.cell_line, strict=True)
        if atlas.cell_lines[line] in lines
    }


by_both = pytest.mark.parametrize("by", ["random", "scaffold"])


@by_both
@given(seed=st.integers(0, 1000), fraction=st.floats(0.05, 0.6), target=st.sampled_from(TARGETS))
@settings(max_examples=25, deadline=None)
def test_test_drugs_and_pool_are_who_they_should_be(by, seed, fraction, target):
    atlas = random_atlas(seed)
    test, pool = split(atlas, by, fraction, seed, target)
    assert split(atlas, by, fraction, seed, target, "all")[0] == test
    candidates = measured_in(atlas, target)
    assert len(set(test)) == len(test)
    assert abs(len(test) - fraction * len(candidates)) <= 0.5 + 1e-9
    assert set(test) <= candidates
    assert len(set(pool)) == len(pool)
    assert set(pool) == (candidates - set(test)) & measured_in(
        atlas, *(line for line in LINES if line != target)
    )


def test_a_drug_of_no_other_cell_line_is_in_the_pool_only_if_all_are():
    present = np.zeros((len(DRUGS), len(LINES)), bool)
    present[:30, 0] = True  # SIM-T1
    present[:12, 1] = True  # SIM-S1
    present[12:20, 2] = True  # SIM-T2, a source line of SIM-T1 like any other
    atlas = atlas_of(present)
    test, pool = split(atlas)
    seen = measured_in(atlas, "SIM-S1", "SIM-T2")
    assert set(pool) == seen - set(test)
    assert measured_in(atlas, "SIM-T1") - seen - set(test)
    same_test, everything = split(atlas, pool="all")
    assert same_test == test
    assert set(everything) == measured_in(atlas, "SIM-T1") - set(test)


@by_both
def test_test_drugs_and_pool_are_ordered_by_inchikey(by):
    key = dict(zip(DRUGS["drug_id"], DRUGS["inchikey"], strict=True))
    for pool in ("known", "all"):
        for drugs in split(random_atlas(3), by, pool=pool):
            keys = [key[drug] for drug in drugs]
            assert keys == sorted(keys)


@by_both
@given(seed=st.integers(0, 1000), order=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_tables_does_not_change_the_split(by, seed, order):
    atlas = random_atlas(seed)
    assert split(atlas, by, seed=seed) == split(shuffled(atlas, order), by, seed=seed)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    atlas = random_atlas(0)
    assert split(atlas, seed=1) == split(atlas, seed=1)
    tests = {tuple(split(atlas, seed=seed)[0]) for seed in range(10)}
    assert len(tests) == 10


def test_every_drug_of_the_target_is_a_test_drug_under_some_seed():
    atlas = random_atlas(0)
    drawn = [drug for seed in range(200) for drug in split(atlas, seed=seed)[0]]
    candidates = measured_in(atlas, "SIM-T1")
    counts = [drawn.count(drug) for drug in candidates]
    # 200 draws at 20%: mean 40, standard deviation 5.7.
    assert min(counts) > 12
    assert max(counts) < 68


@given(seed=st.integers(0, 1000), fraction=st.floats(0.05, 0.6))
@settings(max_examples=25, deadline=None)
def test_at_most_one_scaffold_stands_on_both_sides_of_a_scaffold_split(seed, fraction):
    atlas = random_atlas(seed)
    test, pool = split(atlas, "scaffold", fraction)
    scaffold = {
        one: MurckoScaffoldSmiles(smiles=smiles, includeChirality=False)
        for one, smiles in zip(DRUGS["drug_id"], DRUGS["smiles"], strict=True)
    }
    assert len(set(scaffold.values())) == len(RINGS)
    inside, outside = {scaffold[one] for one in test}, {scaffold[one] for one in pool}
    assert len(inside & outside) <= 1
    # What is set aside are the rarest scaffolds, so none of those kept whole is rarer.
    candidates = [scaffold[one] for one in measured_in(atlas, "SIM-T1")]
    rest = {scaffold[one] for one in measured_in(atlas, "SIM-T1") - set(test)}
    sizes_set_aside = [candidates.count(one) for one in inside - rest]
    sizes_kept = [candidates.count(one) for one in rest - inside]
    assert max(sizes_set_aside, default=0) <= min(sizes_kept, default=len(DRUGS))


def test_a_scaffold_split_separates_more_scaffolds_than_a_random_one():
    atlas = random_atlas(1)
    scaffold = {
        one: MurckoScaffoldSmiles(smiles=smiles)
        for one, smiles in zip(DRUGS["drug_id"], DRUGS["smiles"], strict=True)
    }

    def shared(by):
        test, pool = split(atlas, by, 0.4)
        return len({scaffold[one] for one in test} & {scaffold[one] for one in pool})

    assert shared("scaffold") <= 1 < shared("random")


def test_an_unknown_target_is_an_error_that_names_the_nearest_cell_line():
    with pytest.raises(SettingsError, match=r"'SIM-T9' has no response.*did you mean 'SIM-T[12]'") as caught:
        require_targets(("SIM-T1", "SIM-T9"), random_atlas(0))
    assert "\n" not in str(caught.value)
    assert all(line in str(caught.value) for line in LINES)


def test_a_cell_line_without_responses_is_no_target():
    present = np.ones((len(DRUGS), len(LINES)), bool)
    present[:, 2] = False
    with pytest.raises(SettingsError, match="'SIM-T2' has no response"):
        require_targets(TARGETS, atlas_of(present))


def test_another_cell_line_to_learn_from_must_exist():
    atlas = random_atlas(0)
    require_targets(tuple(LINES), atlas)
    # A cell line without responses is not a source.
    with pytest.raises(SettingsError, match="no cell line is left to learn SIM-T1 from"):
        require_targets(("SIM-T1",), atlas.of("SIM-T1"))


@by_both
def test_a_split_without_test_drugs_is_an_error(by):
    with pytest.raises(SettingsError, match=r"split: SIM-T1 has .* which make 0 test drugs") as caught:
        split(random_atlas(0), by, fraction=0.001)
    assert "\n" not in str(caught.value)


@by_both
def test_a_split_without_pool_is_an_error(by):
    atlas = random_atlas(0)
    with pytest.raises(SettingsError, match=r"SIM-T1 has .* and 0 pool drugs seen in source lines;"):
        split(atlas, by, fraction=1.0)
    with pytest.raises(SettingsError, match=r"SIM-T1 has .* and 0 pool drugs;"):
        split(atlas, by, fraction=1.0, pool="all")


@given(seed=st.integers(0, 500), away=st.sets(st.sampled_from(LINES[1:]), max_size=2))
@settings(max_examples=30, deadline=None)
def test_lines_that_are_left_out_do_not_fill_the_pool(seed, away):
    atlas = random_atlas(seed)
    how = {"by": "random", "test_fraction": 0.2, "pool": "known", "seed": seed}
    test, pool = split_drugs(atlas, "SIM-T1", **how, leave_out=tuple(away))
    whole_test, whole_pool = split_drugs(atlas, "SIM-T1", **how)
    assert test.tolist() == whole_test.tolist()
    sources = [line for line in LINES if line != "SIM-T1" and line not in away]
    known = set(np.concatenate([atlas.of(line).measured_drugs() for line in sources]).tolist())
    assert pool.tolist() == [drug for drug in whole_pool.tolist() if drug in known]


def test_a_line_left_out_must_exist_and_leave_a_source():
    atlas = random_atlas(0)
    with pytest.raises(SettingsError, match=r"pretrain\.leave_out: 'SIM-S9' is not a cell line"):
        require_targets(("SIM-T1",), atlas, ("SIM-S9",))
    with pytest.raises(SettingsError, match="no cell line is left to learn SIM-T1 from"):
        require_targets(("SIM-T1",), atlas, tuple(LINES[1:]))


def test_the_common_pool_is_what_all_pools_hold_in_their_order():
    pools = {"A": np.array([5, 3, 9, 1]), "B": np.array([1, 9, 2, 5]), "C": np.array([9, 5, 7])}
    assert common_pool(pools).tolist() == [5, 9]
    assert common_pool({"A": pools["A"]}).tolist() == [5, 3, 9, 1]
    with pytest.raises(SettingsError, match=r"select\.scenario: no drug is in the pool of each of A, B"):
        common_pool({"A": np.array([1]), "B": np.array([2])})
