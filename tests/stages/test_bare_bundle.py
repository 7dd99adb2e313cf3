"""The pipeline on a raw bundle without gene annotation, and without untreated expression."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from anchordrug.errors import RawDataError, SettingsError
from tests.conftest import run_cli, run_stages, write_params
from tests.tiny import write_tiny_project

FIRST = (["curate"], ["grow"], ["featurize"], ["split"])
TARGET = ["--target", "SIM-T1"]
THEN = (
    ["pretrain", *TARGET],
    ["select", *TARGET, "--seed", "0"],
    ["finetune", *TARGET, "--seed", "0"],
    ["evaluate", *TARGET, "--seed", "0"],
    ["export", *TARGET],
)


def without(folder: Path, *patterns: str) -> Path:
    """Make a tiny project in `folder` whose bundle lacks some files."""
    write_tiny_project(folder)
    for pattern in patterns:
        for path in (folder / "data").glob(pattern):
            path.unlink()
    return folder


def with_predictor(folder: Path, name: str) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    write_params(folder, params | {"predictor": name})


def refusal(folder: Path, *command: str) -> str:
    """Return the one line with which a command ends."""
    result = run_cli(*command, folder=folder)
    assert isinstance(result.exception, SettingsError | RawDataError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture(scope="module")
def unannotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose bundle has no gene annotation, up to its splits. Tests must leave it as it is."""
    folder = without(tmp_path_factory.mktemp("unannotated"), "gene_ontology*")
    run_stages(folder, FIRST)
    return folder


def test_the_default_predictor_needs_no_annotation(unannotated, tmp_path):
    folder = Path(shutil.copytree(unannotated, tmp_path / "here"))
    with_predictor(folder, "ensemble")
    run_stages(folder, THEN)
    card = json.loads(run_cli("inspect", folder / "models/onnx/SIM-T1.onnx", "--json").output)
    assert card["predictor"] == "ensemble"
    funnel = pd.read_csv(folder / "tables/curated/funnel.csv")
    assert funnel["step"][0] == "genes of the panel with a symbol (no annotation given)"
    assert pd.read_parquet(folder / "tables/features/genes.parquet").columns.tolist() == ["gene"]


@pytest.mark.parametrize("predictor", ["mlp", "mlp_response"])
def test_the_network_of_the_paper_says_that_annotation_is_missing(unannotated, tmp_path, predictor):
    folder = Path(shutil.copytree(unannotated, tmp_path / "here"))
    with_predictor(folder, predictor)
    told = refusal(folder, "pretrain", *TARGET)
    assert told.startswith(f"predictor: {predictor} needs gene annotation, and the raw bundle has none; add ")


def test_a_bundle_without_expression_serves_response_gp_alone(tmp_path):
    folder = without(tmp_path, "gene_ontology*", "basal_expression*")
    result = run_cli("curate", folder=folder)
    assert result.exit_code == 0, result.exception
    assert (
        "no file named basal_expression*.csv or basal_expression*.csv.gz (expression); all " in result.output
    )
    assert "cell line with a name (no untreated expression given)" in result.output
    run_stages(folder, FIRST[1:])
    assert np.isnan(pd.read_parquet(folder / "tables/features/cell_lines.parquet").iloc[:, 1:]).all(axis=None)
    with_predictor(folder, "ensemble")
    assert "untreated expression of SIM-T1" in refusal(folder, "pretrain", *TARGET)
    library = ("--library", folder / "tables/atlas/drugs.parquet", "--budget", "3", "--rounds", "1")
    with_predictor(folder, "response_gp")
    expression = tmp_path / "mine.csv"
    expression.write_text("gene,NEW\nJUN,3\n", encoding="utf-8")
    new = ("campaign", "new", folder / "c", "--target", "NEW", *library)
    told = refusal(folder, *map(str, new), "--expression", str(expression))
    assert "no file named basal_expression*.csv" in told
    run_stages(folder, [[str(word) for word in new]])
