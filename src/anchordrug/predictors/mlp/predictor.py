"""The paper's network with the features of a target: fitted to anchors, and asked for predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch.nn import functional

from anchordrug.features.blocks import FeatureBlocks
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import decide, labels_of
from anchordrug.predictors.base import Card, Fitted, Predictor, State, Task, Work
from anchordrug.predictors.mlp.files import load_mlp, load_temperature, save_mlp
from anchordrug.predictors.mlp.graph import PriorInputs, mlp_graph
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.params import MlpParams, MlpTraining
from anchordrug.predictors.mlp.training import Profiles, TrainingPlan, balanced, train
from anchordrug.predictors.temperature import UNCALIBRATED, TemperatureScaling, fit_temperature_scaling

# Few enough that the first hidden layer of a block stays in the processor's cache.
DRUGS_A_BLOCK = 4
# Embeddings of as many genes as fit into so many numbers are handed out at once.
EMBEDDING_NUMBERS = 2**24
# A final fit is calibrated by fits to all parts of its anchors but one.
FOLDS = 3
# A network's probabilities, above all one fitted to balanced labels, are far from calibrated.
TRUST = 0.01


@dataclass(frozen=True)
class MlpFitted(Fitted):
    """A network with the features of its target; a `FittedNetwork`. Its weights are no longer trained.

    `response` is there where prior responses are among the drugs' features.
    """

    # Few enough that the first hidden layer fits the processor's cache.
    drugs_a_run = 4

    network: FactorisedMlp
    features: FeatureBlocks
    cell_line: int
    temperature: TemperatureScaling = UNCALIBRATED
    response: PriorInputs | None = None

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        probabilities = self._probabilities(drugs, None)
        if self.temperature == UNCALIBRATED:
            return probabilities
        return NumpyOps.softmax(self.temperature.of(np.log(np.maximum(probabilities, 1e-12))))

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the most probable labels as the network sees them, int8 [drugs, genes].

        Calibrated probabilities may favour "none" where it does not: its final fit is to balanced labels.
        """
        return decide(self.probabilities(drugs), self.offsets_of(drugs))

    @property
    def offsets(self) -> np.ndarray:
        """float32 [3], added to log probabilities to decide as the unscaled network does."""
        return -self.temperature.shift

    def save(self, folder: Path, card: Card) -> None:
        """Write the network, its temperature scaling and `card`."""
        save_mlp(self.network, folder, {"temperature": asdict(self.temperature), **card})

    def to_graph(self, bits: Any, row: Any) -> tuple[Any, None]:
        """Write the prediction as nodes of an ONNX graph; it has no z."""
        return mlp_graph(self, bits, row), None

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
class MlpState(State):
    """A pre-trained network, and the mean losses of its epochs (none where it was read from files)."""

    network: FactorisedMlp
    losses: Sequence[float] = ()

    def save(self, folder: Path, card: Card) -> None:
        """Write the network and `card`."""
        save_mlp(self.network, folder, card)


def plan_of(training: MlpTraining, seed: int, device: str) -> TrainingPlan:
    """Return the training plan that settings describe."""
    return TrainingPlan(
        training.epochs, training.learning_rate, training.block_drugs, training.block_genes, seed, device
    )


def pretrained(task: Task, params: MlpParams, work: Work, profiles: Profiles) -> MlpState:
    """Train a new network on `profiles`; a run that was killed resumes after its last whole epoch."""
    settings, features = params.pretrain, profiles.features
    inputs = (features.drugs.shape[1], features.cell_lines.shape[1], features.genes.shape[1])
    network = FactorisedMlp(MlpShape(inputs, settings.hidden, settings.dropout), settings.seed)
    losses = train(
        network,
        profiles,
        plan_of(settings, settings.seed, task.device),
        after_epoch=lambda epoch, loss: work.say(f"epoch {epoch}/{settings.epochs}: loss {loss:.4f}"),
        checkpoint=work.checkpoint,
        say=work.say,
    )
    return MlpState(network, losses)


@dataclass(frozen=True)
class MlpPredictor(Predictor):
    """Fine-tunes pre-trained weights on the anchors of one target; a `Predictor`.

    Every fit starts from the pre-trained weights (PAPER, Model). With `balance`, the majority class
    is down-sampled in a final fit.
    """

    Params = MlpParams

    pretrained: FactorisedMlp
    features: FeatureBlocks
    cell_line: int
    threshold: float
    plan: TrainingPlan
    balance: bool
    response: PriorInputs | None = None

    @classmethod
    def pretrain(cls, task: Task, params: MlpParams, work: Work) -> MlpState:
        """Train on every experiment of the source lines (PAPER, Model)."""
        sources = task.sources
        labels = labels_of(sources.z, task.threshold)
        return pretrained(
            task, params, work, Profiles(task.features, sources.drug, sources.cell_line, labels)
        )

    @classmethod
    def load_state(cls, folder: Path, params: MlpParams) -> MlpState:  # noqa: ARG003  # the files hold the shape
        """Read the files of `MlpState.save`."""
        return MlpState(load_mlp(folder))

    @classmethod
    def ready(cls, task: Task, params: MlpParams, state: MlpState) -> Self:
        """Return the predictor that fine-tunes the network of `state`."""
        plan = plan_of(params.fit, 0, task.device)
        return cls(state.network, task.features, task.cell_line, task.threshold, plan, params.balance)

    def load(self, folder: Path) -> MlpFitted:
        """Read the files of `MlpFitted.save`."""
        return self._fitted(load_mlp(folder), load_temperature(folder))

    def _fitted(self, network: FactorisedMlp, temperature: TemperatureScaling = UNCALIBRATED) -> MlpFitted:
        return MlpFitted(network, self.features, self.cell_line, temperature, self.response)

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> MlpFitted:
        """Fit to `anchors` and their `z`; without anchors, the pre-trained network as it is.

        The probabilities of a final fit are calibrated with fits to two thirds of the anchors that predict
        the others.
        """
        fitted = self._fitted(self._trained(anchors, z, seed, final))
        if not final or len(anchors) < 2 * FOLDS:
            return fitted
        fold = np.random.default_rng([seed, len(anchors), FOLDS]).permutation(len(anchors)) % FOLDS
        held_out = np.empty((*z.shape, 3), np.float32)
        for part in range(FOLDS):
            network = self._trained(anchors[fold != part], z[fold != part], seed, final)
            held_out[fold == part] = self._fitted(network).probabilities(anchors[fold == part])
        logits = np.log(np.maximum(held_out, 1e-12))
        temperature = fit_temperature_scaling(logits, labels_of(z, self.threshold), trust=TRUST)
        return replace(fitted, temperature=temperature)

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
