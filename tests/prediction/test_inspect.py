"""anchordrug inspect: what a model file says by itself."""

import json
import shutil

import onnx
import pandas as pd
import pytest
import yaml
from onnx import TensorProto, helper

import anchordrug
from anchordrug.errors import LibraryError
from anchordrug.files.digests import sha256
from anchordrug.prediction.inference import FORMAT_VERSION, load_onnx
from tests.conftest import run_cli

MODEL = "models/onnx/SIM-T1.onnx"


def shown(*arguments):
    result = run_cli("inspect", *arguments)
    assert result.exit_code == 0, result.exception
    return result.output


def entries(text):
    """What stands under each name, lines joined; a name is repeated or empty where there are several."""
    found = []
    for line in text.splitlines()[1:]:
        name, rest = line[:20].strip(), line[20:]
        if name or rest.startswith("test drugs, "):
            found.append([name, rest])
        else:
            found[-1][1] += f" {rest}"
    return found


@pytest.mark.parametrize("project_name", ["project", "mlp_project"])
def test_a_person_reads_what_the_model_is(request, project_name):
    folder = request.getfixturevalue(project_name)
    text = shown(folder / MODEL)
    assert text.splitlines()[0] == f"{folder / MODEL} ({(folder / MODEL).stat().st_size / 1e6:.1f} MB)"
    assert max(map(len, text.splitlines()[1:])) <= 110
    told = entries(text)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    genes = pd.read_parquet(folder / "tables/atlas/genes.parquet")["gene"].tolist()
    anchors = pd.read_csv(folder / "tables/selections/SIM-T1-0.csv").sort_values("rank")["drug_id"].tolist()
    responses = pd.read_parquet(folder / "tables/atlas/responses.parquet", columns=["drug_id", "cell_line"])
    sources = responses[responses["cell_line"] != "SIM-T1"]
    lines = sorted(sources["cell_line"].unique())
    learned = set(sources["drug_id"]) | set(anchors)

    one = dict(told)
    assert one["target"] == "SIM-T1"
    assert one["predictor"] == (
        f"{params['predictor']}, format {FORMAT_VERSION}, anchordrug {anchordrug.__version__}"
    )
    assert one["genes"] == f"{len(genes)}: {', '.join(genes[:5])} and {len(genes) - 5} more"
    assert one["labels"] == f"down, none, up at |z| > {params['curate']['threshold']:g}"
    assert one["structures"] == "morgan of radius 2, 1024 bits, of anchordrug parent 2"
    assert one["inputs"] == "fingerprint tensor(float) ['n', 1024]; inchikey tensor(string) ['n']"
    outputs = [output.split()[0] for output in one["outputs"].split("; ")]
    # The paper's network has no z.
    z = ["z"] if project_name == "project" else []
    assert outputs == ["probabilities", *z, "nearest", "similarity", "source_lines"]
    strategy = params["select"]["strategy"]
    assert one["anchors"] == f"20 ({strategy}, seed 0): {', '.join(anchors[:5])} and 15 more"
    assert one["learned from"].startswith(f"{len(learned)} drugs: ")
    assert set(one["learned from"].split(": ")[1].split(" and ")[0].split(", ")) < learned
    assert one["source cell lines"] == f"{len(lines)}: {', '.join(lines)}"
    data = [rest.split(" sha256 ") for name, rest in told if name.startswith("data ")]
    assert len(data) >= 2
    for path, key in data:
        assert sha256(folder / path) == key
    scores = pd.read_csv(folder / "metrics/scores/SIM-T1-0.csv").set_index("predictor").loc["drugs-20"]
    measured = [rest for name, rest in told if rest.startswith("test drugs, ")]
    assert f"test drugs, macro-F1 {scores['macro_f1']:.3f}" in measured
    assert f"test drugs, expected calibration error {scores['ece']:.3f}" in measured
    assert len(measured) == 5
    assert "not advice for the clinic" in one["intended use"]
    assert "is a guess" in one["limits"]


