"""The ONNX file: agreement with torch, its card, and prediction without the pipeline's packages."""

import json
import re
import subprocess
import sys
import textwrap

import numpy as np
import onnx
import pandas as pd
import pytest

from anchordrug.errors import LibraryError
from anchordrug.labels import LABELS
from anchordrug.prediction.inference import FORMAT_VERSION, UNKNOWN, load_onnx, parse
from tests.conftest import ROOT, load_fitted, run_cli

MODEL = "models/onnx/SIM-T1.onnx"


@pytest.fixture
def onnx_predictor(either_project):
    return load_onnx(either_project / MODEL)


def test_onnx_and_library_agree_on_every_drug_and_gene(onnx_predictor, either_project):
    fitted, atlas = load_fitted(either_project, "drugs-20")
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


def test_the_contract_of_the_file(either_project):
    model = onnx.load(either_project / MODEL, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    card = {one.key: json.loads(one.value) for one in model.metadata_props}
    genes = pd.read_parquet(either_project / "tables/atlas/genes.parquet")["gene"].tolist()
    assert [ends(one) for one in model.graph.input] == [
        ("fingerprint", onnx.TensorProto.FLOAT, ["n", 1024]),
        ("inchikey", onnx.TensorProto.STRING, ["n"]),
    ]
    z = [("z", onnx.TensorProto.FLOAT, ["n", len(genes)])] if card["predictor"] == "ensemble" else []
    assert [ends(one) for one in model.graph.output] == [
        ("probabilities", onnx.TensorProto.FLOAT, ["n", len(genes), 3]),
        *z,
        ("nearest", onnx.TensorProto.INT64, ["n"]),
        ("similarity", onnx.TensorProto.FLOAT, ["n"]),
        ("source_lines", onnx.TensorProto.INT64, ["n"]),
    ]
    assert not any(one.external_data for one in model.graph.initializer)
    anchors = pd.read_csv(either_project / "tables/selections/SIM-T1-0.csv")["drug_id"].tolist()
    assert card["genes"] == genes
    assert card["labels"] == list(LABELS)
    assert card["target"] == "SIM-T1"
    assert card["threshold"] == 1.5
    assert card["anchors"] == anchors
    assert card["fingerprint"]["radius"] == 2
    assert card["fingerprint"]["bits"] == 1024
    assert card["format_version"] == FORMAT_VERSION
    # Every key is described, and nothing else is.
    page = (ROOT / "docs/onnx.md").read_text(encoding="utf-8")
    described = page.split("## The card\n")[1].split("\n## ")[0]
    optional = {"decision_offsets_unseen", "date"}
    assert set(card) | optional == set(re.findall(r"^\| `(\w+)` ", described, re.MULTILINE))


def ends(value):
    """Name, type and shape of an input or output."""
    kind = value.type.tensor_type
    return value.name, kind.elem_type, [one.dim_param or one.dim_value for one in kind.shape.dim]


@pytest.fixture
def atlas_drugs(either_project):
    """The project's drugs, with bits and the number of source lines that have measured them."""
    drugs = pd.read_parquet(either_project / "tables/atlas/drugs.parquet")
    features = pd.read_parquet(either_project / "tables/features/drugs.parquet").set_index("drug_id")
    responses = pd.read_parquet(either_project / "tables/atlas/responses.parquet")
    sources = responses[responses["cell_line"] != "SIM-T1"]
    lines = sources.groupby("drug_id")["cell_line"].nunique()
    bits = features.loc[drugs["drug_id"]].to_numpy(bool)
    return drugs.assign(bits=list(bits), lines=drugs["drug_id"].map(lines).fillna(0).astype(int))


def test_the_file_tells_how_near_a_drug_is_to_those_learned_from(onnx_predictor, atlas_drugs):
    ids, bits = atlas_drugs["drug_id"], np.stack(atlas_drugs["bits"])
    is_learned = (atlas_drugs["lines"] > 0) | ids.isin(onnx_predictor.card["anchors"])
    learned = ids[is_learned].tolist()
    assert onnx_predictor.card["learned_drugs"] == learned
    assert 0 < is_learned.mean() < 1
    others = bits[is_learned]
    tanimoto = np.array([(one & others).sum(axis=1) / (one | others).sum(axis=1) for one in bits])
    nearest = tanimoto == tanimoto.max(axis=1, keepdims=True)

    known = onnx_predictor.predict(bits, atlas_drugs["inchikey"])
    np.testing.assert_allclose(known.similarity, tanimoto.max(axis=1), atol=1e-6)
    assert known.similarity.max() == 1
    assert nearest[np.arange(len(bits)), known.nearest].all()
    np.testing.assert_array_equal(known.source_lines, atlas_drugs["lines"])
    itself = ids.map({drug: place for place, drug in enumerate(learned)}).to_numpy()
    np.testing.assert_array_equal(known.nearest[is_learned], itself[is_learned])
    unlearned = np.where(known.similarity >= 0.4, "near", "far")
    assert set(known.evidence[is_learned]) == {"seen"}
    # A drug with the fingerprint of an anchor cannot be told from it.
    other = (~is_learned & (known.similarity < 1)).to_numpy()
    np.testing.assert_array_equal(known.evidence[other], unlearned[other])

    for key in ("", "AAAAAAAAAAAAAA-UHFFFAOYSA-N"):
        unknown = onnx_predictor.predict(bits, [key] * len(bits))
        assert not unknown.source_lines.any()
        np.testing.assert_array_equal(unknown.similarity, known.similarity)
        assert nearest[np.arange(len(bits)), unknown.nearest].all()


def test_a_structure_without_any_bit_is_near_to_nothing(onnx_predictor):
    found = onnx_predictor.predict(np.zeros((1, 1024), np.uint8), [""])
    assert found.similarity.tolist() == [0]


def test_the_card_tells_how_narrowly_labels_are_decided(onnx_predictor, atlas_drugs):
    found = onnx_predictor.predict(np.stack(atlas_drugs["bits"]), atlas_drugs["inchikey"])
    scores = np.sort(np.log(found.probabilities) + onnx_predictor.card["decision_offsets"], axis=2)
    margin = scores[:, :, 2] - scores[:, :, 1]
    margins = onnx_predictor.card["margins"]
    np.testing.assert_allclose(margins, np.percentile(margin, range(101)), atol=1e-3)
    np.testing.assert_allclose(found.margin, margin, atol=1e-4)
    for coverage in (0.25, 0.8, 1.0):
        least = onnx_predictor.least_margin(coverage)
        assert (margin >= least).mean() == pytest.approx(coverage, abs=2e-3)
        answers = found.answers(least)
        np.testing.assert_array_equal(answers == UNKNOWN, found.margin < least)
        np.testing.assert_array_equal(answers[found.margin >= least], found.labels[found.margin >= least])


def test_exporting_again_gives_the_same_bytes(either_project):
    before = (either_project / MODEL).read_bytes()
    assert run_cli("export", "--target", "SIM-T1", folder=either_project).exit_code == 0
    assert (either_project / MODEL).read_bytes() == before


def test_predict_imports_nothing_of_the_pipeline(project, mlp_project, mlp_response_project, tmp_path):
    """In a process where importing the pipeline's packages fails."""
    script = textwrap.dedent("""
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"torch", "deepchem", "dvc", "pandera", "sklearn", "scipy", "onnx",
                                          "h5py", "yaml", "safetensors"}:
                    raise ImportError(name + " is refused")

        sys.meta_path.insert(0, Refuse())
        from anchordrug.cli import app

        for number, model in enumerate(sys.argv[1:]):
            app(["predict", "--model", model, "--drugs", "drugs.csv", "--out", f"{number}.parquet"],
                standalone_mode=False)
    """)
    (tmp_path / "drugs.csv").write_text("name,SMILES\naspirin,CC(=O)Oc1ccccc1C(=O)O\n")
    models = [folder / MODEL for folder in (project, mlp_project, mlp_response_project)]
    done = subprocess.run(
        [sys.executable, "-c", script, *models], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for number in range(len(models)):
        table = pd.read_parquet(tmp_path / f"{number}.parquet")
        assert (table["drug_id"] == "aspirin").all()
        np.testing.assert_allclose(table[["p_down", "p_none", "p_up"]].sum(axis=1), 1, atol=1e-5)


def code_in_the_docs(language):
    page = (ROOT / "docs/tutorial_onnx.md").read_text(encoding="utf-8")
    return [part.split("```")[0] for part in page.split(f"```{language}\n")[1:]]


def test_the_consumer_in_the_docs_runs_and_agrees(either_project, tmp_path):
    consumer, trust, _ = code_in_the_docs("python")
    names = ("answers", "confidence", "strength")
    kept = f"np.savez({str(tmp_path / 'kept.npz')!r}, {', '.join(f'{name}={name}' for name in names)})"
    code = "\n".join((consumer, trust, "import numpy as np", kept))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=either_project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, answered, change = done.stdout.splitlines()
    found = np.load(tmp_path / "kept.npz")
    predictor = load_onnx(either_project / MODEL)
    parsed = parse(predictor, ["CC(=O)Oc1ccccc1C(=O)O"])
    ours = predictor.predict(parsed.bits, parsed.inchikeys)
    for line, gene, label, (down, none, up) in zip(
        lines, predictor.genes, ours.labels[0], ours.probabilities[0], strict=False
    ):
        assert line == f"{gene}: {LABELS[label]} (down {down:.2f}, none {none:.2f}, up {up:.2f})"
    assert len(lines) == 5

    answers = ours.answers(predictor.least_margin(0.8))
    assert 0 < (answers == UNKNOWN).mean() < 1
    np.testing.assert_array_equal(found["answers"], np.array([*LABELS, "unknown"])[answers])
    np.testing.assert_allclose(found["confidence"], ours.confidence, rtol=1e-5)
    np.testing.assert_allclose(found["strength"], ours.strength, rtol=1e-5)
    assert answered.startswith(f"{(answers != UNKNOWN).sum()} of {answers.size} genes answered")
    assert f"most like {predictor.card['learned_drugs'][ours.nearest[0]]} (similarity " in change


def test_what_the_docs_show_of_the_consumer_in_javascript_is_in_it():
    script = (ROOT / "examples/consumer.mjs").read_text(encoding="utf-8")
    lines = {line.strip() for line in script.splitlines()}
    shown = code_in_the_docs("js")
    assert len(shown) == 2
    assert {line.strip() for part in shown for line in part.splitlines()} <= lines


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


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16408162\n"
STAND_INS = {
    "Git LFS": (LFS, "is a Git LFS pointer, not the file itself; run 'git lfs pull'"),
    "DVC": ("outs:\n- md5: 3f2a\n  size: 9\n  path: m.onnx\n", "is a DVC pointer.*run 'dvc pull'"),
    "DVC with its md5 first": ("md5: 1\nouts:\n- md5: 2\n  path: m.onnx\n", "is a DVC pointer"),
    "git-annex": ("/annex/objects/SHA256E-s9--00.onnx\n", "is a git-annex pointer.*'git annex get'"),
    "page": ("<!DOCTYPE html><title>Sign in</title>", r"is a web page \(HTML\).*download the file itself"),
    "PDF": ("%PDF-1.7", "is a PDF; give an exported model, such as models/onnx/TARGET.onnx"),
}


@pytest.mark.parametrize(("content", "message"), STAND_INS.values(), ids=STAND_INS)
def test_files_that_stand_in_for_a_model(tmp_path, content, message):
    (tmp_path / "m.onnx").write_text(content)
    with pytest.raises(LibraryError, match=f"m.onnx: {message}"):
        load_onnx(tmp_path / "m.onnx")


def test_a_model_that_dvc_has_not_fetched(tmp_path):
    (tmp_path / "m.onnx.dvc").write_text("outs:\n- md5: 0\n  path: m.onnx\n")
    with pytest.raises(LibraryError, match=r"m.onnx: no such model; m.onnx.dvc is there: run 'dvc pull .*'"):
        load_onnx(tmp_path / "m.onnx")


def identity(opset=17, ir_version=8, operator="Identity", domain=""):
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    node = onnx.helper.make_node(operator, ["x"], ["y"], domain=domain)
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("org.example", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            identity(opset=99),
            r"opset 99 is newer than this onnxruntime \(.*, up to opset \d+\); install a newer",
        ),
        (
            identity(ir_version=77),
            r"IR version 77 is newer than this onnxruntime .*; install a newer onnxruntime",
        ),
        (identity(operator="Foretell"), "does not know its operator Foretell; install a newer onnxruntime"),
        (
            identity(operator="Foretell", domain="org.example"),
            "does not know its operator org.example:Foretell; install a newer onnxruntime",
        ),
    ],
)
def test_models_for_a_newer_onnxruntime(tmp_path, model, message):
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(LibraryError, match=f"m.onnx: .*{message}") as caught:
        load_onnx(tmp_path / "m.onnx")
    assert str(caught.value).isprintable()
    assert "ONNXRuntimeError" not in str(caught.value)


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
