"""The pages' commands, word for word, on the finished small project."""

import shutil
from pathlib import Path

import anndata
import pandas as pd
import pytest

from tests.conftest import DEMO
from tests.documents import STORIES, play, shell


@pytest.fixture
def home(project: Path, tmp_path: Path) -> Path:
    """A copy of the finished demo project."""
    for name in ("tables", "models"):
        shutil.copytree(project / name, tmp_path / name)
    shutil.copy(project / "params.yaml", tmp_path)
    (tmp_path / "data").symlink_to(DEMO)
    return tmp_path


def test_the_tutorial_of_the_bench(home):
    shell("git init -q . && dvc init -q", home)
    said = play(STORIES["bench"], home)
    campaign = home / "campaigns/rehearsal"
    assert "round 1 waits for its results" in said
    assert "round 2, SIM-T1: 6 ok, 0 failed, 0 missing" in said
    assert "12 of 12 drugs measured" in said
    assert (campaign / "finish/report.html").exists()
    assert (campaign / "rounds/01/R01-SIM-T1-P1.svg").exists()
    assert "next" in (campaign / "dvc.lock").read_text(encoding="utf-8")
    assert (home / "more.parquet").exists()


def test_the_page_on_python(home):
    play(STORIES["python"], home)
    assert (home / "SIM-T1.onnx").stat().st_size > 0


def test_the_page_on_other_assays(home):
    said = play(STORIES["assays"], home)
    assert "10 uM and 24 h (" in said
    assert "ranks of genes are made normal scores" in said
    for name, dose in (("sciplex", 10.0), ("ranked", 5.0)):
        responses = pd.read_parquet(home / name / "tables/atlas/responses.parquet")
        assert set(responses["dose_um"]) == {dose}
        assert (home / name / "models/onnx/SIM-T1.onnx").stat().st_size > 0
        # The made-up profiles come from the demo, so a few anchors teach more than none.
        scores = pd.read_csv(home / name / "metrics/scores/SIM-T1-0.csv").set_index("predictor")["macro_f1"]
        assert scores["drugs-6" if name == "sciplex" else "drugs-10"] > scores["all_none"] + 0.03


def test_the_how_to_pages(home):
    said = play(STORIES["how-to"], home)
    # Compounds: the same answers in whatever form they come; what is cut short is named.
    expected = ["aspirin", "caffeine"]
    for name in ("predictions.parquet", "top.csv", "labels.parquet", "from_excel.csv"):
        table = pd.read_parquet(home / name) if name.endswith("parquet") else pd.read_csv(home / name)
        assert table["drug_id"].unique().tolist() == expected, name
    assert set(pd.read_csv(home / "water.csv")["drug_id"]) == {"W-1"}
    assert said.count("C1CC(") == 2
    assert anndata.read_h5ad(home / "predictions.h5ad").obs["name"].tolist() == expected
    sheets = pd.read_excel(home / "predictions.xlsx", sheet_name=None)
    assert [sheets[name]["name"].unique().tolist() for name in ("drugs", "predictions")] == [expected] * 2
    assert sheets["rejects"]["structure"].tolist() == ["C1CC("]
    # Signatures.
    assert {"ranking.csv", "by_fold_change.csv", "like.csv"} <= {path.name for path in home.iterdir()}
    # The campaign: each kind of results takes the place of the one before.
    assert "MYLINE: is new to the atlas" in said
    assert said.count("round 1, MYLINE: 10 ok, 0 failed, 0 missing") == 4
    assert [path.name for path in (home / "campaigns/my-line/results/01").iterdir()] == ["de.csv"]
    # The atlas: as it was when the additions are gone.
    assert "my-line: 10 responses (differential expression)" in said
    assert "my-screen: 10 responses (DRUG-seq)" in said
    for name in ("responses.parquet", "drugs.parquet"):
        assert (home / "tables/atlas" / name).read_bytes() == (home / "tables/curated" / name).read_bytes()
    # The smallest bundle: two replicates become one experiment, another dose is left out.
    responses = pd.read_parquet(home / "tiny/tables/curated/responses.parquet")
    assert responses[["drug_id", "cell_line", "replicates"]].to_numpy().tolist() == [
        ["D1", "THP1", 2],
        ["D2", "JURKAT", 1],
    ]
    assert len((home / "gene_panel.txt").read_text().splitlines()) == 40
    assert {path.name for path in (home / "simulated").iterdir()} == {path.name for path in DEMO.iterdir()}