@pytest.mark.parametrize("project_name", ["project", "mlp_project"])
def test_a_program_reads_the_whole_card(request, project_name):
    path = request.getfixturevalue(project_name) / MODEL
    card = json.loads(shown(path, "--json"))
    assert card == load_onnx(path).card
    stored = onnx.load(path, load_external_data=False).metadata_props
    assert card == {one.key: json.loads(one.value) for one in stored}
    assert card["target"] == "SIM-T1"


def test_letters_of_other_alphabets_are_written_as_they_are(project, tmp_path):
    model = onnx.load(project / MODEL)
    card = {one.key: json.loads(one.value) for one in model.metadata_props}
    card["anchors"] = ["β-estradiol", "two\nlines"]
    helper.set_model_props(model, {key: json.dumps(value) for key, value in card.items()})
    onnx.save(model, tmp_path / "m.onnx")
    assert "β-estradiol" in shown(tmp_path / "m.onnx", "--json")
    # A line break in a name does not break the column.
    assert dict(entries(shown(tmp_path / "m.onnx")))["anchors"].endswith(": β-estradiol, two lines")


def with_props(path, props):
    """A model that does nothing, with `props`."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, props)
    onnx.save(model, path)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_another_file_is_told_in_one_line(tmp_path, options):
    with_props(tmp_path / "other.onnx", {})
    with_props(tmp_path / "old.onnx", {"format_version": '"1"', "fingerprint": "{}"})
    (tmp_path / "text.onnx").write_text("no model", encoding="utf-8")
    (tmp_path / "folder.onnx").mkdir()
    for name, message in {
        "other": "an ONNX model, but not one of anchordrug's; give one from models/onnx",
        "old": f"has format 1, this anchordrug reads {FORMAT_VERSION}; run 'anchordrug export' again",
        "text": "not a readable ONNX model: it is damaged, cut or of another kind; copy or export it again",
        "folder": "is a folder; give a model in it, such as TARGET.onnx",
        "missing": "no such model; 'dvc repro' writes one per target into models/onnx",
    }.items():
        path = tmp_path / f"{name}.onnx"
        result = run_cli("inspect", path, *options)
        assert isinstance(result.exception, LibraryError)
        assert str(result.exception) == f"{path}: {message}"
        assert result.output == ""


def last_line(text):
    return entries(text)[-1]


def test_a_model_is_checked_against_the_sum_beside_it(project, tmp_path):
    model = shutil.copyfile(project / MODEL, tmp_path / "m.onnx")
    assert last_line(shown(model)) == ["checksum", "absent: there is no m.onnx.sha256 next to the model"]
    beside = shutil.copyfile(project / f"{MODEL}.sha256", tmp_path / "m.onnx.sha256")
    assert last_line(shown(model)) == ["checksum", "matches m.onnx.sha256"]
    shown(model, "--json")
    beside.write_text(f"{'0' * 64}  m.onnx\n")
    result = run_cli("inspect", model)
    assert last_line(result.output)[1].startswith("DIFFERS from m.onnx.sha256: ")
    for found in (result, run_cli("inspect", model, "--json")):
        assert isinstance(found.exception, LibraryError)
        assert str(found.exception) == (
            f"{model}: differs from its checksum in m.onnx.sha256; copy or export both of them again"
        )
        assert "SIM-T1" in found.output
    drugs = tmp_path / "d.csv"
    drugs.write_text("smiles\nCCO\n")
    told = f"{model}: differs from its checksum in m.onnx.sha256"
    for command in (("predict",), ("rank", "--signature", "no.csv")):
        found = run_cli(*command, "--model", model, "--drugs", drugs, "--out", tmp_path / "out.csv")
        assert str(found.exception).startswith(told)
    with pytest.raises(LibraryError, match=r"differs from its checksum"):
        anchordrug.predict(model, ["CCO"])
