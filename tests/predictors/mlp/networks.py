"""Small untrained networks with random features."""

import copy

import numpy as np
import torch
from torch import nn

from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.predictor import MlpFitted

SHAPE = MlpShape((12, 5, 7), (16, 8, 6), 0.4)


def random_blocks(seed, drugs, genes, shape=SHAPE, share=0.5, lines=3):
    rng = np.random.default_rng(seed)
    return FeatureBlocks(
        unit_rows(rng.random((drugs, shape.inputs[0])) < share),
        unit_rows(rng.normal(size=(lines, shape.inputs[1]))),
        unit_rows(rng.random((genes, shape.inputs[2])) < share),
    )


def small_fitted(drugs=9, genes=11, seed=0, sharpness=1.0, share=0.5, shape=SHAPE):
    """A fitted network; `sharpness` multiplies what a drug's bits and the last layer weigh."""
    network = FactorisedMlp(shape, seed)
    with torch.no_grad():
        network.weight_drug *= sharpness
        network.output.weight *= sharpness
        network.output.bias *= sharpness
    return MlpFitted(network, random_blocks(seed, drugs, genes, shape, share), 1)


def dense_twin(network):
    """The network as it is usually written, in float64: one row of all features in."""
    first = nn.Linear(sum(network.shape.inputs), network.shape.hidden[0])
    with torch.no_grad():
        first.weight.copy_(torch.cat([network.weight_drug, network.weight_cell, network.weight_gene]).T)
        first.bias.copy_(network.bias)
    rest = [
        part
        for layer in (network.layer2, network.layer3, network.output)
        for part in (nn.LeakyReLU(SLOPE), layer)
    ]
    return copy.deepcopy(nn.Sequential(first, *rest)).double()


def dense_rows(blocks, drugs, cell_line, shift=None):
    """float64 [drugs, genes, all features]."""
    rows = [
        [
            np.concatenate(
                [blocks.drugs[drug] + (0 if shift is None else shift[i]), blocks.cell_lines[cell_line], gene]
            )
            for gene in blocks.genes
        ]
        for i, drug in enumerate(drugs)
    ]
    return torch.tensor(np.array(rows), dtype=torch.float64)
