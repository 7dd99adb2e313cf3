"""The benchmarks of predictors, on a small project: their records, and the tables made of these."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, project_at, run_stages, small_params, write_params
from tests.forks import python
from tests.tiny import tiny_params, write_tiny_bundle

RAW = "data"
LINES = {"NEW-A": 20, "NEW-B": 15}
LOST = "that standardisation would take off, and next to it nothing but counter-ions"


def run(script, *options):
    done = python(ROOT / "benchmarks" / script, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A project on the tiny bundle up to its features, with the drugs' features of params.yaml."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_bundle(folder / RAW)
    params = small_params()
    bits = params["featurize"]["drug"]["bits"]
    params = tiny_params(params)
    params["featurize"]["drug"]["bits"] = bits
    write_params(folder, params)
    run_stages(folder, (["curate"], ["grow"], ["featurize"]))
    return folder


@pytest.fixture(scope="module")
def work(tiny, tmp_path_factory):
    """A work folder with the tables of the tiny project."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(tiny / "tables", folder / RAW / "tables")
    return folder


@pytest.fixture(scope="module")
def outside(tiny, tmp_path_factory):
    """Two lines with drugs of the tiny bundle and half of the genes of a target; the last drug is new."""
    folder = tmp_path_factory.mktemp("outside")
    atlas = project_at(tiny).atlas()
    own = atlas.of("SIM-T1")
    for name, count in LINES.items():
        (folder / name).mkdir()
        drugs = own.drug[:count]
        library = atlas.drugs[["drug_id", "smiles"]].iloc[drugs].reset_index(drop=True)
        library["drug_id"] = [f"{name}-{place}" for place in range(count)]
        library.loc[count - 1, "smiles"] = "CCCCCCCCCCCCSCCCCCCCl"
        library.to_csv(folder / name / "library.csv", index=False)
        wide = pd.DataFrame(own.z[:count, ::2], index=library["drug_id"], columns=atlas.genes[::2])
        z = wide.rename_axis("drug").reset_index().melt("drug", var_name="gene", value_name="z")
        z.to_csv(folder / name / "z.csv", index=False)
    return folder


def test_the_drill_scores_the_half_that_no_anchor_is_from(tiny, work, outside, tmp_path):
    options = ("--raw", tiny / RAW, "--outside", outside, "--predictors", "response_gp", "--anchors", 10)
    told = run("outside.py", *options, "--with-others", "--work", work, "--out", tmp_path / "out.json")
    records = pd.DataFrame(json.loads((tmp_path / "out.json").read_text()))
    assert "Macro-F1, unseen drugs" in told
    assert set(records["sources"]) == {"atlas", "atlas and outside lines"}
    for line, count in LINES.items():
        own = records[records["line"] == line]
        half = count - count // 2
        assert set(own["drugs_seen"] + own["drugs_unseen"]) == {half}
        assert own["anchors"].max() == min(10, count // 2)
        # The new compound is in the scored half of some of the four halvings.
        assert own.groupby("half")["drugs_unseen"].max().isin([0, 1]).all()
    # Hindsight moves "none" alone; offsets of a predictor that move all three labels may be a little better.
    columns = ["sources", "line", "half", "method", "strategy", "anchors"]
    both = records.fillna({"strategy": ""}).pivot_table(index=columns, columns="rule", values="macro_f1")
    assert (both["hindsight"] >= both["delivered"] - 0.02)[both["hindsight"].notna()].all()
    assert records.loc[records["anchors"] == 0, "strategy"].isna().all()


def test_campaigns_are_played_again_with_hidden_drugs(tiny, work, tmp_path):
    out = tmp_path / "out.json"
    options = ("--raw", tiny / RAW, "--targets", "SIM-T1", "--methods", "response_gp+random", "--seeds", 0)
    grid = ("--splits", 0, 1, "--budgets", 0, 10, "--processes", 1, "--work", work, "--out", out)
    run("predictors.py", *options, *grid)
    records = pd.DataFrame(json.loads(out.read_text()))
    assert len(records) == 2 * 2 * 2
    assert set(records["pool"]) == {"all"}
    where = ["split", "budget"]
    known, hidden = (records[records["hidden"] == value].set_index(where) for value in (False, True))
    assert not np.allclose(known["macro_f1"], hidden["macro_f1"])
    assert hidden[["macro_f1_seen", "macro_f1_unseen", "ece_seen", "ece_unseen"]].notna().all(axis=None)
    told = run("predictors_table.py", out)
    assert "40% of the drugs hidden from all source lines (pool: all)" in told


def test_the_parents_of_salts_are_told(tmp_path):
    rows = ["name,smiles", "A,CCCN", "A stearate,CCCN.CCCCCCCCCCCCCCCCCC(=O)O", "B,[K+].[Cl-]", "C,CCCCN.Cl"]
    (tmp_path / "drugs.csv").write_text("\n".join(rows) + "\n")
    told = run("parents.py", tmp_path / "drugs.csv").splitlines()
    assert told[0] == "4 structures, 3 of several fragments; 2 parents"
    assert re.fullmatch(r"[\d.]+ ms per structure, .* of rdkit: [\d.]+ ms", told[1])
    assert told[3:5] == ["1 not the largest fragment", "  A stearate: CCCN"]
    assert told[6:8] == ["1 rejected", f"  B: holds a metal (K) {LOST}"]
    assert told[9:] == ["1 names of one parent", "  A, A stearate"]
