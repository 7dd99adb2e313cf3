"""What a card tells of the making of a model, and cards of former formats, which tell less."""

import json
import shutil
from importlib.metadata import version

import numpy as np
import onnx
import pandas as pd
import pytest
from packaging.version import Version

import anchordrug
from anchordrug.errors import LibraryError, SettingsError
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.evidence_group import GROUPS
from anchordrug.labels import labels_of
from anchordrug.prediction.card import read_card
from anchordrug.prediction.inference import READABLE_VERSIONS, load_onnx
from tests.conftest import DEMO, load_fitted, project_at, run_cli, write_params
from tests.prediction.small_models import CARD, text_of, write_model

MODEL = "models/onnx/SIM-T1.onnx"
NEW_IN_6 = (
    *("gene_ids", "concentration_um", "time_h", "assays", "sources", "packages", "evidence_groups"),
    "date",
)


def card_of(folder):
    return load_onnx(folder / MODEL).card


@pytest.fixture(scope="module")
def atlas_of(project):
    return project_at(project).atlas()


def test_the_card_has_the_ids_of_every_gene(project):
    genes = pd.read_parquet(project / "tables/atlas/genes.parquet")
    ids = card_of(project)["gene_ids"]
    assert ids["entrez"] == genes["gene_id"].tolist()
    assert ids["ensembl"] == [None if pd.isna(text) else text for text in genes["ensembl_id"]]
    assert any(ids["ensembl"])


def test_the_card_has_assays_doses_and_times_of_the_training_experiments_alone(project, tmp_path):
    card = card_of(project)
    responses = pd.read_parquet(project / "tables/atlas/responses.parquet")
    assert card["concentration_um"] == [10.0]
    assert card["time_h"] == [24.0]
    assert card["assays"] == responses["assay"].unique().tolist()
    # Two source lines, an anchor and a drug that is not an anchor get doses and times of their own.
    folder = changed_copy(project, tmp_path, "tables", "models", "metrics")
    anchors = responses["drug_id"].isin(card["anchors"])
    of_target = responses["cell_line"] == "SIM-T1"
    first, second, *_ = responses.loc[~of_target, "cell_line"].unique()
    responses.loc[responses["cell_line"] == first, ["dose_um", "time_h", "assay"]] = 2.5, 6, "DRUG-seq"
    responses.loc[responses["cell_line"] == second, ["dose_um", "time_h"]] = 0.1, 48
    responses.loc[of_target & anchors, ["dose_um"]] = 3
    responses.loc[of_target & ~anchors, ["dose_um", "assay"]] = 77, "another"
    responses.to_parquet(folder / "tables/atlas/responses.parquet", index=False)
    assert run_cli("export", "--target", "SIM-T1", folder=folder).exit_code == 0
    told = card_of(folder)
    assert told["concentration_um"] == [0.1, 2.5, 3, 10]
    assert told["time_h"] == [6, 24, 48]
    assert told["assays"] == sorted([*card["assays"], "DRUG-seq"])


def changed_copy(project, folder, *parts):
    """A copy of parts of the project, with its params."""
    for name in parts:
        shutil.copytree(project / name, folder / name, copy_function=shutil.copyfile)
    shutil.copyfile(project / "params.yaml", folder / "params.yaml")
    return folder


def test_the_card_has_the_accuracy_of_every_evidence_group(either_project):
    card = card_of(either_project)
    model = load_onnx(either_project / MODEL)
    fitted, atlas = load_fitted(either_project, "drugs-20")
    split = project_at(either_project).split(atlas, "SIM-T1")
    features = pd.read_parquet(either_project / "tables/features/drugs.parquet").set_index("drug_id")
    drugs = atlas.drugs.iloc[split.test]
    bits = features.loc[drugs["drug_id"]].to_numpy(np.uint8)
    groups = model.predict(bits, drugs["inchikey"].tolist()).evidence
    truth = labels_of(atlas.of("SIM-T1").responses_of(split.test), 1.5)
    labels = fitted.labels(split.test)
    found = card["evidence_groups"]
    for group in GROUPS:
        own = groups == group
        assert found.get(group, {}).get("drugs", 0) == own.sum()
        if own.any():
            assert found[group]["macro_f1"] == pytest.approx(macro_f1(truth[own], labels[own]), abs=1e-3)
    assert {"seen", "near"} <= {group for group in found if "drugs" in found[group]}
    for entry in found.values():
        if card["predictor"] == "ensemble":
            expected = entry["expected"]
            assert 0 < expected["low"] <= expected["macro_f1"] <= expected["high"] < 1
            assert 0 < expected["anchors"] <= 20
            assert 0 < expected["lines"] <= len(card["source_cell_lines"])
        else:
            assert "expected" not in entry


def test_the_card_has_public_versions_of_packages(project):
    packages = card_of(project)["packages"]
    assert set(packages) == {"numpy", "onnx", "onnxruntime", "rdkit", "scipy", "torch"}
    for name, told in packages.items():
        assert told == Version(version(name)).public


SOURCES = [
    {"name": "a release", "licence": "CC BY 4.0", "url": "https://example.org/release"},
    {"name": "a list of drugs", "licence": None, "url": None},
]


