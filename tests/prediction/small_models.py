"""Models of two genes, made by hand: sound ones, and any that lie."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anchordrug.labels import LABELS
from anchordrug.prediction.inference import FORMAT_VERSION

BITS = 64
CARD = {
    "format_version": FORMAT_VERSION,
    "target": "T1",
    "genes": ["TP53", "MYC"],
    "labels": list(LABELS),
    "threshold": 1.5,
    "decision_offsets": [0, -0.5, 0],
    "decision_offsets_unseen": [0, 0, 0],
    "margins": [place / 50 for place in range(101)],
    "fingerprint": {"kind": "morgan", "radius": 2, "bits": BITS, "standardisation": "anchordrug parent 2"},
    "counter_ions": {"organic": []},
    "learned_drugs": ["D1", "D2"],
    "source_cell_lines": ["S1"],
    "anchors": ["D2"],
    "strategy": "random",
    "predictor": "response_gp",
    "seed": 0,
    "metrics": {"macro-F1": 0.5},
    "training_data": {"responses.parquet": "00"},
    "intended_use": "Tests.",
    "limits": "None.",
    "drugs_a_run": 4,
    "package_version": "0.1.0",
    "gene_ids": {"ensembl": ["ENSG00000141510", None], "entrez": ["7157", "4609"]},
    "concentration_um": [10.0],
    "time_h": [6.0, 24.0],
    "assays": ["L1000"],
    "packages": {"numpy": "2.0.0"},
    "sources": [{"name": "a release", "licence": None, "url": "https://example.org"}],
    "evidence_groups": {"seen": {"macro_f1": 0.5, "drugs": 9}},
    "date": "2026-01-31",
}
# What the model says of every drug.
ANSWERS = {
    "probabilities": np.array([[[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]], np.float32),
    "z": np.array([[0.4, -2]], np.float32),
    "nearest": np.array([1], np.int64),
    "similarity": np.array([0.5], np.float32),
    "source_lines": np.array([1], np.int64),
}
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "float64": TensorProto.DOUBLE}


def write_model(path, card=None, answers=None, inputs=(), dropped=(), rows=None):
    """Write a model that gives the same `answers` [1, ...] for every drug; return its path.

    Parameters
    ----------
    card
        Entries next to or instead of those of `CARD`; None removes one, a text in bytes is stored as it is.
    answers
        Outputs next to or instead of those of `ANSWERS`; None removes one.
    inputs
        Further inputs and other ones, as values of ONNX.
    dropped
        Names of inputs to leave out.
    rows
        How many rows an output has, whatever the number of drugs; the file does not tell.
    """
    ends = {
        "fingerprint": helper.make_tensor_value_info("fingerprint", TensorProto.FLOAT, ["n", BITS]),
        "inchikey": helper.make_tensor_value_info("inchikey", TensorProto.STRING, ["n"]),
    }
    ends |= {end.name: end for end in inputs}
    for name in dropped:
        del ends[name]
    values = {name: value for name, value in (ANSWERS | (answers or {})).items() if value is not None}
    constants = [numpy_helper.from_array(value, f"{name} of one") for name, value in values.items()]
    counted = "fingerprint" if "fingerprint" in ends else "inchikey"
    nodes = [helper.make_node("Shape", [counted], ["drugs"], start=0, end=1)]
    outputs = []
    for name, value in values.items():
        rest = value.shape[1:]
        constants.append(numpy_helper.from_array(np.array(rest, np.int64), f"axes of {name}"))
        count = "drugs"
        if name in (rows or {}):
            constants.append(numpy_helper.from_array(np.array([rows[name]], np.int64), f"rows of {name}"))
            nodes.append(helper.make_node("Sub", ["drugs", "drugs"], [f"0 of {name}"]))
            nodes.append(helper.make_node("Add", [f"0 of {name}", f"rows of {name}"], [f"count of {name}"]))
            count = f"count of {name}"
        nodes.append(helper.make_node("Concat", [count, f"axes of {name}"], [f"shape of {name}"], axis=0))
        nodes.append(helper.make_node("Expand", [f"{name} of one", f"shape of {name}"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TYPES[value.dtype.name], ["n", *rest]))
    graph = helper.make_graph(nodes, "small", list(ends.values()), outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    stored = {key: value for key, value in (CARD | (card or {})).items() if value is not None}
    helper.set_model_props(model, {key: text_of(value) for key, value in stored.items()})
    onnx.save(model, path)
    return Path(path)


def text_of(value) -> str:
    """How a card stores a value."""
    return value.decode() if isinstance(value, bytes) else json.dumps(value)
