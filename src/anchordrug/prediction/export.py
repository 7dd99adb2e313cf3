"""A fitted predictor as one ONNX file: structures in, probabilities out, everything else inside."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper

import anchordrug
from anchordrug.files.atomic import atomic_path
from anchordrug.graph.onnx_ops import Graph, GraphOps, Tensor
from anchordrug.labels import LABELS
from anchordrug.prediction.inference import FORMAT_VERSION
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp
from anchordrug.predictors.mlp.predictor import MlpFitted
from anchordrug.predictors.response.net import PriorBasis, response_inputs
from anchordrug.predictors.response.predictor import ResponseFitted
from anchordrug.predictors.response.prior import ResponsePrior

# So many drugs a call are fastest: the first hidden layer of the paper's network fits the processor's cache,
# and the tables of a response predictor are read once for all of them.
MLP_DRUGS_A_RUN, RESPONSE_DRUGS_A_RUN = 4, 64


@dataclass(frozen=True)
class AtlasDrugs:
    """The atlas' drugs: how the file recognises one, and which of them the predictor has learned from.

    Attributes
    ----------
    inchikeys, drug_ids
        [drugs].
    bits
        float32 [drugs, bits], 0 or 1.
    lines
        int64 [drugs] number of source lines that have measured it.
    learned
        int64 rows of the drugs of the source lines and of the anchors.
    """

    inchikeys: list[str]
    drug_ids: list[str]
    bits: np.ndarray
    lines: np.ndarray
    learned: np.ndarray


@dataclass(frozen=True)
class PriorInputs:
    """What mlp_response computes a drug's prior responses from."""

    prior: ResponsePrior
    basis: PriorBasis


def export_mlp(
    fitted: MlpFitted,
    path: Path,
    card: dict[str, object],
    genes: list[str],
    drugs: AtlasDrugs,
    response: PriorInputs | None = None,
) -> None:
    """Write `fitted` as ONNX; docs/onnx.md describes the contract.

    Cell line, genes and biases are folded into one constant [genes, hidden], so the graph computes the
    drug's share of the first layer once per drug and adds it to every gene's.

    Parameters
    ----------
    card
        What metadata_props carry besides genes, labels and versions; values are stored as JSON.
    response
        For a network that was trained with prior responses.
    """
    network, features = fitted.network, fitted.features
    with torch.no_grad():
        zero_drug = torch.zeros(1, features.drugs.shape[1])
        cell = torch.from_numpy(features.cell_lines[[fitted.cell_line]])
        constant = network.experiment_terms(zero_drug, cell) + network.gene_terms(
            torch.from_numpy(features.genes)
        )
    graph = Graph()
    bits, row = _inputs(graph, drugs)
    norm = graph.node("ReduceL2", bits, axes=[1], keepdims=1)
    # A molecule without any bit keeps a zero row instead of 0/0.
    drug = bits / GraphOps.maximum(norm, np.float32(1e-12))
    if response is not None:
        evidence = response.prior.evidence(GraphOps, bits, row)
        drug = GraphOps.concat([drug, response_inputs(GraphOps, response.basis, evidence)])
    hidden = _second_layer(graph, drug @ network.weight_drug.numpy(), constant.numpy(), network)
    # As rows of (drug, gene), for which onnxruntime has one operator of product, bias and activation.
    rows = GraphOps.reshape(hidden, (-1, network.layer2.out_features))
    hidden = graph.node("Gemm", rows, _weight(network.layer3), network.layer3.bias.numpy())
    scale = np.float32(fitted.calibration.scale)
    logits = graph.node(
        "Gemm",
        graph.node("LeakyRelu", hidden, alpha=SLOPE),
        _weight(network.output) * scale,
        network.output.bias.numpy() * scale + fitted.calibration.shift,
    )
    probabilities = GraphOps.reshape(GraphOps.softmax(logits), (-1, len(genes), 3))
    offsets = [float(one) for one in fitted.offsets]
    card = {"decision_offsets": offsets, "drugs_a_run": MLP_DRUGS_A_RUN, **card}
    outputs = {"probabilities": probabilities, **_domain(graph, bits, row, drugs)}
    _write(graph, outputs, path, card, genes, drugs)


