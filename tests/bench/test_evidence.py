"""How many drugs of a campaign are seen, near and far, and what to expect of each group."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from anchordrug.chem.similarity import tanimoto
from anchordrug.evidence_group import GROUPS, evidence_groups
from tests.bench.conftest import must

NEW = pd.DataFrame(
    {
        "drug_id": ["near", "far"],
        # The first differs from a drug of the demo by a methyl group, the second is like none.
        "smiles": ["", "FC(F)(F)S(=O)(=O)N1CC2(C1)OCCO2"],
    }
)


def test_groups_by_similarity():
    seen, similarity = np.array([True, False, False, False]), np.array([0.1, 0.4, 0.39, 1.0])
    assert evidence_groups(seen, similarity).tolist() == ["seen", "near", "far", "near"]


@pytest.fixture(scope="module")
def campaign(bench_project, tmp_path_factory):
    """A campaign with drugs of the atlas, one that is nearly another, and one like none."""
    home = tmp_path_factory.mktemp("evidence")
    for name in ("tables", "params.yaml"):
        (home / name).symlink_to(bench_project / name)
    known = pd.read_parquet(bench_project / "tables/atlas/drugs.parquet")[["drug_id", "smiles"]]
    new = NEW.copy()
    new.loc[0, "smiles"] = known["smiles"].iloc[3] + "C"
    pd.concat([known.head(40), new]).to_csv(home / "library.csv", index=False)
    asked = ("--target", "NEW", "--library", home / "library.csv", "--budget", 6, "--rounds", 2)
    shown = must("campaign", "new", home / "campaign", *asked, folder=home).output
    must("campaign", "next", home / "campaign", folder=home)
    return home / "campaign", shown


def test_new_says_how_many_are_seen_near_and_far(campaign, bench_project):
    folder, shown = campaign
    table = pd.read_csv(folder / "rounds/01/evidence.csv")
    assert table["group"].tolist() == list(GROUPS)
    counts = dict(zip(table["group"], table["drugs"], strict=True))
    library = pd.read_csv(folder / "library.csv")
    assert sum(counts.values()) == len(library)
    known = pd.read_parquet(bench_project / "tables/features/drugs.parquet").iloc[:, 1:].to_numpy(float)
    drugs = pd.read_parquet(bench_project / "tables/atlas/drugs.parquet")["drug_id"]
    measured = pd.read_parquet(bench_project / "tables/atlas/responses.parquet", columns=["drug_id"])
    seen = drugs.isin(measured["drug_id"]).to_numpy()
    row = drugs[drugs.isin(library["drug_id"])].index.to_numpy()
    expected = evidence_groups(seen[row], tanimoto(known[row], known[seen]).max(axis=1)).tolist()
    assert counts["seen"] == expected.count("seen")
    assert counts["far"] >= 1
    assert f"NEW: {len(library)} drugs to be predicted" in shown
    assert f"{counts['seen']} seen in a source line: macro-F1 of about 0." in shown
    assert f"{counts['far']} unseen, and like no known drug" in shown


def test_what_to_expect_is_what_source_lines_gave_without_anchors(campaign):
    folder, _ = campaign
    learned = json.loads((folder / "model/model.json").read_text())["expected"]
    table = pd.read_csv(folder / "rounds/01/evidence.csv").set_index("group")
    for entry in learned:
        assert 0 <= entry["low"] <= entry["high"] <= 1
        if entry["anchors"] == 0:
            assert table.loc[entry["group"], "macro_f1"] == entry["macro_f1"]
    assert {(entry["group"], entry["anchors"]) for entry in learned} >= {("seen", 0), ("seen", 30)}


def test_status_says_it_again(campaign):
    folder, shown = campaign
    said = next(line for line in shown.splitlines() if "seen in a source line" in line)
    assert said.strip()[:60] in must("campaign", "status", folder, folder=folder.parent).output


def test_the_report_holds_the_groups(campaign, tmp_path):
    folder, _ = campaign
    home = tmp_path / "home"
    shutil.copytree(folder.parent, home, symlinks=True)
    plan = pd.read_csv(home / "campaign/rounds/01/selection.csv")
    genes = pd.read_parquet(home / "tables/atlas/genes.parquet")["gene"]
    z = np.random.default_rng(0).normal(size=(len(genes), len(plan)))
    pd.DataFrame(z, index=pd.Index(genes), columns=plan["drug_id"].tolist()).to_csv(home / "z.csv")
    must("campaign", "ingest", home / "campaign", home / "z.csv", "--yes", folder=home)
    must("campaign", "finish", home / "campaign", folder=home)
    report = (home / "campaign/finish/report.html").read_text(encoding="utf-8")
    # Terms are buttons within the text.
    assert "like a known drug (Tanimoto similarity of 0.4 or more)" in re.sub("<[^>]+>", "", report)
    assert "<td>far</td>" in report or ">far<" in report
