"""A fitted predictor as one ONNX file: fingerprints in, probabilities out, everything else inside."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import anchordrug
from anchordrug.atlas import LABELS
from anchordrug.io import atomic_path
from anchordrug.predictors.mlp import SLOPE, MlpFitted

FORMAT_VERSION = "1"
# Old enough for every onnxruntime since 1.14, new enough for all operators used.
OPSET, IR_VERSION = 17, 8


def export_mlp(fitted: MlpFitted, path: Path, card: dict[str, object], genes: list[str]) -> None:
    """Write `fitted` as ONNX; docs/onnx.md describes the contract.

    Cell line, genes and biases are folded into one constant [genes, hidden], so the graph computes the
    drug's share of the first layer once per drug and adds it to every gene's.

    Parameters
    ----------
    card
        What metadata_props carry besides genes, labels and versions; values are stored as JSON.
    """
    network, features = fitted.network, fitted.features
    with torch.no_grad():
        zero_drug = torch.zeros(1, features.drugs.shape[1])
        cell = torch.from_numpy(features.cell_lines[[fitted.cell_line]])
        constant = network.experiment_terms(zero_drug, cell) + network.gene_terms(
            torch.from_numpy(features.genes)
        )
    weights = {
        "drug_weight": network.weight_drug,
        "gene_terms": constant,
        "weight2": network.layer2.weight.T,
        "bias2": network.layer2.bias,
        "weight3": network.layer3.weight.T,
        "bias3": network.layer3.bias,
        "weight4": network.output.weight.T,
        "bias4": network.output.bias,
    }
    initializers = [
        numpy_helper.from_array(np.ascontiguousarray(value.detach().numpy()), name)
        for name, value in weights.items()
    ]
    initializers += [
        numpy_helper.from_array(np.array([1], np.int64), "axis1"),
        # A molecule without any bit keeps a zero row instead of 0/0.
        numpy_helper.from_array(np.array(1e-12, np.float32), "smallest_norm"),
    ]
    node = helper.make_node
    nodes = [
        node("ReduceL2", ["fingerprint"], ["norm"], axes=[1], keepdims=1),
        node("Max", ["norm", "smallest_norm"], ["safe_norm"]),
        node("Div", ["fingerprint", "safe_norm"], ["drug"]),
        node("MatMul", ["drug", "drug_weight"], ["drug_terms"]),
        node("Unsqueeze", ["drug_terms", "axis1"], ["drug_terms3"]),
        node("Add", ["drug_terms3", "gene_terms"], ["sum1"]),
        node("LeakyRelu", ["sum1"], ["hidden1"], alpha=SLOPE),
    ]
    for layer in (2, 3):
        nodes += [
            node("MatMul", [f"hidden{layer - 1}", f"weight{layer}"], [f"product{layer}"]),
            node("Add", [f"product{layer}", f"bias{layer}"], [f"sum{layer}"]),
            node("LeakyRelu", [f"sum{layer}"], [f"hidden{layer}"], alpha=SLOPE),
        ]
    nodes += [
        node("MatMul", ["hidden3", "weight4"], ["product4"]),
        node("Add", ["product4", "bias4"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    bits = features.drugs.shape[1]
    graph = helper.make_graph(
        nodes,
        "anchordrug",
        [helper.make_tensor_value_info("fingerprint", TensorProto.FLOAT, ["n", bits])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(genes), 3])],
        initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="anchordrug",
        producer_version=anchordrug.__version__,
    )
    properties = {
        "format_version": FORMAT_VERSION,
        "genes": genes,
        "labels": list(LABELS),
        "package_version": anchordrug.__version__,
        **card,
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in properties.items()})
    onnx.checker.check_model(model, full_check=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
