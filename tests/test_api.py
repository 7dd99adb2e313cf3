"""The public interface: what a notebook, a script without a main guard and `python -` do with it."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

import anchordrug
from anchordrug import AnchorDrugError
from anchordrug.errors import LibraryError, OutputError, SettingsError, TableError
from anchordrug.files.checksums import checked
from tests.conftest import DEMO, ROOT, project_at

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C"]
TEN_LINES = """import anchordrug as ad
target = ad.open_project(".").learn("SIM-T1")
z = target.measured()
chosen = target.choose(30, among=z.index)
fitted = target.fit(z.loc[chosen["drug_id"]])
table = fitted.predict(["CC(=O)Oc1ccccc1C(=O)O", "not a structure"])
fitted.write_onnx("own.onnx")
again = ad.predict("own.onnx", ["CC(=O)Oc1ccccc1C(=O)O"])
print(len(chosen), len(table), table["reason"].notna().sum(), again["label"].notna().all())
"""


def python(folder, *arguments, script=None):
    """Run Python as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )


@pytest.fixture(scope="module")
def target(project):
    return anchordrug.open_project(project).learn("SIM-T1")


@pytest.fixture(scope="module")
def fitted(target):
    z = target.measured()
    return target.fit(z.iloc[:12])


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_ten_lines_run_without_a_main_guard(project, tmp_path, way):
    (tmp_path / "params.yaml").write_bytes((project / "params.yaml").read_bytes())
    for name in ("tables", "models"):
        (tmp_path / name).symlink_to(project / name)
    assert len(TEN_LINES.splitlines()) <= 10
    if way == "file":
        (tmp_path / "script.py").write_text(TEN_LINES, encoding="utf-8")
        done = python(tmp_path, "script.py")
    else:
        done = python(tmp_path, "-", script=TEN_LINES)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"30 {len(project_at(project).atlas().genes) + 1} 1 True"


def test_import_is_light():
    code = (
        "import anchordrug, sys, json;"
        "print(json.dumps([name for name in ('torch', 'pandas', 'numpy', 'rdkit') if name in sys.modules]))"
    )
    assert json.loads(python(ROOT, "-c", code).stdout) == []


def test_a_model_is_opened_without_torch(project):
    code = (
        f"import anchordrug, sys; model = {str(project / 'models/onnx/SIM-T1.onnx')!r};"
        "t = anchordrug.predict(model, ['CCO']);"
        "print('torch' in sys.modules, 'pandera' in sys.modules, len(t) > 50)"
    )
    assert python(ROOT, "-c", code).stdout.split() == ["False", "False", "True"]


def test_every_public_name_is_there_and_documented():
    for name in anchordrug.__all__:
        thing = getattr(anchordrug, name)
        assert name == "__version__" or thing.__doc__, name
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    missing = [name for name in anchordrug.__all__ if f"`{name}" not in page and name != "__version__"]
    assert missing == []
    assert dir(anchordrug) == sorted(anchordrug.__all__)
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        anchordrug.predictt  # noqa: B018


def test_predictions_equal_those_of_the_fitted_predictor(target, fitted):
    atlas = target.reference.atlas
    rows = np.array([3, 40, 100])
    table = fitted.predict(atlas.drugs["smiles"].iloc[rows].tolist(), ids=["a", "b", "c"], coverage=1)
    wide = table.pivot(index="drug_id", columns="gene", values="p_up")[target.genes]
    np.testing.assert_allclose(wide.to_numpy(), fitted.fitted.probabilities(rows)[:, :, 2], atol=1e-5)
    labels = table.pivot(index="drug_id", columns="gene", values="label")[target.genes].to_numpy()
    names = np.array(["down", "none", "up"])
    assert (labels == names[fitted.fitted.labels(rows)]).all()


def test_a_written_file_predicts_the_same(fitted, tmp_path):
    fitted.write_onnx(tmp_path / "own.onnx")
    ours = anchordrug.load_onnx(tmp_path / "own.onnx")
    pd.testing.assert_frame_equal(anchordrug.predict(ours, SMILES), fitted.predict(SMILES))
    assert checked(tmp_path / "own.onnx") == "matches"
    (tmp_path / "own.onnx.sha256").unlink()
    (tmp_path / "own.onnx.sha256").mkdir()
    with pytest.raises(OutputError, match=r"own\.onnx\.sha256: is a folder"):
        fitted.write_onnx(tmp_path / "own.onnx")


