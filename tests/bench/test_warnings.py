"""No warning of a library on the screen, on more genes than the demo's panel has."""

import pandas as pd
import pytest
from scipy.stats import norm

from tests.conftest import DEMO, run_stages, small_params, write_params
from tests.terminal import Terminal

LIBRARY = "tables/atlas/drugs.parquet"


@pytest.fixture(scope="module")
def wide_project(tmp_path_factory):
    """A project up to its splits with all 128 genes of the demo; pandas warns from 100 columns on."""
    folder = tmp_path_factory.mktemp("wide_project")
    (folder / "raw").mkdir()
    for path in DEMO.iterdir():
        if not path.name.startswith("gene_panel"):
            (folder / "raw" / path.name).symlink_to(path)
    params = small_params()
    params["raw"]["dir"] = str(folder / "raw")
    write_params(folder, params | {"predictor": "response_gp"})
    run_stages(folder, (["curate"], ["grow"], ["featurize"], ["split"]))
    return folder


def result_table(z, kind):
    """Return z [drugs, genes] as results of a kind, in the columns that programs write."""
    if kind == "z":
        return z.T.rename_axis("gene").reset_index()
    table = z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    table["log2FoldChange"] = 0.25 * table["stat"]
    table["pvalue"] = 2 * norm.sf(table["stat"].abs())
    return table.drop(columns="stat") if kind == "p-values" else table


def test_a_campaign_prints_no_warning(wide_project, tmp_path):
    campaign = tmp_path / "campaign"
    size = ("--budget", "4", "--rounds", "2")
    commands = (("new", "--target", "SIM-T1", "--library", LIBRARY, "--rehearsal", *size), ("next",))
    with Terminal(wide_project) as terminal:
        for name, *options in commands:
            ended = terminal.run("campaign", name, campaign, *options)
            assert ended.code == 0, (ended.printed, ended.error)
            assert "Warning" not in ended.printed
        drugs = pd.read_csv(campaign / "rounds/01/selection.csv")["drug_id"].tolist()
        measured = pd.read_parquet(wide_project / "tables/curated/responses.parquet")
        own = measured[(measured["cell_line"] == "SIM-T1") & measured["drug_id"].isin(drugs)]
        genes = pd.read_parquet(wide_project / "tables/curated/genes.parquet")["gene"].tolist()
        assert len(genes) > 110
        z = own.set_index("drug_id")[genes]
        for kind in ("z", "statistics", "p-values"):
            result_table(z, kind).to_csv(tmp_path / "results.csv", index=False)
            ended = terminal.run("campaign", "ingest", campaign, tmp_path / "results.csv", "--yes")
            assert ended.code == 0, (ended.printed, ended.error)
            assert "2 ok, 0 failed, 0 missing" in ended.printed
            assert "Warning" not in ended.printed
            (campaign / "results/01/results.csv").unlink()
