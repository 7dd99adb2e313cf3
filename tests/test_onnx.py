"""The ONNX file: agreement with torch, its card, and prediction without the pipeline's packages."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import onnx
import pandas as pd
import pytest

from anchordrug.atlas import LABELS
from anchordrug.errors import LibraryError
from anchordrug.inference import load_onnx, parse
from tests.conftest import load_fitted, run_cli

MODEL = "models/onnx/SIM-T1.onnx"


@pytest.fixture
def onnx_predictor(in_either_project):
    return load_onnx(in_either_project / MODEL)


def test_onnx_and_library_agree_on_every_drug_and_gene(onnx_predictor):
    fitted, atlas = load_fitted("drugs-20")
    parsed = parse(onnx_predictor, atlas.drugs["smiles"].tolist())
    assert parsed.positions == list(range(len(atlas.drugs)))
    assert parsed.inchikeys == atlas.drugs["inchikey"].tolist()
    ours = onnx_predictor.predict(parsed.bits, parsed.inchikeys)
    drugs = np.arange(len(atlas.drugs))
    np.testing.assert_allclose(ours.probabilities, fitted.probabilities(drugs), atol=1e-5)
    assert ours.probabilities.dtype == np.float32
    assert (ours.labels == fitted.labels(drugs)).mean() > 0.9999


def test_any_batch_size_gives_the_same_numbers(onnx_predictor):
    bits = np.random.default_rng(0).integers(0, 2, (9, 1024)).astype(np.float32)
    bits[4] = 0  # a molecule without any bit
    keys = [""] * 9
    whole = onnx_predictor.predict(bits, keys).probabilities
    single = [onnx_predictor.predict(bits[[row]], [""]).probabilities[0] for row in range(9)]
    np.testing.assert_allclose(single, whole, atol=1e-6)
    assert np.isfinite(whole).all()
    nothing = onnx_predictor.predict(bits[:0], [])
    assert nothing.probabilities.shape == (0, len(onnx_predictor.genes), 3)


def test_the_contract_of_the_file(in_either_project):
    model = onnx.load(in_either_project / MODEL, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    card = {one.key: json.loads(one.value) for one in model.metadata_props}
    keys = [] if card["predictor"] == "mlp" else ["inchikey"]
    z = ["z"] if card["predictor"] == "ensemble" else []
    assert [value.name for value in model.graph.input] == ["fingerprint", *keys]
    assert [value.name for value in model.graph.output] == ["probabilities", *z]
    assert not any(one.external_data for one in model.graph.initializer)
    genes = pd.read_parquet("tables/curated/genes.parquet")["gene"].tolist()
    anchors = pd.read_csv("tables/selections/SIM-T1-0.csv")["drug_id"].tolist()
    assert card["genes"] == genes
    assert card["labels"] == list(LABELS)
    assert card["target"] == "SIM-T1"
    assert card["threshold"] == 1.5
    assert card["anchors"] == anchors
    assert card["fingerprint"]["radius"] == 2
    assert card["fingerprint"]["bits"] == 1024
    assert set(card) >= {"format_version", "predictor", "training_data", "package_version"}


def test_exporting_again_gives_the_same_bytes(in_either_project):
    before = (in_either_project / MODEL).read_bytes()
    assert run_cli("export", "--target", "SIM-T1").exit_code == 0
    assert (in_either_project / MODEL).read_bytes() == before


def test_predict_imports_nothing_of_the_pipeline(in_either_project, tmp_path):
    """In a process where importing the pipeline's packages fails."""
    script = textwrap.dedent("""
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"torch", "deepchem", "dvc", "pandera", "sklearn", "scipy", "onnx",
                                          "h5py", "yaml", "safetensors"}:
                    raise ImportError(name + " is refused")

        sys.meta_path.insert(0, Refuse())
        from anchordrug.cli import main
        main()
    """)
    (tmp_path / "drugs.csv").write_text("name,SMILES\naspirin,CC(=O)Oc1ccccc1C(=O)O\n")
    out = tmp_path / "p.parquet"
    command = ["predict", "--model", str(in_either_project / MODEL), "--drugs", str(tmp_path / "drugs.csv")]
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "--out", str(out)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out)
    assert (table["drug_id"] == "aspirin").all()
    np.testing.assert_allclose(table[["p_down", "p_none", "p_up"]].sum(axis=1), 1, atol=1e-5)


def test_the_consumer_in_the_docs_runs_and_agrees(in_either_project, capsys):
    from tests.conftest import ROOT

    page = (ROOT / "docs/onnx.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    exec(compile(code, "docs/onnx.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    predictor = load_onnx(in_either_project / MODEL)
    parsed = parse(predictor, ["CC(=O)Oc1ccccc1C(=O)O"])
    ours = predictor.predict(parsed.bits, parsed.inchikeys)
    for line, gene, label, (down, none, up) in zip(
        lines, predictor.genes, ours.labels[0], ours.probabilities[0], strict=False
    ):
        assert line == f"{gene}: {LABELS[label]} (down {down:.2f}, none {none:.2f}, up {up:.2f})"
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such model"), (b"junk", "not a readable ONNX model"), (b"", "not a readable ONNX model")],
)
def test_models_that_are_none(tmp_path, content, message):
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LibraryError, match=f"m.onnx: {message}"):
        load_onnx(path)


def test_somebody_elses_onnx_model_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [value("x", onnx.TensorProto.FLOAT, [1])],
        [value("y", onnx.TensorProto.FLOAT, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(LibraryError, match="not one of anchordrug's"):
        load_onnx(tmp_path / "m.onnx")
