"""A fitted predictor as one ONNX file: structures in, probabilities out, everything else inside."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper

import anchordrug
from anchordrug.atlas import LABELS
from anchordrug.io import atomic_path
from anchordrug.onnx_graph import Graph, GraphOps, Tensor
from anchordrug.predictors.mlp import SLOPE, MlpFitted
from anchordrug.predictors.prior import ResponsePrior
from anchordrug.predictors.response import ResponseFitted
from anchordrug.predictors.response_net import PriorBasis, response_inputs

FORMAT_VERSION = "2"
# So many drugs a call are fastest: the first hidden layer of the paper's network fits the processor's cache,
# and the tables of a response predictor are read once for all of them.
MLP_DRUGS_A_RUN, RESPONSE_DRUGS_A_RUN = 4, 64


@dataclass(frozen=True)
class AtlasInputs:
    """What mlp_response needs beside fingerprints: the atlas' drugs by InChIKey, their prior, its basis."""

    inchikeys: list[str]
    prior: ResponsePrior
    basis: PriorBasis


def export_mlp(
    fitted: MlpFitted,
    path: Path,
    card: dict[str, object],
    genes: list[str],
    atlas: AtlasInputs | None = None,
) -> None:
    """Write `fitted` as ONNX; docs/onnx.md describes the contract.

    Cell line, genes and biases are folded into one constant [genes, hidden], so the graph computes the
    drug's share of the first layer once per drug and adds it to every gene's.

    Parameters
    ----------
    card
        What metadata_props carry besides genes, labels and versions; values are stored as JSON.
    atlas
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
    width = features.drugs.shape[1] if atlas is None else atlas.prior.bits.shape[1]
    bits = graph.input("fingerprint", TensorProto.FLOAT, ["n", width])
    norm = graph.node("ReduceL2", bits, axes=[1], keepdims=1)
    # A molecule without any bit keeps a zero row instead of 0/0.
    drug = bits / GraphOps.maximum(norm, np.float32(1e-12))
    if atlas is not None:
        evidence = atlas.prior.evidence(GraphOps, bits, _row(graph, atlas.inchikeys))
        drug = GraphOps.concat([drug, response_inputs(GraphOps, atlas.basis, evidence)])
    terms = GraphOps.expand(drug @ network.weight_drug.numpy(), 1) + constant.numpy()
    hidden = graph.node("LeakyRelu", terms, alpha=SLOPE)
    for layer in (network.layer2, network.layer3):
        hidden = graph.node("LeakyRelu", hidden @ _weight(layer) + layer.bias.numpy(), alpha=SLOPE)
    logits = hidden @ _weight(network.output) + network.output.bias.numpy()
    card = {"decision_offsets": [0.0, 0.0, 0.0], "drugs_a_run": MLP_DRUGS_A_RUN, **card}
    _write(graph, {"probabilities": GraphOps.softmax(logits)}, path, card, genes)


def _row(graph: Graph, inchikeys: list[str]) -> Tensor:
    """Return the drugs' rows of the atlas, -1 where it does not hold the InChIKey, a new input."""
    return graph.node(
        "LabelEncoder",
        graph.input("inchikey", TensorProto.STRING, ["n"]),
        domain="ai.onnx.ml",
        keys_strings=inchikeys,
        values_int64s=range(len(inchikeys)),
        default_int64=-1,
    )


def _weight(layer: torch.nn.Linear) -> np.ndarray:
    return np.ascontiguousarray(layer.weight.T.numpy())


def export_response(
    fitted: ResponseFitted, inchikeys: list[str], path: Path, card: dict[str, object], genes: list[str]
) -> None:
    """Write a response predictor as ONNX; docs/onnx.md describes the contract.

    The atlas' drugs travel inside: their InChIKeys, bits, mechanisms and what source lines say of them.

    Parameters
    ----------
    inchikeys
        Those of the atlas' drugs, in order.
    card
        As for `export_mlp`.
    """
    graph = Graph()
    bits = graph.input("fingerprint", TensorProto.FLOAT, ["n", fitted.prior.bits.shape[1]])
    probabilities, z = fitted.predict(GraphOps, bits, _row(graph, inchikeys))
    offsets = [float(one) for one in fitted.offsets]
    card = {"decision_offsets": offsets, "drugs_a_run": RESPONSE_DRUGS_A_RUN, **card}
    _write(graph, {"probabilities": probabilities, "z": z}, path, card, genes)


def _write(
    graph: Graph, outputs: dict[str, Tensor], path: Path, card: dict[str, object], genes: list[str]
) -> None:
    for name, tensor in outputs.items():
        graph.output(name, tensor, ["n", len(genes), 3] if name == "probabilities" else ["n", len(genes)])
    model = graph.model(producer_name="anchordrug", producer_version=anchordrug.__version__)
    properties = {
        "format_version": FORMAT_VERSION,
        "genes": genes,
        "labels": list(LABELS),
        "package_version": anchordrug.__version__,
        **card,
    }
    helper.set_model_props(model, {key: json.dumps(value) for key, value in properties.items()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
