"""The paper's network as nodes of an ONNX graph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from anchordrug.graph.onnx_ops import Graph, GraphOps, Tensor
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp
from anchordrug.predictors.response.net import PriorBasis, response_inputs
from anchordrug.predictors.response.prior import ResponsePrior

if TYPE_CHECKING:
    from anchordrug.predictors.mlp.predictor import MlpFitted


@dataclass(frozen=True)
class PriorInputs:
    """The tables and components from which a network's view of a drug's prior responses is computed."""

    prior: ResponsePrior
    basis: PriorBasis


def mlp_graph(fitted: "MlpFitted", bits: Tensor, row: Tensor) -> Tensor:
    """Return probabilities [n, genes, 3] of drugs with `bits` float32 [n, bits] and atlas `row` int64 [n].

    Cell line, genes and biases are folded into one constant [genes, hidden]. So the graph computes the
    drug's share of the first layer once per drug and adds it to every gene's share.
    """
    network, features, graph = fitted.network, fitted.features, bits.graph
    with torch.no_grad():
        zero_drug = torch.zeros(1, features.drugs.shape[1])
        cell = torch.from_numpy(features.cell_lines[[fitted.cell_line]])
        constant = network.experiment_terms(zero_drug, cell) + network.gene_terms(
            torch.from_numpy(features.genes)
        )
    norm = graph.node("ReduceL2", bits, axes=[1], keepdims=1)
    # A molecule without any bit keeps a zero row instead of 0/0.
    drug = bits / GraphOps.maximum(norm, np.float32(1e-12))
    if fitted.response is not None:
        evidence = fitted.response.prior.evidence(GraphOps, bits, row)
        drug = GraphOps.concat([drug, response_inputs(GraphOps, fitted.response.basis, evidence)])
    hidden = _second_layer(graph, drug @ network.weight_drug.numpy(), constant.numpy(), network)
    # As rows of (drug, gene), for which onnxruntime has one operator of product, bias and activation.
    rows = GraphOps.reshape(hidden, (-1, network.layer2.out_features))
    hidden = graph.node("Gemm", rows, _weight(network.layer3), network.layer3.bias.numpy())
    scale = np.float32(fitted.temperature.scale)
    logits = graph.node(
        "Gemm",
        graph.node("LeakyRelu", hidden, alpha=SLOPE),
        _weight(network.output) * scale,
        network.output.bias.numpy() * scale + fitted.temperature.shift,
    )
    return GraphOps.reshape(GraphOps.softmax(logits), (-1, len(features.genes), 3))


def _second_layer(graph: Graph, drug: Tensor, constant: np.ndarray, network: FactorisedMlp) -> Tensor:
    """Return the second hidden layer [n, genes, hidden[1]] from the terms of the first.

    The first layer of n drugs x genes is by far the widest; passing over it takes the time. With slope s,

        leaky_relu(a + c) = (1 - s) (max(a, -c) + c) + s (a + c),

    so that one pass, the maximum, and one product remain; the rest are terms of drugs and of genes alone.

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


def _weight(layer: torch.nn.Linear) -> np.ndarray:
    return np.ascontiguousarray(layer.weight.T.numpy())