@pytest.mark.parametrize(("smiles", "ids"), [("CCO", None), (["CCO"], "A"), ("drugs.csv", None)])
def test_a_single_text_is_no_list_of_its_letters(project, fitted, smiles, ids):
    for predict in (partial(anchordrug.predict, project / "models/onnx/SIM-T1.onnx"), fitted.predict):
        with pytest.raises(AnchorDrugError, match="is a single text; give a list"):
            predict(smiles, ids)


def test_choices_are_those_of_the_pipeline(target, project):
    made = project_at(project)
    table, _ = made.anchors(target.reference.atlas, "SIM-T1", 0)
    split = made.split(target.reference.atlas, "SIM-T1")
    pool = target.reference.atlas.drugs["drug_id"].iloc[split.pool]
    chosen = target.choose(10, among=pool, strategy="facility_location")
    assert chosen["rank"].tolist() == list(range(1, 11))
    assert set(chosen["drug_id"]) <= set(pool)
    more = target.choose(5, among=pool, measured=target.measured().loc[table["drug_id"].iloc[:10]])
    assert not set(more["drug_id"]) & set(table["drug_id"].iloc[:10])


def test_learning_in_memory_equals_the_files_of_the_pipeline(project):
    reference = anchordrug.open_project(project)
    read = reference.learn("SIM-T1")
    said = []
    learned = anchordrug.Reference(reference.settings, reference.atlas, reference.features).learn(
        "SIM-T1", say=said.append
    )
    assert said
    z = read.measured().iloc[:8]
    smiles = reference.atlas.drugs["smiles"].iloc[:20].tolist()
    pd.testing.assert_frame_equal(learned.fit(z).predict(smiles), read.fit(z).predict(smiles))


def test_an_atlas_from_a_raw_bundle_is_that_of_the_stages(project):
    ours = anchordrug.open_atlas(DEMO, project / "params.yaml")
    theirs = anchordrug.open_project(project)
    np.testing.assert_array_equal(ours.atlas.z, theirs.atlas.z)
    for name in ("drugs", "cell_lines", "genes"):
        np.testing.assert_array_equal(getattr(ours.features, name), getattr(theirs.features, name))


def test_structures_that_cannot_be_read_are_told(fitted):
    with pytest.warns(UserWarning, match="1 of 2 structures cannot be read"):
        table = fitted.predict(["CCO", "C1CC"], ids=["good", "bad"])
    assert table.loc[table["drug_id"] == "bad", "reason"].notna().all()
    assert table.loc[table["drug_id"] == "good", "reason"].isna().all()
    with pytest.warns(UserWarning, match="3 of 4 structures cannot be read"):
        table = fitted.predict(["CCO", None, pd.NA, float("nan")], ids=list("abcd"))
    assert table.loc[table["reason"].notna(), "drug_id"].tolist() == ["b", "c", "d"]
    assert fitted.predict([]).empty


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda t: t.choose(3, among=["SIM-D0001x"]),
            TableError,
            "among: drug 'SIM-D0001x' is not in the atlas; did",
        ),
        (lambda t: t.choose(3, strategy="randm"), SettingsError, "did you mean 'random'"),
        (
            lambda t: t.fit(t.measured().iloc[:3, :19]),
            TableError,
            "19 of the atlas' 94 genes .* 20 are needed",
        ),
        (lambda t: t.fit(t.measured().iloc[[1, 1]]), TableError, "occurs twice"),
        (lambda t: t.fit(t.measured().iloc[:3] * np.inf), TableError, "is not a z-score of at most 1000"),
        (lambda t: t.reference.learn("SIM-T9"), SettingsError, "did you mean 'SIM-T2'"),
        (lambda t: t.reference.learn("SIM-T1", predictor="mpl"), SettingsError, "did you mean 'mlp'"),
        (lambda _: anchordrug.predict("nowhere.onnx", ["C"]), LibraryError, "nowhere.onnx: no such model"),
        (lambda t: t.fit(t.measured().iloc[:3]).predict(["C"], coverage=0), LibraryError, "give a share"),
    ],
)
def test_mistakes_are_told_in_one_line(target, act, error, message):
    with pytest.raises(error, match=message) as caught:
        act(target)
    assert isinstance(caught.value, AnchorDrugError)
    assert "\n" not in str(caught.value)
