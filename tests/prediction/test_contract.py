"""Statements of docs/onnx.md about the file itself that no other test covers, and which test covers which."""

import csv
import hashlib
import json
import re
from itertools import zip_longest

import numpy as np
import onnx
import pandas as pd
import pytest
import yaml

import anchordrug
from anchordrug.chem.structures import standardise
from anchordrug.labels import decided
from anchordrug.prediction.export import INTENDED_USE, LIMITS
from anchordrug.prediction.inference import load_onnx, opened
from tests.conftest import ROOT
from tests.prediction.small_models import ANSWERS, BITS, write_model

MODEL = "models/onnx/SIM-T1.onnx"


def test_the_file_uses_the_operators_of_two_sets_that_onnxruntime_1_14_has(either_project):
    model = onnx.load(either_project / MODEL)
    assert model.ir_version <= 8
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert {node.domain for node in model.graph.node} == {"", "ai.onnx.ml"}
    assert not model.functions


def test_the_number_of_threads_changes_no_bit(either_project):
    path = either_project / MODEL
    drugs = pd.read_parquet(either_project / "tables/atlas/drugs.parquet")
    bits = pd.read_parquet(either_project / "tables/features/drugs.parquet").set_index("drug_id")
    bits = bits.loc[drugs["drug_id"]].to_numpy(np.uint8)
    one, three = (
        opened(path.read_bytes(), path, threads).predict(bits, drugs["inchikey"].tolist())
        for threads in (1, 3)
    )
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, vars(three)[name], err_msg=name)


def test_mlp_predicts_from_the_fingerprint_alone(mlp_project):
    predictor = load_onnx(mlp_project / MODEL)
    drugs = pd.read_parquet(mlp_project / "tables/atlas/drugs.parquet")
    bits = pd.read_parquet(mlp_project / "tables/features/drugs.parquet").set_index("drug_id")
    bits = bits.loc[drugs["drug_id"]].to_numpy(np.uint8)
    known, unknown = (
        predictor.predict(bits, keys) for keys in (drugs["inchikey"].tolist(), [""] * len(bits))
    )
    np.testing.assert_array_equal(known.probabilities, unknown.probabilities)
    assert known.source_lines.any()
    assert not unknown.source_lines.any()


def test_the_card_is_what_the_project_says(either_project):
    model = onnx.load(either_project / MODEL, load_external_data=False)
    card = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    params = yaml.safe_load((either_project / "params.yaml").read_text(encoding="utf-8"))
    responses = pd.read_parquet(either_project / "tables/atlas/responses.parquet")
    lines = sorted(set(responses["cell_line"]) - {"SIM-T1"})
    assert card["source_cell_lines"] == lines
    assert card["strategy"] == params["select"]["strategy"]
    assert card["predictor"] == params["predictor"]
    assert card["seed"] == params["seeds"][0]
    assert len(card["anchors"]) == max(params["select"]["budget"])
    for name, told in card["training_data"].items():
        assert hashlib.sha256((either_project / name).read_bytes()).hexdigest() == told
    assert card["training_data"]
    assert (card["intended_use"], card["limits"]) == (INTENDED_USE, LIMITS)
    assert card["package_version"] == anchordrug.__version__
    assert 1 <= card["drugs_a_run"] <= len(lines) * 1000
    assert card["fingerprint"]["standardisation"] == "anchordrug parent 2"
    assert "decision_offsets_unseen" not in card or (
        card["decision_offsets_unseen"] != card["decision_offsets"]
    )
    assert len(card["margins"]) == 101


def test_counter_ions_are_three_lists_of_first_blocks_in_the_order_of_choice(project):
    lists = load_onnx(project / MODEL).card["counter_ions"]
    assert list(lists) == ["organic", "solvent", "inorganic"]
    keys = [key for part in lists.values() for key in part]
    assert all(re.fullmatch(r"[A-Z]{14}", key) for key in keys)
    assert len(set(keys)) == len(keys)
    for structures in (["OC(=O)c1ccccc1O", "CC(O)=O"], ["CC(=O)[O-]", "O=C([O-])c1ccccc1O"]):
        places = {keys.index(standardise(text).inchikey[:14]): text for text in structures}
        first = standardise(places[min(places)]).inchikey
        for order in (structures, structures[::-1]):
            charges = order if "-" in order[0] else [*order, "O"]
            together = ".".join([*charges, *(["[Na+]"] * 2 if "-" in order[0] else [])])
            assert standardise(together).inchikey == first


def test_without_offsets_the_most_probable_label_is_decided(tmp_path):
    path = write_model(tmp_path / "m.onnx", {"decision_offsets": [0, 0, 0], "decision_offsets_unseen": None})
    found = load_onnx(path).predict(np.zeros((1, BITS)), [""])
    p = ANSWERS["probabilities"]
    np.testing.assert_array_equal(found.labels, p.argmax(axis=2))
    ordered = np.sort(np.log(p), axis=2)
    np.testing.assert_allclose(found.margin, ordered[:, :, 2] - ordered[:, :, 1], rtol=1e-5)
    labels, _ = decided(p, np.array([0, -5, 0], np.float32))
    assert labels.tolist() == [[2, 0]]


def test_confidence_and_strength_are_those_of_the_page(tmp_path):
    found = load_onnx(write_model(tmp_path / "m.onnx")).predict(np.zeros((1, BITS)), [""])
    # Offset -0.5 on "none": 0.5 becomes 0.303, just above 0.3.
    assert found.labels.tolist() == [[1, 0]]
    assert found.confidence == pytest.approx([(0.5 + 0.6) / 2])
    assert found.strength == pytest.approx([(1 - 0.5) + (1 - 0.3)])


def statements():
    """The sentences and rows of docs/onnx.md, in order, each in one line."""
    page = (ROOT / "docs/onnx.md").read_text(encoding="utf-8")
    found = []
    for block in re.split(r"\n\s*\n", re.sub(r"```.*?```", "", page, flags=re.S)):
        if block.lstrip().startswith("|"):
            rows = block.strip().splitlines()
            found += rows[2:]
        elif not block.lstrip().startswith("#"):
            for item in re.split(r"\n(?=- |\d\. )", block.strip()):
                line = " ".join(item.split())
                found += re.split(r"(?<=[^\d]\.)\s+(?=[A-Z`*\[]|onnxruntime )", line)
    return [text for text in found if text and not re.fullmatch(r"\*\*\w+\.\*\*", text)]


def test_every_statement_of_the_page_has_a_test():
    with (ROOT / "tests/prediction/onnx_statements.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    for text, row in zip_longest(statements(), listed):
        is_listed = text is not None and row is not None and text.startswith(row["statement"])
        assert is_listed, (text, row, "list it with its test in onnx_statements.csv")
        if not row["test"].startswith("no test: "):
            name, _, test = row["test"].partition("::")
            code = (ROOT / name).read_text(encoding="utf-8")
            assert not test or f"def {test}(" in code, row
