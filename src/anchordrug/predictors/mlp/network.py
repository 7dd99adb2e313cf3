"""The paper's network, with its first layer factorised over drug, cell line and gene.

The paper (Model) feeds a multi-layer perceptron one row per (drug, cell line, gene): the three
feature blocks side by side. The first layer is linear, so with W = [W_drug | W_cell | W_gene]

    W x + b = W_drug x_drug + W_cell x_cell + W_gene x_gene + b

and each term is computed once per drug, cell line and gene, then added by broadcasting over a block
of drugs x genes. The network is the paper's; no row of 2,259 numbers is ever built.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.01
# Above this share of non-zero features a dense product is the faster one.
MOST_NON_ZERO = 0.15


class _Scratch:
    """Buffers of the widest layer, kept from one block to the next.

    Fresh memory comes in pages that the system has to clear, which can take longer than the arithmetic.
    """

    def __init__(self) -> None:
        self.free: list[torch.Tensor] = []

    def take(self, *shape: int) -> torch.Tensor:
        """Return an uninitialised buffer of `shape`, a kept one if any is large enough."""
        size = int(np.prod(shape))
        position = next((k for k, kept in enumerate(self.free) if kept.numel() >= size), None)
        buffer = torch.empty(size) if position is None else self.free.pop(position)
        return buffer[:size].view(shape)

    def give_back(self, *buffers: torch.Tensor | None) -> None:
        """Keep an array that `take` returned, which nobody may use any more."""
        self.free += [buffer._base for buffer in buffers if buffer is not None and buffer._base is not None]


class _WideLayer(torch.autograd.Function):
    """linear(dropout(leaky_relu(a[:, None] + b[None]))): the widest layer and the one after it.

    `a` [n, width] and `b` [m, width] give [n, m, out] with weight [out, width]. `kept` is uint8
    [n, m, width] and `scale` the factor of kept values in dropout; None for no dropout.
    Autograd's own chain would hold three buffers of [n, m, width] and spend its time on memory traffic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: torch.Tensor,
        b: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        kept: torch.Tensor | None,
        scale: float,
        scratch: _Scratch,
    ) -> torch.Tensor:
        n, m, width = len(a), len(b), a.shape[1]
        hidden = scratch.take(n, m, width)
        torch.add(a[:, None], b[None], out=hidden)
        functional.leaky_relu_(hidden, SLOPE)
        mask = None if kept is None else scratch.take(n, m, width).copy_(kept)
        if mask is not None:
            hidden.mul_(mask)
        result = functional.linear(hidden.view(n * m, width), weight * scale, bias).view(n, m, -1)
        if any(ctx.needs_input_grad):
            ctx.hidden, ctx.mask, ctx.scale, ctx.scratch = hidden, mask, scale, scratch
            ctx.save_for_backward(weight)
        else:
            scratch.give_back(hidden, mask)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        hidden, mask, scratch = ctx.hidden, ctx.mask, ctx.scratch
        n, m, width = hidden.shape
        out = gradients[0].reshape(n * m, -1)
        gradient = scratch.take(n, m, width)
        torch.mm(out, weight * ctx.scale, out=gradient.view(n * m, width))
        if mask is not None:
            gradient.mul_(mask)
        # A leaky ReLU's result has its argument's sign; where dropout made it 0, the gradient is 0 too.
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, hidden, SLOPE, True, grad_input=gradient)
        results: list[torch.Tensor | None] = [gradient.sum(1), gradient.sum(0), None, None]
        if ctx.needs_input_grad[2]:  # frozen weights want none
            results[2:] = (out.T @ hidden.view(n * m, width)).mul_(ctx.scale), out.sum(0)
        scratch.give_back(gradient, hidden, mask)
        return *results, None, None, None


