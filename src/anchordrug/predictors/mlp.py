"""The paper's network, with its first layer factorised over drug, cell line and gene.

The paper (Model) feeds a multi-layer perceptron one row per (drug, cell line, gene): the three
feature blocks side by side. The first layer is linear, so with W = [W_drug | W_cell | W_gene]

    W x + b = W_drug x_drug + W_cell x_cell + W_gene x_gene + b

and each term is computed once per drug, cell line and gene, then added by broadcasting over a block
of drugs x genes. The network is the paper's; no row of 2,259 numbers is ever built.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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
from anchordrug.training import Profiles, TrainingPlan, balanced, train

SLOPE = 0.01
# Few enough that the first hidden layer of a block stays in the processor's cache.
DRUGS_A_BLOCK = 4


class _BroadcastHidden(torch.autograd.Function):
    """dropout(leaky_relu(a[:, None] + b[None])) in one buffer, forward and backward.

    Autograd's own chain keeps three buffers of [n, m, width] and spends most of its time in memory traffic.
    """

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        hidden = a[:, None] + b[None]
        functional.leaky_relu_(hidden, SLOPE)
        if mask is not None:
            hidden.mul_(mask)
        ctx.save_for_backward(hidden, mask)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        hidden, mask = ctx.saved_tensors
        # In place: the next layer alone made this buffer and nobody else reads it.
        gradient = gradients[0]
        if mask is not None:
            gradient.mul_(mask)
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, hidden, SLOPE, True, grad_input=gradient)
        return gradient.sum(1), gradient.sum(0), None


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
        return drugs @ self.weight_drug + cell_lines @ self.weight_cell + self.bias

    def gene_terms(self, genes: torch.Tensor) -> torch.Tensor:
        """Return the genes' part of the first layer, [m, hidden[0]]."""
        return genes @ self.weight_gene

    def head(
        self, experiments: torch.Tensor, genes: torch.Tensor, noise: np.random.Generator | None
    ) -> torch.Tensor:
        """Return logits [n, m, 3] from first-layer terms [n, hidden[0]] and [m, hidden[0]]."""
        n, m = len(experiments), len(genes)
        mask = None if noise is None else self._mask((n, m, self.shape.hidden[0]), noise)
        hidden = _BroadcastHidden.apply(experiments, genes, mask)
        for layer in (self.layer2, self.layer3):
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
            if noise is not None:
                hidden = hidden * self._mask(tuple(hidden.shape), noise)
        return self.output(hidden)

    def forward(
        self,
        drugs: torch.Tensor,
        cell_lines: torch.Tensor,
        genes: torch.Tensor,
        noise: np.random.Generator | None = None,
    ) -> torch.Tensor:
        """Return logits [n, m, 3] for n (drug, cell line) rows and m genes; without `noise` no dropout."""
        return self.head(self.experiment_terms(drugs, cell_lines), self.gene_terms(genes), noise)

    def _mask(self, shape: tuple[int, ...], noise: np.random.Generator) -> torch.Tensor:
        # 16 random bits an element set the rate to within 1/65,536, and come many times
        # faster than torch.bernoulli, which draws one 32-bit number an element on one core.
        size = int(np.prod(shape))
        words = noise.integers(0, 2**64, size=(size + 3) // 4, dtype=np.uint64)
        bits = torch.from_numpy(words.view(np.int16)[:size]).view(shape)
        dropped = round(self.shape.dropout * 65536)
        return (bits >= dropped - 32768).to(torch.float32).mul_(65536 / (65536 - dropped))


@dataclass(frozen=True)
class MlpFitted:
    """A network with the features of its target; a `FittedPredictor`."""

    network: FactorisedMlp
    features: FeatureBlocks
    cell_line: int

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        return self._probabilities(drugs, None)

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise (MC dropout)."""
        noise = np.random.Generator(np.random.SFC64(rng.integers(0, 2**63)))
        for _ in range(passes):
            yield self._probabilities(drugs, noise)

    @torch.no_grad()
    def _probabilities(self, drugs: np.ndarray, noise: np.random.Generator | None) -> np.ndarray:
        result = np.empty((len(drugs), len(self.features.genes), 3), np.float32)
        cell = torch.from_numpy(self.features.cell_lines[[self.cell_line]])
        experiments = self.network.experiment_terms(torch.from_numpy(self.features.drugs[drugs]), cell)
        genes = self.network.gene_terms(torch.from_numpy(self.features.genes))
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
        """Fit to `anchors` and their `z`; without anchors, the pre-trained network as it is."""
        network = FactorisedMlp(self.pretrained.shape, seed=0)
        network.load_state_dict(self.pretrained.state_dict())
        network.eval()
        if len(anchors):
            labels = labels_of(z, self.threshold)
            if final and self.balance:
                labels = balanced(labels, np.random.default_rng([seed, len(anchors)]))
            lines = np.full(len(anchors), self.cell_line)
            plan = TrainingPlan(
                self.plan.epochs, self.plan.learning_rate, self.plan.block_drugs, self.plan.block_genes, seed
            )
            train(network, Profiles(self.features, anchors, lines, labels), plan)
        return MlpFitted(network, self.features, self.cell_line)


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
