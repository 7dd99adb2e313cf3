"""The drill of benchmarks/campaign.py on real data: the commands of the bench against the select stage."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from anchordrug.raw.bundle import find_bundle
from tests.bench.conftest import blank_pages
from tests.conftest import ROOT

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("worker_threads")]
# Those with most drugs, and the drill's target.
LINES = ("THP1", "XC.L10", "JURKAT")
# Of the panel, and of untreated expression: as many are counted.
GENES, EXPRESSED = 40, 200


@pytest.fixture
def part(lincs, tmp_path) -> Path:
    """The real data of a few cell lines and genes."""
    bundle, folder = find_bundle(lincs), tmp_path / "part"
    folder.mkdir()
    away = {bundle.siginfo, bundle.panel, bundle.expression}
    for path in lincs.iterdir():
        if path not in away and path.is_file():
            (folder / path.name).symlink_to(path.resolve())
    signatures = pd.read_csv(bundle.siginfo, sep="\t", dtype=str, keep_default_na=False)
    kept = signatures[signatures["cell_iname"].isin(LINES)]
    kept.to_csv(folder / bundle.siginfo.name, sep="\t", index=False)
    genes = bundle.panel.read_text(encoding="utf-8").split()[:GENES]
    (folder / f"gene_panel_{GENES}.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")
    untreated = pd.read_csv(bundle.expression, index_col=0)
    first = [*genes, *(gene for gene in untreated if gene not in genes)][:EXPRESSED]
    untreated[first].to_csv(folder / f"basal_expression_n{len(untreated)}x{EXPRESSED}.csv")
    return folder


@pytest.mark.parametrize(
    ("data", "budget", "rounds"),
    [("part", 10, 2), pytest.param("lincs", 30, 3, marks=pytest.mark.long)],
)
def test_the_bench_ends_where_the_select_stage_does(data, budget, rounds, request, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import campaign

    # Enough for a trend of dispersions; a fit takes time by the gene.
    monkeypatch.setattr("anchordrug.bench.assays.simulated_counts.BACKGROUND_GENES", 200)
    blank_pages(monkeypatch)
    monkeypatch.setattr(campaign, "BUDGET", budget)
    monkeypatch.setattr(campaign, "ROUNDS", rounds)
    out, raw = tmp_path / "drill.json", request.getfixturevalue(data)
    arguments = ["--raw", raw, "--predictor", "response_gp", "--work", tmp_path / "work", "--out", out]
    monkeypatch.setattr(sys, "argv", ["campaign.py", *map(str, arguments)])
    campaign.main()
    record = json.loads(out.read_text(encoding="utf-8"))
    assert len(record["select"]["anchors"]) == budget
    assert record["z"]["anchors"] == record["select"]["anchors"]
    assert record["z"]["macro_f1"] == pytest.approx(record["select"]["macro_f1"][-1], abs=1e-6)
    assert record["counts"]["macro_f1"] > record["select"]["macro_f1"][-1] - 0.03
