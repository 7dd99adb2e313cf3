"""The paper's network, with its first layer factorised over drug, cell line and gene.

The paper (Model) feeds a multi-layer perceptron one row per (drug, cell line, gene): the three
feature blocks side by side. The first layer is linear, so with W = [W_drug | W_cell | W_gene]

    W x + b = W_drug x_drug + W_cell x_cell + W_gene x_gene + b

and each term is computed once per drug, cell line and gene, then added by broadcasting over a block
of drugs x genes. The network is the paper's; no row of 2,259 numbers is ever built.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from anchordrug.atlas import labels_of
from anchordrug.errors import RawDataError
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.io import atomic_path, read_json, require_file, write_json
from anchordrug.predictors.array_ops import NumpyOps
from anchordrug.predictors.logit_scale import UNCALIBRATED, LogitScale, decide, fit_logit_scale
from anchordrug.training import Profiles, TrainingPlan, balanced, train

SLOPE = 0.01
# Few enough that the first hidden layer of a block stays in the processor's cache.
DRUGS_A_BLOCK = 4
# Embeddings of as many genes as fit into so many numbers are handed out at once.
EMBEDDING_NUMBERS = 2**24
# Above this share of non-zero features a dense product is the faster one.
MOST_NON_ZERO = 0.15
# A final fit is calibrated by fits to all parts of its anchors but one.
FOLDS = 3
# A network's probabilities, above all one fitted to balanced labels, are far from calibrated.
TRUST = 0.01


class _Scratch:
    """Buffers of the widest layer, kept from one block to the next.

    Fresh memory comes in pages that the system has to clear, which can take longer than the arithmetic.
    """

    def __init__(self) -> None:
        self.free: list[torch.Tensor] = []

    def take(self, *shape: int) -> torch.Tensor:
        """Return an uninitialised buffer of `shape`, a kept one if any is large enough."""
        size = int(np.prod(shape))
        position = next((k for k, one in enumerate(self.free) if one.numel() >= size), None)
        buffer = torch.empty(size) if position is None else self.free.pop(position)
        return buffer[:size].view(shape)

    def give_back(self, *buffers: torch.Tensor | None) -> None:
        """Keep what `take` returned, which nobody may use any more."""
        self.free += [one._base for one in buffers if one is not None and one._base is not None]


class _WideLayer(torch.autograd.Function):
    """linear(dropout(leaky_relu(a[:, None] + b[None]))): the widest layer and the one after it.

    `a` [n, width] and `b` [m, width] give [n, m, out] with weight [out, width]. `kept` is uint8
    [n, m, width] and `scale` what dropout multiplies the kept values with; None for no dropout.
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

    Fingerprints set some 5 % of their bits and annotations 1 %; the dense product of the genes and its
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
            # Initialised as the one wide layer it stands for: the scale depends on the whole fan-in.
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


