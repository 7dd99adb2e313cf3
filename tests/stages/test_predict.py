"""anchordrug predict on libraries as people have them."""

import numpy as np
import pandas as pd
import pytest

from anchordrug import schemas
from anchordrug.inference import load_onnx
from tests.conftest import run_cli

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.fixture
def predict(in_project, tmp_path):
    def run(text: str | bytes, name: str = "drugs.csv", out: str = "out.parquet"):
        library = tmp_path / name
        library.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = run_cli(
            "predict", "--model", "models/onnx/SIM-T1.onnx", "--drugs", library, "--out", tmp_path / out
        )
        return result, tmp_path / out

    return run


def test_every_drug_and_gene_has_a_row(predict, in_project):
    result, out = predict(f"drug_id,smiles\na,{ASPIRIN}\nb,CCO\n")
    assert result.exit_code == 0, result.exception
    table = schemas.validate(pd.read_parquet(out), schemas.PREDICTIONS, out)
    genes = pd.read_parquet("tables/curated/genes.parquet")["gene"].tolist()
    assert table["drug_id"].tolist() == ["a"] * len(genes) + ["b"] * len(genes)
    assert table["gene"].tolist() == genes * 2
    offsets = load_onnx(in_project / "models/onnx/SIM-T1.onnx").card["decision_offsets"]
    best = (np.log(table[["p_down", "p_none", "p_up"]].to_numpy()) + offsets).argmax(axis=1)
    assert table["label"].tolist() == np.array(["down", "none", "up"])[best].tolist()
    assert table["z"].notna().all()
    assert pd.read_csv(out.with_suffix(".rejects.csv")).empty


def test_a_predictor_without_z_leaves_that_column_empty(mlp_project, tmp_path):
    (tmp_path / "drugs.csv").write_text(f"drug_id,smiles\na,{ASPIRIN}\n")
    model = mlp_project / "models/onnx/SIM-T1.onnx"
    out = tmp_path / "out.parquet"
    assert (
        run_cli("predict", "--model", model, "--drugs", tmp_path / "drugs.csv", "--out", out).exit_code == 0
    )
    table = schemas.validate(pd.read_parquet(out), schemas.PREDICTIONS, out)
    assert table["z"].isna().all()


def test_unreadable_structures_are_rejected_and_the_run_goes_on(predict):
    result, out = predict(f"id,SMILES\na,{ASPIRIN}\nb,C(C\nc,\nd,CCO\n")
    assert result.exit_code == 0
    assert "2 drugs rejected" in result.output
    assert pd.read_parquet(out)["drug_id"].unique().tolist() == ["a", "d"]
    rejects = pd.read_csv(out.with_suffix(".rejects.csv"), keep_default_na=False)
    assert rejects[["drug_id", "row", "reason"]].to_numpy().tolist() == [
        ["b", 2, "not a valid SMILES"],
        ["c", 3, "empty SMILES"],
    ]


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        ("d.csv", f"name,smiles\nß-lactam,{ASPIRIN}\n".encode("latin-1"), ["ß-lactam"]),
        ("d.csv", b"\xef\xbb\xbfname,smiles\r\nx,CCO\r\n", ["x"]),
        ("d.csv", b"Canonical_SMILES\nCCO\nCCN\n", ["row_1", "row_2"]),
        ("d.tsv", b"pert_id\tsmiles\nx\tCCO\n", ["x"]),
        ("d.csv", b'name,smiles\n"a, b",CCO\n,CCN\nNA,CCC\n', ["a, b", "row_2", "NA"]),
    ],
)
def test_spellings_of_a_library(predict, name, content, ids):
    result, out = predict(content, name)
    assert result.exit_code == 0, result.exception
    assert pd.read_parquet(out)["drug_id"].unique().tolist() == ids


def test_csv_out_equals_parquet_out(predict):
    text = f"id,smiles\na,{ASPIRIN}\n"
    one, two = pd.read_parquet(predict(text)[1]), pd.read_csv(predict(text, out="out.csv")[1])
    assert one["label"].tolist() == two["label"].tolist()
    np.testing.assert_allclose(one["p_up"], two["p_up"], atol=1e-6)


def test_the_batch_a_drug_falls_into_does_not_matter(predict, monkeypatch):
    from anchordrug.stages import predict as stage

    text = "smiles\n" + "\n".join(["C" * n + "O" for n in range(1, 12)]) + "\n"
    whole = pd.read_parquet(predict(text)[1])
    monkeypatch.setattr(stage, "DRUGS_A_BATCH", 3)
    pd.testing.assert_frame_equal(pd.read_parquet(predict(text)[1]), whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a table"),
        (b"name,smiles\n", "holds no drugs; add a row per drug"),
        (b"name,weight\nx,1\n", "no SMILES column (expected 'smiles', found name, weight)"),
        (b"id,smiles\nx,CCO\nx,CCN\n", "id 'x' stands in lines 2, 3"),
        (b"id,smiles\nx,C(C\n", "none of its 1 structures can be read"),
    ],
)
def test_libraries_that_cannot_be_used(predict, content, message):
    result, out = predict(content)
    assert message in str(result.exception)
    assert "drugs.csv: " in str(result.exception)
    assert not out.exists()


def test_a_missing_library_and_an_unknown_format(in_project, tmp_path):
    model = ["predict", "--model", "models/onnx/SIM-T1.onnx", "--drugs", tmp_path / "no.csv"]
    assert "no.csv: no such file" in str(run_cli(*model, "--out", tmp_path / "o.csv").exception)
    assert "cannot write '.xlsx'" in str(run_cli(*model, "--out", tmp_path / "o.xlsx").exception)
