"""The drill of benchmarks/campaign.py on real data: the commands of the bench against the select stage."""

import json
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.real


def test_the_bench_ends_where_the_select_stage_does(lincs, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import campaign

    # Enough for a trend of dispersions; a fit takes time by the gene.
    monkeypatch.setattr("anchordrug.bench.assays.simulated_counts.BACKGROUND_GENES", 200)
    out = tmp_path / "drill.json"
    arguments = ["--raw", lincs, "--predictor", "response_gp", "--work", tmp_path / "work", "--out", out]
    monkeypatch.setattr(sys, "argv", ["campaign.py", *map(str, arguments)])
    campaign.main()
    record = json.loads(out.read_text(encoding="utf-8"))
    assert len(record["select"]["anchors"]) == 30
    assert record["z"]["anchors"] == record["select"]["anchors"]
    assert record["z"]["macro_f1"] == pytest.approx(record["select"]["macro_f1"][-1], abs=1e-6)
    assert record["counts"]["macro_f1"] > record["select"]["macro_f1"][-1] - 0.03
