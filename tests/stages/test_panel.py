"""anchordrug panel: genes ranked by predictability, and the best of them as a panel file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.curate import Rules, curate
from anchordrug.errors import SettingsError
from anchordrug.raw.bundle import find_bundle, read_panel
from tests.conftest import DEMO, run_cli, small_params, write_params


def panel(folder, *options):
    """Run the command on the project in `folder`, which gets its files."""
    out = ("--out", folder / "gene_panel.txt", "--scores", folder / "gene_scores.csv")
    return run_cli("panel", *options, *out, folder=folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the command has run, and what it said."""
    folder = tmp_path_factory.mktemp("panel")
    write_params(folder, small_params())
    result = panel(folder, "--size", 20, "--compare", next(DEMO.glob("gene_panel*")))
    assert result.exit_code == 0, (result.output, result.exception)
    return folder, result.output


def test_the_panel_is_the_head_of_the_scores(made):
    folder, _ = made
    scores = pd.read_csv(folder / "gene_scores.csv")
    assert scores["score"].is_monotonic_decreasing
    assert read_panel(folder / "gene_panel.txt") == scores["gene"][:20].tolist()


def test_every_measured_and_annotated_gene_is_ranked(made):
    folder, _ = made
    genes = pd.read_csv(DEMO / "geneinfo_beta.txt", sep="\t", dtype=str)
    annotated = pd.read_csv(next(DEMO.glob("gene_ontology*")), index_col=0).index
    usable = genes[(genes["feature_space"] == "landmark") & genes["gene_symbol"].isin(annotated)]
    assert set(pd.read_csv(folder / "gene_scores.csv")["gene"]) == set(usable["gene_symbol"])


def test_the_overlap_is_counted(made):
    folder, said = made
    both = set(read_panel(folder / "gene_panel.txt")) & set(read_panel(next(DEMO.glob("gene_panel*"))))
    assert f"gene_panel_96.txt: {len(both)} genes, " in said


def test_nothing_is_left_behind(made):
    folder, _ = made
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"params.yaml", "gene_panel.txt", "gene_scores.csv", ".lock"}


def test_the_target_is_no_source(made):
    """The share of responses that change is that of the other lines, and another one with the target."""
    folder, _ = made
    scores = pd.read_csv(folder / "gene_scores.csv").set_index("gene")
    curated = curate(replace(find_bundle(DEMO), panel=None), Rules(10, 24, "gold"))
    away = (curated.responses["cell_line"] != "SIM-T1").to_numpy()
    changed = np.abs(curated.z) > 1.5
    genes = curated.genes["gene"]
    np.testing.assert_allclose(scores.loc[genes, "changed"], changed[away].mean(axis=0), atol=1e-6)
    assert not np.allclose(scores.loc[genes, "changed"], changed.mean(axis=0), atol=1e-6)


def test_a_panel_larger_than_the_data_is_refused(tmp_path):
    write_params(tmp_path, small_params())
    error = panel(tmp_path, "--size", 100000).exception
    assert isinstance(error, SettingsError)
    assert "--size 100000: only" in str(error)
    assert not (tmp_path / "gene_panel.txt").exists()