@dataclass(frozen=True)
class MlpFitted:
    """A network with the features of its target; a `FittedNetwork`. Its weights are no longer trained."""

    network: FactorisedMlp
    features: FeatureBlocks
    cell_line: int
    calibration: LogitScale = UNCALIBRATED

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        probabilities = self._probabilities(drugs, None)
        if self.calibration == UNCALIBRATED:
            return probabilities
        return NumpyOps.softmax(self.calibration.of(np.log(np.maximum(probabilities, 1e-12))))

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the likeliest labels as the network sees them, int8 [drugs, genes].

        Calibrated probabilities may favour "none" where it does not: its final fit is to balanced labels.
        """
        return decide(self.probabilities(drugs), self.offsets)

    @property
    def offsets(self) -> np.ndarray:
        """float32 [3], added to log probabilities to decide as the network does without calibration."""
        return -self.calibration.shift

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise (MC dropout)."""
        noise = np.random.Generator(np.random.SFC64(rng.integers(0, 2**63)))
        for _ in range(passes):
            yield self._probabilities(drugs, noise)

    def embeddings(self, drugs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the last hidden layer float32 [drugs, g, hidden[2]] and probabilities, g genes at a time."""
        experiments, genes = self._terms(drugs)
        width = self.network.shape.hidden[2]
        at_once = max(1, EMBEDDING_NUMBERS // (len(drugs) * width))
        rows = max(1, DRUGS_A_BLOCK * len(genes) // min(at_once, len(genes)))
        for chosen in genes.split(at_once):
            hidden = torch.empty(len(drugs), len(chosen), width)
            for block, part in zip(hidden.split(rows), experiments.split(rows), strict=True):
                block.copy_(self.network.embedding(part, chosen, None))
            yield hidden.numpy(), self.network.output(hidden).softmax(-1).numpy()

    def loss_gradient(
        self, drugs: np.ndarray, shift: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels [drugs, genes] predicted under `shift`, and the loss' gradient [drugs, bits].

        Cross entropy with `labels`, mean over genes; see `FittedNetwork`.
        """
        experiments, genes = self._terms(drugs)
        weight = self.network.weight_drug
        if shift.size:
            experiments = experiments + torch.from_numpy(shift) @ weight
        predicted = np.empty(labels.shape, np.int8)
        gradient = torch.empty_like(experiments)
        expected = torch.from_numpy(labels.astype(np.int64))
        for start in range(0, len(drugs), DRUGS_A_BLOCK):
            block = slice(start, start + DRUGS_A_BLOCK)
            part = experiments[block].detach().requires_grad_(True)
            logits = self.network.head(part, genes, None)
            loss = functional.cross_entropy(
                logits.flatten(0, 1), expected[block].flatten(), reduction="sum"
            ) / len(genes)
            (gradient[block],) = torch.autograd.grad(loss, part)
            predicted[block] = logits.detach().argmax(-1).numpy()
        return predicted, (gradient @ weight.T).numpy()

    def _terms(self, drugs: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        cell = torch.from_numpy(self.features.cell_lines[[self.cell_line]])
        experiments = self.network.experiment_terms(torch.from_numpy(self.features.drugs[drugs]), cell)
        return experiments, self.network.gene_terms(torch.from_numpy(self.features.genes))

    def _probabilities(self, drugs: np.ndarray, noise: np.random.Generator | None) -> np.ndarray:
        result = np.empty((len(drugs), len(self.features.genes), 3), np.float32)
        experiments, genes = self._terms(drugs)
        for start in range(0, len(drugs), DRUGS_A_BLOCK):
            logits = self.network.head(experiments[start : start + DRUGS_A_BLOCK], genes, noise)
            result[start : start + DRUGS_A_BLOCK] = logits.softmax(-1).numpy()
        return result


@dataclass(frozen=True)
class MlpPredictor:
    """Fine-tunes pre-trained weights on the anchors of one target; a `Predictor`.

    Every fit starts from the pre-trained weights (PAPER, Model). With `balance`, the majority class
    is down-sampled in a final fit.
    """

    pretrained: FactorisedMlp
    features: FeatureBlocks
    cell_line: int
    threshold: float
    plan: TrainingPlan
    balance: bool

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> MlpFitted:
        """Fit to `anchors` and their `z`; without anchors, the pre-trained network as it is.

        The probabilities of a final fit are calibrated by what fits to two thirds of the anchors say of the
        others.
        """
        fitted = MlpFitted(self._trained(anchors, z, seed, final), self.features, self.cell_line)
        if not final or len(anchors) < 2 * FOLDS:
            return fitted
        fold = np.random.default_rng([seed, len(anchors), FOLDS]).permutation(len(anchors)) % FOLDS
        held_out = np.empty((*z.shape, 3), np.float32)
        for one in range(FOLDS):
            network = self._trained(anchors[fold != one], z[fold != one], seed, final)
            part = MlpFitted(network, self.features, self.cell_line)
            held_out[fold == one] = part.probabilities(anchors[fold == one])
        logits = np.log(np.maximum(held_out, 1e-12))
        calibration = fit_logit_scale(logits, labels_of(z, self.threshold), trust=TRUST)
        return replace(fitted, calibration=calibration)

    def _trained(self, anchors: np.ndarray, z: np.ndarray, seed: int, final: bool) -> FactorisedMlp:
        network = FactorisedMlp(self.pretrained.shape, seed=0)
        network.load_state_dict(self.pretrained.state_dict())
        if len(anchors):
            labels = labels_of(z, self.threshold)
            if final and self.balance:
                labels = balanced(labels, np.random.default_rng([seed, len(anchors)]))
            lines = np.full(len(anchors), self.cell_line)
            train(network, Profiles(self.features, anchors, lines, labels), replace(self.plan, seed=seed))
        return network


def save_mlp(network: FactorisedMlp, folder: Path, card: dict[str, object]) -> None:
    """Write weights.safetensors and model.json (the network's shape and `card`) into `folder`."""
    shape = network.shape
    with atomic_path(folder / "weights.safetensors") as temporary:
        temporary.write_bytes(
            save({name: value.contiguous() for name, value in network.state_dict().items()})
        )
    write_json(
        {"inputs": list(shape.inputs), "hidden": list(shape.hidden), "dropout": shape.dropout, **card},
        folder / "model.json",
    )


def load_mlp(folder: Path) -> FactorisedMlp:
    """Read a network that `save_mlp` wrote.

    Raises
    ------
    RawDataError
        A file is missing, damaged, or does not fit the shape in model.json.
    """
    card = read_json(folder / "model.json")
    weights = require_file(folder / "weights.safetensors", "run the stage that trains it (dvc repro)")
    try:
        shape = MlpShape(tuple(card["inputs"]), tuple(card["hidden"]), card["dropout"])
        network = FactorisedMlp(shape, seed=0)
        network.load_state_dict(load_file(weights))
    except (KeyError, IndexError, TypeError, ValueError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RawDataError(f"{folder}: not a usable model ({reason}); train it again") from error
    return network.eval()