def _second_layer(graph: Graph, drug: Tensor, constant: np.ndarray, network: FactorisedMlp) -> Tensor:
    """Return the second hidden layer [n, genes, hidden[1]] from the terms of the first.

    The first layer of n drugs x genes is by far the widest; what costs time is to pass over it. With slope s,

        leaky_relu(a + c) = (1 - s) (max(a, -c) + c) + s (a + c),

    so that one pass, the maximum, and one product remain; what is left are terms of drugs and of genes alone.

    Parameters
    ----------
    drug
        a, [n, hidden[0]].
    constant
        c, [genes, hidden[0]].
    """
    weight, bias = _weight(network.layer2), network.layer2.bias.numpy()
    of_gene = (constant.astype(np.float64) @ weight + bias).astype(np.float32)
    largest = graph.node("Max", GraphOps.expand(drug, 1), -constant)
    of_drug = GraphOps.expand(drug @ (weight * np.float32(SLOPE)), 1)
    hidden = largest @ (weight * np.float32(1 - SLOPE)) + (of_drug + of_gene)
    return graph.node("LeakyRelu", hidden, alpha=SLOPE)


def _inputs(graph: Graph, drugs: AtlasDrugs) -> tuple[Tensor, Tensor]:
    """Return the bits of n drugs and their rows of the atlas, -1 where it does not hold the InChIKey."""
    bits = graph.input("fingerprint", TensorProto.FLOAT, ["n", drugs.bits.shape[1]])
    row = graph.node(
        "LabelEncoder",
        graph.input("inchikey", TensorProto.STRING, ["n"]),
        domain="ai.onnx.ml",
        keys_strings=drugs.inchikeys,
        values_int64s=range(len(drugs.inchikeys)),
        default_int64=-1,
    )
    return bits, row


def _domain(graph: Graph, bits: Tensor, row: Tensor, drugs: AtlasDrugs) -> dict[str, Tensor]:
    """Return what tells whether a drug is like those the predictor has learned from.

    Another drug may have the same bits (a stereo-isomer); a drug that was learned from is nearest to itself.
    """
    learned = np.ascontiguousarray(drugs.bits[drugs.learned])
    both = bits @ np.ascontiguousarray(learned.T)
    either = GraphOps.total(bits) + learned.sum(axis=1) - both
    similarity = both / GraphOps.maximum(either, np.float32(1))
    itself = GraphOps.cast(GraphOps.equal(GraphOps.expand(row, 1), drugs.learned), np.float32)
    similarity = similarity + itself * np.float32(2)
    return {
        "nearest": graph.node("ArgMax", similarity, axis=1, keepdims=0),
        "similarity": graph.node(
            "Min", graph.node("ReduceMax", similarity, axes=[1], keepdims=0), np.float32(1)
        ),
        "source_lines": GraphOps.rows(np.append(drugs.lines, 0), row),
    }


def _weight(layer: torch.nn.Linear) -> np.ndarray:
    return np.ascontiguousarray(layer.weight.T.numpy())


def export_response(
    fitted: ResponseFitted, path: Path, card: dict[str, object], genes: list[str], drugs: AtlasDrugs
) -> None:
    """Write a response predictor as ONNX; docs/onnx.md describes the contract.

    The atlas' drugs travel inside: their InChIKeys, bits, mechanisms and what source lines say of them.

    Parameters
    ----------
    card
        As for `export_mlp`.
    """
    graph = Graph()
    bits, row = _inputs(graph, drugs)
    probabilities, z = fitted.predict(GraphOps, bits, row)
    offsets = [float(one) for one in fitted.offsets]
    card = {"decision_offsets": offsets, "drugs_a_run": RESPONSE_DRUGS_A_RUN, **card}
    outputs = {"probabilities": probabilities, "z": z, **_domain(graph, bits, row, drugs)}
    _write(graph, outputs, path, card, genes, drugs)


# Axes of outputs after the first, n.
_AXES = {"probabilities": ("genes", 3), "z": ("genes",)}
_INTEGERS = ("nearest", "source_lines")


def _write(
    graph: Graph,
    outputs: dict[str, Tensor],
    path: Path,
    card: dict[str, object],
    genes: list[str],
    drugs: AtlasDrugs,
) -> None:
    for name, tensor in outputs.items():
        axes = [len(genes) if axis == "genes" else axis for axis in _AXES.get(name, ())]
        kind = TensorProto.INT64 if name in _INTEGERS else TensorProto.FLOAT
        graph.output(name, tensor, ["n", *axes], kind)
    model = graph.model(producer_name="anchordrug", producer_version=anchordrug.__version__)
    properties = {
        "format_version": FORMAT_VERSION,
        "genes": genes,
        "labels": list(LABELS),
        "package_version": anchordrug.__version__,
        "learned_drugs": [drugs.drug_ids[one] for one in drugs.learned],
        **card,
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in properties.items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