def test_sources_of_a_bundle_are_on_the_card_of_its_models(project, tmp_path):
    assert card_of(project)["sources"] == []
    folder = changed_copy(project, tmp_path / "home", "models", "metrics", "tables")
    bundle = tmp_path / "bundle"
    shutil.copytree(DEMO, bundle)
    listed = {"release": "x", "sources": [SOURCES[0], {"name": SOURCES[1]["name"], "other": 1}]}
    (bundle / "SOURCES.json").write_text(json.dumps(listed), encoding="utf-8")
    params = project_at(project).settings.model_dump(mode="json")
    write_params(folder, params | {"raw": {"dir": str(bundle)}})
    for command in (["curate"], ["grow"], ["export", "--target", "SIM-T1"]):
        result = run_cli(*command, folder=folder)
        assert result.exit_code == 0, result.exception
    assert card_of(folder)["sources"] == SOURCES
    atlas = anchordrug.open_project(folder).atlas
    assert list(atlas.published) == SOURCES
    said = run_cli("inspect", folder / MODEL).output
    assert "sources             a release (CC BY 4.0), https://example.org/release; a list of drugs (" in said
    assert "a list of drugs (licence not known), no address" in " ".join(said.split())


def test_tables_of_a_former_version_have_no_sources(project, tmp_path):
    folder = changed_copy(project, tmp_path, "tables")
    (folder / "tables/atlas/published.json").unlink()
    assert list(project_at(folder).atlas().published) == []


def test_a_date_is_on_the_card_only_if_it_is_given(project, tmp_path, monkeypatch):
    before = (project / MODEL).read_bytes()
    assert "date" not in card_of(project)
    folder = changed_copy(project, tmp_path, "tables", "models", "metrics")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225599")
    assert run_cli("export", "--target", "SIM-T1", folder=folder).exit_code == 0
    assert card_of(folder)["date"] == "2025-12-31"
    assert (folder / MODEL).read_bytes() != before
    assert "\ndate                2025-12-31\n" in run_cli("inspect", folder / MODEL).output
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "to\x1bday")
    error = run_cli("export", "--target", "SIM-T1", folder=folder).exception
    assert isinstance(error, SettingsError)
    assert str(error) == (
        "SOURCE_DATE_EPOCH: 'to day' is not a number of seconds since 1970; correct or unset it"
    )
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert run_cli("export", "--target", "SIM-T1", folder=folder).exit_code == 0
    assert (folder / MODEL).read_bytes() == before


def test_a_model_made_in_python_tells_the_same(project, tmp_path):
    target = anchordrug.open_project(project).learn("SIM-T1", say=lambda _: None)
    target.fit(target.measured().head(5)).write_onnx(tmp_path / "m.onnx")
    card, told = load_onnx(tmp_path / "m.onnx").card, card_of(project)
    for key in NEW_IN_6[:6]:
        assert card[key] == told[key]
    assert "macro_f1" not in card["evidence_groups"]["seen"]
    assert card["evidence_groups"]["seen"]["expected"]["anchors"] <= 5


@pytest.mark.parametrize("number", READABLE_VERSIONS)
def test_files_of_former_formats_are_read_and_shown(tmp_path, number):
    missing = {} if number == "6" else dict.fromkeys(NEW_IN_6)
    path = write_model(tmp_path / "m.onnx", {"format_version": number, **missing})
    assert load_onnx(path).card == {
        key: value for key, value in (CARD | {"format_version": number}).items() if key not in missing
    }
    said = run_cli("inspect", path).output
    assert f", format {number}, " in said
    lines = [line[:20].strip() for line in said.splitlines()]
    for name in ("gene ids", "assays", "dose", "time", "sources", "packages", "date", "evidence seen"):
        assert (name in lines) == (number == "6")


def test_what_inspect_shows_of_the_making(tmp_path):
    expected = {"macro_f1": 0.61, "low": 0.5, "high": 0.7, "lines": 9, "anchors": 16}
    groups = {"seen": {"macro_f1": 0.5, "drugs": 9, "expected": expected}, "far": {"expected": expected}}
    path = write_model(tmp_path / "m.onnx", {"evidence_groups": groups, "concentration_um": []})
    said = " ".join(run_cli("inspect", path).output.split())
    for words in (
        "gene ids 1 with Ensembl, 2 with Entrez, of 2 genes",
        "assays L1000 dose not known time 6, 24 h",
        "sources a release (licence not known), https://example.org packages numpy 2.0.0 date 2026-01-31",
        "evidence seen macro-F1 0.500 on 9 test drugs; expected 0.610 (0.500 to 0.700 in eight of ten of 9 "
        "source lines with 16 anchors)",
        "evidence far expected 0.610 (",
    ):
        assert words in said


def test_format_6_requires_what_the_former_ones_lack():
    stored = {key: text_of(value) for key, value in CARD.items()}
    for key in NEW_IN_6[:-1]:
        rest = {name: text for name, text in stored.items() if name != key}
        with pytest.raises(LibraryError, match=f"its card lacks '{key}'"):
            read_card(rest, onnx.__file__)
        read_card({**rest, "format_version": '"5"'}, onnx.__file__)
