"""response_net: a network that predicts all genes of a drug in one pass, from structure and prior response.

Inputs of a profile are the fingerprint, principal components of the drug's prior response (made without the
profile's own cell line), whether and in how many source lines it was measured, and the cell line's embedding.
Every gene also sees its own prior directly. It is pre-trained on the source lines and fine-tuned on anchors.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from anchordrug.graph.numpy_ops import Array, NumpyOps
from anchordrug.labels import UNMEASURED, labels_of
from anchordrug.predictors.response.prior import Evidence, ResponsePrior
from anchordrug.predictors.response.pseudo_targets import PseudoTarget

COMPONENTS = 64
PATHS = 4
SLOPE = 0.01


@dataclass(frozen=True)
class NetSettings:
    """Widths of the two hidden layers, dropout, and Adam's training before and on anchors."""

    hidden: tuple[int, int]
    dropout: float
    epochs: int
    learning_rate: float
    finetune_epochs: int
    finetune_learning_rate: float
    weight_decay: float = 1e-4
    batch: int = 64
    finetune_batch: int = 16
    device: str = "cpu"


@dataclass(frozen=True)
class PriorBasis:
    """Principal components of prior responses.

    Attributes
    ----------
    mean
        float32 [genes].
    components
        float32 [genes, at most 64], scaled so that the first component varies by about 1/4.
    """

    mean: np.ndarray
    components: np.ndarray


def prior_basis(prior: np.ndarray) -> PriorBasis:
    """Return the basis of prior responses [drugs, genes]; the largest entry of a component is positive."""
    mean = prior.mean(axis=0, dtype=np.float64)
    centred = prior - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    vectors = vectors[:, ::-1][:, :COMPONENTS]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    spread = 4 * math.sqrt(max(float(values[-1]), 1e-12) / max(1, len(prior)))
    return PriorBasis(mean.astype(np.float32), (vectors / spread).astype(np.float32))


def basis_of(prior: ResponsePrior) -> PriorBasis:
    """Return the principal components of the prior responses of the drugs that source lines have measured.

    Only of those, so that the result does not depend on the drugs that one may choose.
    """
    return prior_basis(prior.evidence_of(prior.known).prior)


def response_inputs(ops: type, basis: PriorBasis, evidence: Evidence) -> Array:
    """Return a network's inputs from a drug's prior response, float32 [n, components + 2].

    Its components, whether any source line has measured the drug, and the log of how many have.
    """
    lines = ops.log(evidence.lines + np.float32(1))
    seen = ops.cast(evidence.lines > np.float32(0), np.float32)
    return ops.concat([(evidence.prior - basis.mean) @ basis.components, seen, lines])


def drug_inputs(ops: type, basis: PriorBasis, evidence: Evidence, bits: Array) -> Array:
    """Return a profile's inputs but the cell line, float32 [n, bits + components + 2]."""
    norm = ops.sqrt(ops.total(bits * bits))
    scaled = bits * np.float32(4) / ops.maximum(norm, np.float32(1e-6))
    return ops.concat([scaled, response_inputs(ops, basis, evidence)])


def gene_paths(ops: type, prior: Array) -> list[Array]:
    """Return the inputs of a gene from its own prior, `PATHS` arrays [n, genes]."""
    half, shift = np.float32(0.5), np.float32(1)
    return [prior * half, ops.abs(prior) * half, ops.tanh(prior - shift), ops.tanh(prior + shift)]


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
class NetFit:
    """A trained network of one target as arrays, [in, out]; the cell line is part of the first bias."""

    basis: PriorBasis
    drug: np.ndarray
    drug_bias: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray
    path: np.ndarray

    def logits(self, ops: type, evidence: Evidence, bits: Array) -> Array:
        """Return logits [n, genes, 3]."""

        def leaky(values: Array) -> Array:
            return ops.maximum(values, values * np.float32(SLOPE))

        first = leaky(drug_inputs(ops, self.basis, evidence, bits) @ self.drug + self.drug_bias)
        second = leaky(first @ self.hidden + self.hidden_bias)
        logits = ops.reshape(second @ self.output, (-1, self.path.shape[1], 3)) + self.output_bias
        for number, path in enumerate(gene_paths(ops, evidence.prior)):
            logits = logits + ops.expand(path, 2) * self.path[number]
        return logits


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
