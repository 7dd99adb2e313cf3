"""A model whose card, inputs, outputs or values cannot be is refused in one line, however it is opened."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import fastjsonschema
import jsonschema
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import anchordrug
from anchordrug.chem.workers import Fingerprinted
from anchordrug.cli.screen import explained
from anchordrug.errors import LibraryError
from anchordrug.labels import LABELS
from anchordrug.prediction import export as exporting
from anchordrug.prediction import ray
from anchordrug.prediction.card import SCHEMA, read_card
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.tables import TableShape
from tests.conftest import run_cli
from tests.prediction.small_models import ANSWERS, BITS, CARD, text_of, write_model

PROBABILITIES = ANSWERS["probabilities"]


def refused(command, *words):
    """Run a command that is to be refused; return the one line that it says."""
    result = run_cli(command, *words)
    line, code = explained(result.exception)
    assert (code, isinstance(result.exception, LibraryError)) == (2, True), (result.output, line)
    assert len(line) < 500
    assert line.isprintable()
    return line


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "drugs.csv"
    path.write_text("drug_id,smiles\na,CCO\nb,CCN\n", encoding="utf-8")
    return path


def values_at(dtype, *numbers):
    return np.array(numbers, dtype)


def with_probability(value):
    changed = PROBABILITIES.copy()
    changed[0, 1, 0] = value
    return changed


def test_a_sound_model_predicts(tmp_path, library):
    path = write_model(tmp_path / "m.onnx")
    out = tmp_path / "out.csv"
    assert run_cli("predict", "--model", path, "--drugs", library, "--out", out).exit_code == 0
    assert pd.read_csv(out)["gene"].tolist() == CARD["genes"] * 2
    assert run_cli("inspect", path).exit_code == 0
    without_z = write_model(tmp_path / "no_z.onnx", answers={"z": None, "more": np.zeros(1, np.float32)})
    found = load_onnx(without_z).predict(np.zeros((5, BITS), np.uint8), [""] * 5)
    assert found.z is None
    np.testing.assert_array_equal(found.probabilities, np.repeat(PROBABILITIES, 5, axis=0))


IMPOSSIBLE = {
    "nan": ({"probabilities": with_probability(np.nan)}, "'probabilities' that are not finite numbers"),
    "infinite": ({"probabilities": with_probability(np.inf)}, "'probabilities' that are not finite numbers"),
    "five": ({"probabilities": with_probability(5)}, "'probabilities' that are not between 0 and 1 (0 to 5)"),
    "negative": ({"probabilities": with_probability(-1)}, "'probabilities' that are not between 0 and 1"),
    "sum": ({"probabilities": with_probability(0.602)}, "'probabilities' that sum up to 1.002 instead of 1"),
    "z nan": ({"z": np.array([[0, np.nan]], np.float32)}, "'z' that are not finite numbers"),
    "similarity": ({"similarity": values_at(np.float32, np.nan)}, "'similarity' that are not finite numbers"),
    "similarity 2": ({"similarity": values_at(np.float32, 2)}, "'similarity' that are not between 0 and 1"),
    "nearest": (
        {"nearest": values_at(np.int64, 2)},
        "'nearest' that are not places in the 2 'learned_drugs'",
    ),
    "nearest -1": ({"nearest": values_at(np.int64, -1)}, "'nearest' that are not places"),
    "lines": (
        {"source_lines": values_at(np.int64, 2)},
        "'source_lines' that are not counts of the 1 'source",
    ),
    "lines -1": ({"source_lines": values_at(np.int64, -1)}, "'source_lines' that are not counts"),
}


@pytest.mark.parametrize(("answers", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_values_that_cannot_be(tmp_path, answers, words):
    path = write_model(tmp_path / "m.onnx", answers=answers)
    with pytest.raises(LibraryError) as caught:
        load_onnx(path).predict(np.zeros((5, BITS), np.uint8), [""] * 5)
    assert str(caught.value).startswith(f"{path}: gives {words}")
    assert str(caught.value).endswith("; export it again")


def test_values_that_cannot_be_give_no_table(tmp_path, library):
    path = write_model(tmp_path / "m.onnx", answers=IMPOSSIBLE["nan"][0])
    line = refused("predict", "--model", path, "--drugs", library, "--out", tmp_path / "out.csv")
    assert line == f"{path}: gives 'probabilities' that are not finite numbers; export it again"
    assert {entry.name for entry in tmp_path.iterdir()} == {"m.onnx", "drugs.csv"}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("rows", [1, 3])
def test_an_answer_for_another_number_of_drugs_is_not_spread_over_them(tmp_path, name, rows):
    path = write_model(tmp_path / "m.onnx", rows={name: rows})
    with pytest.raises(LibraryError, match=f"gives '{name}' as .*, expected ") as caught:
        load_onnx(path).predict(np.zeros((2, BITS), np.uint8), ["", ""])
    axes = [rows, *ANSWERS[name].shape[1:]]
    assert f"[{', '.join(map(str, axes))}], expected" in str(caught.value)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


ENDS = {
    "no fingerprint": ({"dropped": ["fingerprint"]}, "has no input 'fingerprint'"),
    "no InChIKey": ({"dropped": ["inchikey"]}, "has no input 'inchikey'"),
    "another input": ({"inputs": [value("dose", TensorProto.FLOAT, ["n"])]}, "takes a further input, 'dose'"),
    "type of an input": (
        {"inputs": [value("fingerprint", TensorProto.DOUBLE, ["n", BITS])]},
        "its input 'fingerprint' is tensor(double) [n, 64], but its card says tensor(float) [n, 64]",
    ),
    "bits": (
        {"card": {"fingerprint": {"kind": "morgan", "radius": 2, "bits": 1024}}},
        "its input 'fingerprint' is tensor(float) [n, 64], but its card says tensor(float) [n, 1024]",
    ),
    "one drug a call": (
        {"inputs": [value("fingerprint", TensorProto.FLOAT, [1, BITS])]},
        "its input 'fingerprint' is tensor(float) [1, 64]",
    ),
    "no probabilities": ({"answers": {"probabilities": None}}, "has no output 'probabilities'"),
    "no similarity": ({"answers": {"similarity": None}}, "has no output 'similarity'"),
    "type of an output": (
        {"answers": {"probabilities": PROBABILITIES.astype(np.float64)}},
        "its output 'probabilities' is tensor(double) [n, 2, 3], but its card says tensor(float) [n, 2, 3]",
    ),
    "genes": (
        {"card": {"genes": ["A", "B", "C"], "gene_ids": dict.fromkeys(("ensembl", "entrez"), [None] * 3)}},
        "its output 'probabilities' is tensor(float) [n, 2, 3]",
    ),
    "no axis of genes": (
        {"answers": {"z": np.zeros(1, np.float32)}},
        "its output 'z' is tensor(float) [n], but its card says tensor(float) [n, 2]",
    ),
}


@pytest.mark.parametrize(("changes", "words"), ENDS.values(), ids=ENDS)
def test_inputs_and_outputs_that_are_not_those_of_the_card(tmp_path, changes, words):
    path = write_model(tmp_path / "m.onnx", **changes)
    assert refused("inspect", path).startswith(f"{path}: {words}")


MORE_THAN_A_FLOAT = b"1" + b"0" * 400 + b".5"
CARDS = {
    "genes twice": ({"genes": ["TP53", "TP53"]}, "its card has 'TP53' twice in 'genes'"),
    "labels in another order": (
        {"labels": ["up", "none", "down"]},
        """its card has '["up", "none", "down"]' for 'labels', which is not ["down", "none", "up"]""",
    ),
    "offset not a number": (
        {"decision_offsets": b"[0, NaN, 0]"},
        "its card has '[0, NaN, 0]' for 'decision_offsets",
    ),
    "offset infinite": (
        {"decision_offsets": b"[0, 1e999, 0]"},
        "its card has '[0, 1e999, 0]' for 'decision_offs",
    ),
    "two offsets": (
        {"decision_offsets": [0, 0]},
        "its card has '[0, 0]' for 'decision_offsets', which is not a ",
    ),
    "offset of the unseen": (
        {"decision_offsets_unseen": ["a", 0, 0]},
        "its card has '[\"a\", 0, 0]' for 'decisio",
    ),
    "margins": ({"margins": CARD["margins"][::-1]}, "its card has '[2.0, 1.98, "),
    "bits of 2^40": (
        {"fingerprint": {"kind": "morgan", "radius": 2, "bits": 2**40}},
        "its card has '1099511627776' for 'fingerprint.bits', which is not a whole number from 1 to 16384",
    ),
    "no bits": ({"fingerprint": {"kind": "morgan", "radius": 2}}, "its card lacks 'fingerprint.bits'"),
    "bits are true": (
        {"fingerprint": {"kind": "morgan", "radius": 2, "bits": True}},
        "its card has 'true' for 'fingerprint.bits'",
    ),
    "drugs a run": ({"drugs_a_run": 0}, "its card has '0' for 'drugs_a_run'"),
    "drugs a run of 2^40": ({"drugs_a_run": 2**40}, "its card has '1099511627776' for 'drugs_a_run'"),
    "control characters": (
        {"target": "T\x1b[31m"},
        "its card has 'T [31m' for 'target', which is not the name",
    ),
    "text turned round": (
        {"genes": ["TP53", "M\u202eYC"]},
        "its card has '[\"TP53\", \"M YC\"]' for 'genes'",
    ),
    "line break at the end": ({"target": "T1\n"}, "its card has 'T1' for 'target'"),
    "digits": ({"seed": b"1" * 5000}, f"its card has '{'1' * 60}...' for 'seed', which is not valid JSON"),
    "a huge number": ({"threshold": MORE_THAN_A_FLOAT}, f"its card has '1{'0' * 59}...' for 'threshold'"),
    "nested": (
        {"genes": b"[" * 100_000},
        f"its card has '{'[' * 60}...' for 'genes', which is not valid JSON",
    ),
    "nested and whole": ({"genes": b"[" * 900 + b"]" * 900}, "its card"),
    "keys twice": (
        {"metrics": b'{"a": 1, "a": 2}'},
        """its card has '{"a": 1, "a": 2}' for 'metrics', which""",
    ),
    "no JSON": ({"limits": b"none"}, "its card has 'none' for 'limits', which is not valid JSON"),
    "format": (
        {"format_version": b"9\x07"},
        "has format 9, this anchordrug reads 6; run 'anchordrug export'",
    ),
    "no gene ids": ({"gene_ids": None}, "its card lacks 'gene_ids'"),
    "no Entrez ids": (
        {"gene_ids": {"ensembl": [None, None]}},
        "its card lacks 'gene_ids.entrez'",
    ),
    "too few ids": (
        {"gene_ids": {"ensembl": [None, None], "entrez": ["7157"]}},
        "its card has 1 id in 'gene_ids.entrez' for 2 genes",
    ),
    "a dose twice": ({"concentration_um": [10, 10]}, "its card has '10' twice in 'concentration_um'"),
    "a dose of 0": (
        {"concentration_um": [0]},
        "its card has '[0]' for 'concentration_um', which is not a list",
    ),
    "a source without licence": (
        {"sources": [{"name": "x"}]},
        "its card lacks 'sources.licence'",
    ),
    "another evidence group": (
        {"evidence_groups": {"known": {}}},
        """its card has '{"known": {}}' for 'evidence_groups', which is not an object of scores""",
    ),
    "a score above 1": (
        {"evidence_groups": {"far": {"macro_f1": 1.5}}},
        """its card has '{"far": {"macro_f1": 1.5}}' for 'evidence_groups', which is not""",
    ),
    "a date in words": ({"date": "yesterday"}, "its card has 'yesterday' for 'date', which is not a day"),
    "number as format": ({"format_version": 5}, "its card has '5' for 'format_version'"),
}


@pytest.mark.parametrize(("card", "words"), CARDS.values(), ids=CARDS)
def test_cards_that_cannot_be(tmp_path, library, card, words):
    path = write_model(tmp_path / "m.onnx", card)
    said = refused("inspect", path)
    assert said.startswith(f"{path}: {words}")
    assert refused("predict", "--model", path, "--drugs", library, "--out", tmp_path / "out.csv") == said


WRONG = {
    "gone": None,
    "null": b"null",
    "number": 3,
    "negative": -1,
    "huge": 2**70,
    "text": "x",
    "empty text": "",
    "list": [1],
    "empty": [],
    "object": {"a": [1]},
    "not a number": b"NaN",
    "infinity": b"-Infinity",
    "true": True,
}
# What may be wrong without any harm: other values are as good.
HARMLESS = {
    *((key, "gone") for key in ("decision_offsets_unseen", "counter_ions")),
    *((key, "empty") for key in ("source_cell_lines", "anchors")),
    *((key, text) for key in ("target", "strategy", "predictor") for text in ("text",)),
    *(
        (key, text)
        for key in ("intended_use", "limits", "package_version")
        for text in ("text", "empty text")
    ),
    *((key, "empty text") for key in ("strategy", "predictor")),
    *(("seed", name) for name in ("number", "huge")),
    *(("threshold", name) for name in ("number", "huge")),
    ("drugs_a_run", "number"),
    ("strategy", "null"),
    ("date", "gone"),
    *((key, name) for key in ("concentration_um", "time_h") for name in ("list", "empty")),
    *((key, "empty") for key in ("assays", "sources")),
}


@pytest.mark.parametrize("key", CARD)
def test_every_entry_of_a_card_is_checked(key):
    for name, wrong in WRONG.items():
        stored = {
            other: text_of(given) for other, given in (CARD | {key: wrong}).items() if given is not None
        }
        if (key, name) in HARMLESS:
            read_card(stored, Path("m.onnx"))
            continue
        with pytest.raises(LibraryError, match=r"m.onnx: its card (lacks|has) ") as caught:
            read_card(stored, Path("m.onnx"))
        assert f"'{key}" in str(caught.value)
        assert len(str(caught.value)) < 300


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
SCHEMA_OF_CARDS = json.loads(SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA_OF_CARDS)
JSON = st.recursive(SCALARS, lambda few: st.lists(few) | st.dictionaries(st.text(), few), max_leaves=8)


@given(key=st.sampled_from(list(CARD)), other=JSON)
@settings(max_examples=100)
def test_any_card_is_read_or_refused_as_its_schema_says(key, other):
    card = CARD | {key: other}
    stored = {name: json.dumps(given) for name, given in card.items()}
    if VALIDATOR.is_valid(card) and card["margins"] == sorted(card["margins"]) and len(card["genes"]) == 2:
        assert read_card(stored, Path("m.onnx")) == card
        return
    with pytest.raises(LibraryError) as caught:
        read_card(stored, Path("m.onnx"))
    assert len(explained(caught.value)[0]) < 500


def test_the_schema_is_a_schema_and_describes_every_entry():
    schema = SCHEMA_OF_CARDS
    jsonschema.Draft7Validator.check_schema(schema)
    assert set(schema["required"]) < set(schema["properties"])
    assert set(schema["properties"]) == set(CARD)
    assert all(entry["description"] for entry in schema["properties"].values())
    assert schema["properties"]["labels"]["const"] == list(LABELS)
    assert fastjsonschema.compile(schema)(CARD) == CARD


def test_entries_of_other_tools_are_left_out(tmp_path):
    path = write_model(tmp_path / "m.onnx", {"onnx.infer": b"onnxruntime.quant"})
    assert load_onnx(path).card == CARD


def test_a_long_card_is_cut_and_moves_no_terminal(tmp_path):
    path = write_model(
        tmp_path / "m.onnx",
        {
            "limits": "a\x1b[2J\x9b2J " * 100_000,
            "anchors": ["\u202eevil"],
            "metrics": {f"score {number} \x07": 0.5 for number in range(10_000)},
            "training_data": {f"file {number}": "00" for number in range(10_000)},
        },
    )
    text = run_cli("inspect", path).output
    assert len(text) < 20_000
    assert all(line.isprintable() for line in text.splitlines())
    *_, last_of_limits, checksum = text.splitlines()
    assert "..." in last_of_limits
    assert checksum.startswith("checksum")
    whole = run_cli("inspect", path, "--json").output
    assert all(line.isprintable() for line in whole.splitlines())
    assert json.loads(whole) == load_onnx(path).card


def test_python_says_what_the_command_says(tmp_path):
    path = write_model(tmp_path / "m.onnx", answers=IMPOSSIBLE["nan"][0])
    words = f"{path}: gives 'probabilities' that are not finite numbers; export it again"
    for model in (path, load_onnx(path), load_onnx(str(path))):
        with pytest.raises(LibraryError) as caught:
            anchordrug.predict(model, ["CCO"])
        assert str(caught.value) == words


def test_a_worker_of_ray_says_what_the_command_says(tmp_path, monkeypatch):
    class Fingerprinting:
        def of(self, batches, **_):
            yield [Fingerprinted("", structure, [bytes(BITS // 8)]) for structure in batches[0]]

    monkeypatch.setattr(ray, "Fingerprinter", lambda *_, **__: nullcontext(Fingerprinting()))
    path = write_model(tmp_path / "m.onnx", answers=IMPOSSIBLE["z nan"][0])
    library = SimpleNamespace(read=lambda *_: pa.table({"smiles": ["CCO"]}))
    columns = ray._Columns("smiles", None, None, (), ["drug_id", "name"])
    output = SimpleNamespace(write=lambda _, tables: list(tables))
    worker = ray._Worker([(str(path), path.read_bytes())], TableShape(), columns, library, output)
    (reason,) = worker(pa.table({"portion": [0]})).column("reason").to_pylist()
    assert reason == f"{path}: gives 'z' that are not finite numbers; export it again"


def test_a_model_fails_before_workers_of_ray_start(tmp_path, library, monkeypatch):
    on_cluster = pytest.importorskip("ray")
    monkeypatch.setattr(on_cluster, "init", None)
    path = write_model(tmp_path / "m.onnx", answers=IMPOSSIBLE["nan"][0])
    words = ("--engine", "ray", "--model", path, "--drugs", library, "--out", tmp_path / "out")
    assert refused("predict", *words).startswith(f"{path}: gives 'probabilities' that are not finite")


def test_an_export_that_cannot_be_used_is_not_written(tmp_path, monkeypatch):
    path = write_model(tmp_path / "wrong.onnx", answers=IMPOSSIBLE["five"][0])
    monkeypatch.setattr(exporting, "model_bytes", lambda *_: path.read_bytes())

    class Fitted:
        drugs_a_run = 4

    drugs = exporting.AtlasDrugs([""], ["D1"], np.zeros((1, BITS), np.float32), np.zeros(1), np.zeros(1))
    with pytest.raises(LibraryError, match=r"m.onnx: gives 'probabilities' that are not between 0 and 1"):
        exporting.export(Fitted(), tmp_path / "m.onnx", CARD, CARD["genes"], drugs)
    assert not (tmp_path / "m.onnx").exists()


def with_node(path, node, constant):
    """Add a node, which is computed whatever is asked for, to z of the model at `path`."""
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(constant), "constant"))
    (end,) = (end for end in model.graph.node if end.output[0] == "z")
    end.output[0] = "z before"
    model.graph.node.extend(
        [
            node,
            helper.make_node("ReduceMax", ["more"], ["most"], keepdims=0),
            helper.make_node("Mul", ["z before", "most"], ["z"]),
        ]
    )
    onnx.save(model, path)


def test_a_model_that_wants_more_memory_than_there_is(tmp_path, library, capfd):
    path = write_model(tmp_path / "m.onnx")
    with_node(path, helper.make_node("ConstantOfShape", ["constant"], ["more"]), [2**44])
    line = refused("predict", "--model", path, "--drugs", library, "--out", tmp_path / "out.csv")
    assert line == (
        f"{path}: the memory does not suffice to predict with it; end other programs, or take a machine with "
        "more"
    )
    # Nor does onnxruntime write anything of its own.
    assert capfd.readouterr() == ("", "")


def test_a_model_that_fails(tmp_path, library, capfd):
    path = write_model(tmp_path / "m.onnx")
    with_node(path, helper.make_node("Reshape", ["fingerprint", "constant"], ["more"]), [7, 11])
    line = refused("predict", "--model", path, "--drugs", library, "--out", tmp_path / "out.csv")
    assert line == f"{path}: cannot predict (its operation Reshape fails); export it again"
    assert capfd.readouterr() == ("", "")


def test_too_little_memory_to_open_is_no_fault_of_the_file(tmp_path, monkeypatch):
    path = write_model(tmp_path / "m.onnx")

    def full(*_, **__):
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr("onnxruntime.InferenceSession", full)
    assert refused("inspect", path) == (
        f"{path}: the memory does not suffice to open it; end other programs, or take a machine with more"
    )


def test_a_card_that_is_not_utf_8_is_damaged(tmp_path):
    path = write_model(tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes().replace(b"response_gp", b"response_g\x80"))
    with pytest.raises(LibraryError, match=r"a\.onnx: its card is not UTF-8"):
        load_onnx(path)
