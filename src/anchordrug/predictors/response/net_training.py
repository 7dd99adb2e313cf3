"""The training of response_net, before anything is measured in the target and on anchors; with torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import UNMEASURED, labels_of
from anchordrug.predictors.response.net import (
    PATHS,
    SLOPE,
    NetFit,
    NetSettings,
    PriorBasis,
    drug_inputs,
    gene_paths,
)
from anchordrug.predictors.response.prior import Evidence
from anchordrug.predictors.response.pseudo_targets import PseudoTarget


class ResponseNet(nn.Module):
    """The network; `forward` is for training, `NetFit` for prediction."""

    def __init__(
        self, bits: int, components: int, cell: int, genes: int, settings: NetSettings, seed: int
    ) -> None:
        super().__init__()
        self.genes, self.dropout = genes, settings.dropout
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.drug = nn.Linear(bits + components + 2, settings.hidden[0])
            self.cell = nn.Linear(cell, settings.hidden[0], bias=False)
            self.hidden = nn.Linear(*settings.hidden)
            self.output = nn.Linear(settings.hidden[1], genes * 3)
        # Without training it predicts the same for everything, and learns from the prior first.
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.path = nn.Parameter(torch.zeros(PATHS, genes, 3))

    def forward(self, drugs: torch.Tensor, cells: torch.Tensor, paths: torch.Tensor) -> torch.Tensor:
        """Return logits [n, genes, 3] for inputs [n, ...], cell lines [n, dim], paths [n, genes, PATHS]."""
        first = functional.leaky_relu(self.drug(drugs) + self.cell(cells), SLOPE)
        first = functional.dropout(first, self.dropout, self.training)
        second = functional.leaky_relu(self.hidden(first), SLOPE)
        second = functional.dropout(second, self.dropout, self.training)
        direct = torch.einsum("ngk,kgc->ngc", paths, self.path)
        return self.output(second).view(len(drugs), self.genes, 3) + direct


@dataclass(frozen=True)
class NetData:
    """Profiles to train on: inputs, cell line and paths of each, and labels int64 [n, genes] or -1."""

    drugs: torch.Tensor
    cells: torch.Tensor
    paths: torch.Tensor
    labels: torch.Tensor


def net_data(
    basis: PriorBasis, evidence: Evidence, bits: np.ndarray, cell: np.ndarray, labels: np.ndarray
) -> NetData:
    """Return the profiles of drugs in one cell line, whose embedding `cell` [dim] has unit norm."""
    paths = NumpyOps.stack(gene_paths(NumpyOps, evidence.prior))
    return NetData(
        torch.from_numpy(drug_inputs(NumpyOps, basis, evidence, bits)),
        torch.from_numpy(np.tile(_cell_input(cell), (len(bits), 1))),
        torch.from_numpy(paths),
        torch.from_numpy(labels.astype(np.int64)),
    )


def _cell_input(cell: np.ndarray) -> np.ndarray:
    return cell * np.float32(2)


def pretrain_net(
    targets: list[PseudoTarget],
    basis: PriorBasis,
    cells: np.ndarray,
    threshold: float,
    settings: NetSettings,
    seed: int,
) -> tuple[ResponseNet, list[float]]:
    """Train on source lines, each with the prior from the other lines; return network and epoch losses.

    `cells` [cell lines, dim] are embeddings. The same seed and number of threads give the same weights.
    """
    parts = [
        net_data(
            basis,
            target.evidence,
            target.prior.bits[target.drugs],
            cells[target.line],
            labels_of(target.z, threshold),
        )
        for target in targets
    ]
    data = NetData(*(torch.cat(columns) for columns in zip(*map(_columns, parts), strict=True)))
    genes = data.labels.shape[1]
    bits = targets[0].prior.bits.width
    network = ResponseNet(bits, basis.components.shape[1], cells.shape[1], genes, settings, seed)
    network.to(settings.device)
    steps = settings.epochs * math.ceil(len(data.labels) / settings.batch)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    losses = list(_epochs(network, data, optimiser, schedule, settings.epochs, settings.batch, seed))
    return network.cpu(), losses


def finetune_net(network: ResponseNet, data: NetData, settings: NetSettings, seed: int) -> None:
    """Train `network` on the anchors' profiles, in place."""
    network.to(settings.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.finetune_learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    epochs, batch = settings.finetune_epochs, settings.finetune_batch
    for _ in _epochs(network, data, optimiser, schedule, epochs, batch, seed):
        pass
    network.cpu()


def _columns(data: NetData) -> tuple[torch.Tensor, ...]:
    return data.drugs, data.cells, data.paths, data.labels


def _epochs(
    network: ResponseNet,
    data: NetData,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epochs: int,
    batch: int,
    seed: int,
) -> Iterator[float]:
    """Train and yield the mean loss of every epoch; the network is in evaluation mode afterwards."""
    device = network.path.device
    on_gpu = device.type == "cuda"
    data = NetData(*(column.to(device) for column in _columns(data)))
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.manual_seed(seed)
        network.train()
        for _ in range(epochs):
            total = 0.0
            for rows in torch.randperm(len(data.labels)).split(batch):
                with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
                    logits = network(data.drugs[rows], data.cells[rows], data.paths[rows])
                loss = functional.cross_entropy(
                    logits.float().flatten(0, 1), data.labels[rows].flatten(), ignore_index=UNMEASURED
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(rows)
            yield total / len(data.labels)
        network.eval()


def net_fit(network: ResponseNet, basis: PriorBasis, cell: np.ndarray) -> NetFit:
    """Return `network` for the cell line with embedding `cell` [dim], ready to predict."""

    def array(values: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(values.detach().numpy())

    with torch.no_grad():
        bias = network.drug.bias + torch.from_numpy(_cell_input(cell)) @ network.cell.weight.T
    return NetFit(
        basis,
        array(network.drug.weight.T),
        array(bias),
        array(network.hidden.weight.T),
        array(network.hidden.bias),
        array(network.output.weight.T),
        array(network.output.bias).reshape(-1, 3),
        array(network.path),
    )
