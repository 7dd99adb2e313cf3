"""anchordrug doctor: what is missing is told with its remedy, and scripts can read it."""

import hashlib
import json
import os
import shutil
from collections import namedtuple
from importlib import metadata, util
from pathlib import Path

import pytest
import yaml

from anchordrug.cli.doctor import is_in_git
from tests.conftest import DEMO, ROOT, copied, run_cli, small_params, write_params

KEYS = {"what", "state", "found", "remedy"}


def findings(folder: Path, *arguments: object) -> dict[str, dict]:
    """What doctor says of the project in `folder`, by what was looked at; it exits 1 on a problem."""
    result = run_cli("doctor", "--json", *arguments, folder=folder)
    said = json.loads(result.stdout)
    assert all(set(one) == KEYS for one in said["findings"])
    assert said["ok"] == all(one["state"] != "problem" for one in said["findings"])
    assert result.exit_code == (0 if said["ok"] else 1)
    return {one["what"]: one for one in said["findings"]}


def test_a_project_that_has_run_is_well(project):
    said = findings(project)
    assert {one["state"] for one in said.values()} <= {"ok", "warning"}
    assert said["stages"]["found"] == "all have run"
    assert metadata.version("anchordrug") in said["anchordrug"]["found"]
    result = run_cli("doctor", folder=project)
    assert result.exit_code == 0
    assert "0 problems" in result.stdout


def test_it_tells_which_stages_have_not_run(project, tmp_path):
    folder = copied(project, tmp_path)
    shutil.rmtree(folder / "models/onnx")
    shutil.rmtree(folder / "tables/predictions")
    said = findings(folder)
    assert said["stages"]["found"].endswith("not yet export; 'dvc repro' runs them")


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("tables/curated", "6 outputs of curate are missing: tables/curated/responses.parquet"),
        ("tables/atlas/genes.parquet", "1 output of grow is missing: tables/atlas/genes.parquet"),
        ("models/onnx", "2 outputs of export are missing: models/onnx/SIM-T1.onnx, models"),
        ("models/onnx/SIM-T1.onnx.sha256", "1 output of export is missing: models/onnx/SIM-T1.onnx.sha256"),
        ("tables/selections/SIM-T1-0.csv", "1 output of select is missing: tables/selections/SIM-T1-0.csv"),
    ],
)
def test_outputs_that_other_stages_have_read_are_missed(project, tmp_path, gone, told):
    folder = copied(project, tmp_path)
    if (folder / gone).is_dir():
        shutil.rmtree(folder / gone)
        (folder / gone).mkdir()
    else:
        (folder / gone).unlink()
    said = findings(folder)["stages"]
    assert said["state"] == "problem"
    assert said["found"].startswith(told)
    assert said["remedy"].endswith("or 'dvc repro' makes them again")
    assert ("git checkout" in said["remedy"]) == gone.endswith(("curated", ".csv"))
    assert ("dvc checkout" in said["remedy"]) == (not gone.endswith(".csv"))


def test_outputs_that_git_has_are_those_that_dvc_does_not_keep():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    outs = [out if isinstance(out, dict) else {out: {}} for stage in stages for out in stage["outs"]]
    for path, options in (entry for out in outs for entry in out.items()):
        assert is_in_git(Path(path)) == (options.get("cache") is False), path
    assert not is_in_git(Path("models/pretrained/SIM-T1/model.json"))


LOCK = """
stages:
  export@SIM-T1:
    outs:
    - {path: models/onnx/SIM-T1.onnx, hash: md5, md5: ONNX, size: 1}
    - {path: models/onnx/gone.onnx, hash: md5, md5: ONNX, size: 1}
  pretrain@SIM-T1:
    outs:
    - {path: models/pretrained/SIM-T1, hash: md5, md5: PRETRAINED.dir, size: 1, nfiles: 2}
  pretrain:
    outs:
    - {path: tables/curated, hash: md5, md5: of former days, size: 1}
"""


def test_a_byte_that_is_not_the_recorded_one_is_told(project, tmp_path):
    folder = copied(project, tmp_path)
    shutil.copy(ROOT / "dvc.yaml", folder)
    onnx, pretrained = folder / "models/onnx/SIM-T1.onnx", folder / "models/pretrained/SIM-T1"
    listed = [{"md5": md5(path), "relpath": path.name} for path in sorted(pretrained.iterdir())]
    of_folder = hashlib.md5(json.dumps(listed).encode()).hexdigest()
    lock = LOCK.replace("ONNX", md5(onnx), 1).replace("PRETRAINED", of_folder)
    (folder / "dvc.lock").write_text(lock)
    assert "hashes" not in findings(folder)
    weights = pretrained / "weights.safetensors"
    flip(weights)
    said = findings(folder)["hashes"]
    assert said["state"] == "warning"
    assert said["found"] == "1 output changed since 'dvc repro' or 'dvc add': models/pretrained/SIM-T1"
    assert said["remedy"].startswith("'dvc repro' makes outputs of stages again; 'dvc checkout --force'")
    flip(weights)
    assert "hashes" not in findings(folder)
    flip(onnx)
    said = findings(folder)
    assert said["stages"]["found"] == "damaged: models/onnx/SIM-T1.onnx is not the file of its .sha256"
    assert said["hashes"]["found"].endswith(": models/onnx/SIM-T1.onnx")


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_files_that_were_added_to_dvc_are_compared(tmp_path):
    write_params(tmp_path, small_params())
    (tmp_path / "drugs.csv").write_text("smiles\nCCO\n")
    dvc = f"outs:\n- {{md5: {md5(tmp_path / 'drugs.csv')}, size: 11, hash: md5, path: drugs.csv}}\n"
    (tmp_path / "drugs.csv.dvc").write_text(dvc)
    assert "hashes" not in findings(tmp_path)
    flip(tmp_path / "drugs.csv")
    assert findings(tmp_path)["hashes"]["found"].endswith(": drugs.csv")
    # A project of many targets has a lock of megabytes.
    (tmp_path / "drugs.csv.dvc").write_text(f"#{'-' * 2**21}\n{dvc}")
    assert findings(tmp_path)["hashes"]["found"].endswith(": drugs.csv")
    (tmp_path / "drugs.csv.dvc").write_text("outs: [")
    said = findings(tmp_path)["hashes"]
    assert said["state"] == "warning"
    assert said["found"].startswith(f"outputs are not compared with their hashes: {tmp_path}/drugs.csv.dvc: ")


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("tables/curated/drugs.parquet", 0, "is empty"),
        ("tables/curated/drugs.parquet", 900, "is cut"),
        ("tables/selections/SIM-T1-0.csv", 90, "is cut"),
        ("models/onnx/SIM-T1.onnx", 9000, "is not the file of its .sha256"),
    ],
)
def test_outputs_that_are_emptied_or_cut_are_told(project, tmp_path, name, size, told):
    folder = copied(project, tmp_path)
    os.truncate(folder / name, size)
    said = findings(folder)["stages"]
    assert (said["state"], said["found"]) == ("problem", f"damaged: {name} {told}")