def _sparse_product(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return rows @ weight, [n, width]; where most of `rows` are zeros, only the others are multiplied.

    Fingerprints set about 5% of their bits and annotations 1%; the dense product of the genes and its
    gradient alone would cost a quarter of a training step.
    """
    if rows.is_cuda:
        return rows @ weight
    row, column = rows.nonzero(as_tuple=True)
    if rows.requires_grad or len(row) > rows.numel() * MOST_NON_ZERO:
        return rows @ weight
    starts = torch.searchsorted(row, torch.arange(len(rows)))
    return functional.embedding_bag(column, weight, starts, mode="sum", per_sample_weights=rows[row, column])


@dataclass(frozen=True)
class MlpShape:
    """Widths of the inputs (drug, cell line, gene) and of the three hidden layers, and the dropout rate."""

    inputs: tuple[int, int, int]
    hidden: tuple[int, int, int]
    dropout: float


class FactorisedMlp(nn.Module):
    """The paper's network: inputs - hidden - 3 classes, leaky ReLU, dropout after each hidden layer.

    Weights of the first layer are stored per block as [width of the block, hidden[0]].
    """

    def __init__(self, shape: MlpShape, seed: int) -> None:
        super().__init__()
        self.shape = shape
        self._scratch = _Scratch()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Initialised as the single wide layer it replaces: the scale depends on the whole fan-in.
            first = nn.Linear(sum(shape.inputs), shape.hidden[0])
            drug, cell, gene = torch.split(first.weight.detach().T.contiguous(), list(shape.inputs))
            self.weight_drug, self.weight_cell, self.weight_gene = map(nn.Parameter, (drug, cell, gene))
            self.bias = first.bias
            self.layer2 = nn.Linear(shape.hidden[0], shape.hidden[1])
            self.layer3 = nn.Linear(shape.hidden[1], shape.hidden[2])
            self.output = nn.Linear(shape.hidden[2], 3)

    def experiment_terms(self, drugs: torch.Tensor, cell_lines: torch.Tensor) -> torch.Tensor:
        """Return the part of the first layer that does not depend on the gene, [n, hidden[0]]."""
        return _sparse_product(drugs, self.weight_drug) + cell_lines @ self.weight_cell + self.bias

    def gene_terms(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the genes' part of the first layer, [m, hidden[0]]."""
        return _sparse_product(genes, self.weight_gene)

    def head(
        self, experiments: torch.Tensor, genes: torch.Tensor, noise: np.random.Generator | None
    ) -> torch.Tensor:
        """Return logits [n, m, 3] from first-layer terms [n, hidden[0]] and [m, hidden[0]]."""
        return self.output(self.embedding(experiments, genes, noise))

    def embedding(
        self, experiments: torch.Tensor, genes: torch.Tensor, noise: np.random.Generator | None
    ) -> torch.Tensor:
        """Return the last hidden layer [n, m, hidden[2]] from first-layer terms."""
        n, m = len(experiments), len(genes)
        if experiments.is_cuda:
            hidden = self.layer2(self._activated(experiments[:, None] + genes[None], noise))
            return self._activated(self.layer3(self._activated(hidden, noise)), noise)
        kept = None if noise is None else self._kept((n, m, self.shape.hidden[0]), noise)
        scale = 1.0 if noise is None else self._scale
        hidden = _WideLayer.apply(
            experiments, genes, self.layer2.weight, self.layer2.bias, kept, scale, self._scratch
        )
        return self._activated(self.layer3(self._activated(hidden, noise)), noise)

    def _activated(self, values: torch.Tensor, noise: np.random.Generator | None) -> torch.Tensor:
        hidden = functional.leaky_relu(values, SLOPE)
        if noise is None:
            return hidden
        # The same noise on every device.
        return hidden * self._kept(tuple(hidden.shape), noise).to(hidden.device) * self._scale

    def forward(
        self,
        drugs: torch.Tensor,
        cell_lines: torch.Tensor,
        genes: torch.Tensor,
        noise: np.random.Generator | None = None,
    ) -> torch.Tensor:
        """Return logits [n, m, 3] for n (drug, cell line) rows and m genes; without `noise` no dropout."""
        return self.head(self.experiment_terms(drugs, cell_lines), self.gene_terms(genes), noise)

    def _kept(self, shape: tuple[int, ...], noise: np.random.Generator) -> torch.Tensor:
        # 16 random bits an element set the rate to within 1/65,536, and come many times
        # faster than torch.bernoulli, which draws one 32-bit number an element on one core.
        size = int(np.prod(shape))
        words = noise.integers(0, 2**64, size=(size + 3) // 4, dtype=np.uint64)
        kept = words.view(np.int16)[:size] >= self._dropped - 32768
        return torch.from_numpy(kept.view(np.uint8)).view(shape)

    @property
    def _dropped(self) -> int:
        return round(self.shape.dropout * 65536)

    @property
    def _scale(self) -> float:
        return 65536 / (65536 - self._dropped)