def test_a_model_whose_weights_are_cut_is_told(project, tmp_path):
    folder = copied(project, tmp_path)
    (weights,) = (folder / "models/pretrained").rglob("*.safetensors")
    os.truncate(weights, weights.stat().st_size - 1)
    assert findings(folder)["stages"]["found"].endswith(".safetensors is cut")


def test_a_predictor_that_needs_what_the_raw_bundle_lacks_is_told(project, tmp_path):
    folder = copied(project, tmp_path)
    (folder / "raw").mkdir()
    for path in DEMO.iterdir():
        if not path.name.startswith(("basal_expression", "gene_ontology")):
            (folder / "raw" / path.name).symlink_to(path)
    params = small_params()
    params["raw"]["dir"] = "raw"
    for predictor, state in (("response_gp", None), ("mlp", "problem")):
        write_params(folder, params | {"predictor": predictor})
        said = findings(folder).get("predictor", {"state": None})
        assert said["state"] == state
    assert said["found"] == (
        "mlp needs gene annotation (gene_ontology*.csv, *.gmt or *.gaf), and the raw bundle has none"
    )


def test_targets_and_seeds_that_are_new_have_lost_nothing(project, tmp_path):
    folder = copied(project, tmp_path)
    for change in ({"seeds": [0, 1]}, {"targets": ["SIM-T1", "SIM-T2"]}):
        write_params(folder, small_params() | change)
        said = findings(folder)["stages"]
        assert said["state"] == "ok"
        assert "not yet" in said["found"]


def test_outside_a_project_nothing_is_wrong(tmp_path):
    said = findings(tmp_path)
    assert said["project"]["state"] == "ok"
    assert "raw bundle" not in said
    other = tmp_path / "other.yaml"
    assert findings(tmp_path, "--params", other)["project"]["found"].startswith(f"no {other} here")


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (lambda params: params["raw"].update(dir="nowhere"), "raw bundle", "set raw.dir"),
        (lambda params: params["curate"].update(dose=1), "settings", "did you mean 'curate.dose_um'"),
    ],
)
def test_a_mistake_in_the_project_is_a_problem_with_its_remedy(tmp_path, change, what, remedy):
    params = small_params()
    change(params)
    write_params(tmp_path, params)
    said = findings(tmp_path)
    assert said[what]["state"] == "problem"
    assert remedy in said[what]["remedy"]


def test_a_package_that_is_missing_or_too_old_is_named(tmp_path, monkeypatch):
    real = metadata.version

    def version(name: str) -> str:
        if name == "pandera":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "numpy" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    said = findings(tmp_path)["packages"]
    assert said["state"] == "problem"
    assert "numpy is 1.0, not >=2.0" in said["found"]
    assert "pandera is missing" in said["found"]
    assert "pip install" in said["remedy"]


@pytest.mark.parametrize(("marker", "said"), [("<", "prediction and pipeline"), (">=", "absent is missing")])
def test_a_package_for_other_pythons_alone_is_not_asked_for(tmp_path, monkeypatch, marker, said):
    asked = f"absent>=1; python_version {marker} '3.11' and extra == 'pipeline'"
    monkeypatch.setattr(metadata, "requires", lambda _: ["numpy>=2.0", asked])
    assert findings(tmp_path)["packages"]["found"] == said


def test_an_installation_for_prediction_alone_is_well(project, monkeypatch):
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "torch" else real(name, *rest))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    said = findings(project)
    assert said["packages"]["found"].startswith("prediction only")
    assert {said[name]["state"] for name in ("packages", "git", "dvc", "project")} == {"ok"}


def test_what_the_machine_lacks_is_a_warning(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 2**30))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("OMP_NUM_THREADS", str(10 * (os.cpu_count() or 1)))
    said = findings(tmp_path)
    assert {said[name]["state"] for name in ("disk", "threads", "git", "dvc")} == {"warning"}
    assert "OMP_NUM_THREADS" in said["threads"]["remedy"]
    assert said["disk"]["found"].startswith("1.0 GiB")


def test_a_runtime_that_does_not_run_is_a_problem(tmp_path, monkeypatch):
    import onnxruntime

    def fails(*_, **__):
        raise RuntimeError("illegal\ninstruction")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    said = findings(tmp_path)["onnxruntime"]
    assert said["state"] == "problem"
    assert said["found"] == "RuntimeError: illegal instruction"
    assert not (tmp_path / "metrics").exists()
