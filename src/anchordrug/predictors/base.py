"""The contract of predictors: the task of predicting a target, and the methods of every predictor.

A predictor learns in two steps. `pretrain` turns the source lines into a `State`, before anything is measured
in the target. `Predictor.fit` turns that state and the anchors' responses into a `Fitted` predictor.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.tables import write_json
from anchordrug.labels import decide
from anchordrug.settings import Section

Decision = Literal["balanced", "by_group", "likeliest"]
Say = Callable[[str], None]
Card = Mapping[str, object]


class NoSettings(Section):
    """Settings of a step that has none."""


class PredictorParams(Section):
    """A predictor's block of settings; a subclass declares its own models for the two steps.

    `pretrain` sets how it learns from source lines, `fit` how it learns from anchors. A stage of the pipeline
    re-runs when a part changes that it reads, so each setting belongs to the step that uses it. Settings of
    the final fit alone are fields of their own next to the two.
    """

    pretrain: Any
    fit: Any


class NoParams(PredictorParams):
    """The block of a predictor without settings."""

    pretrain: NoSettings
    fit: NoSettings


@dataclass(frozen=True)
class Task:
    """One target, and all that is known before anything is measured in it.

    Attributes
    ----------
    sources
        The experiments of the source lines. Its tables of drugs, cell lines and genes are those of the whole
        atlas, the target included.
    features
        Feature blocks in the order of these tables.
    threshold
        |z| beyond which a gene is down or up.
    decision
        "balanced" decides for macro-F1, "by_group" does so for seen and unseen drugs apart, "likeliest" for
        the most probable label.
    device
        "cpu" or "cuda", where networks are trained.
    library
        int64 rows of the drugs to be predicted, as far as they are known.
    """

    target: str
    sources: ResponseAtlas
    features: FeatureBlocks
    threshold: float
    decision: Decision = "balanced"
    device: str = "cpu"
    library: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def unseen_share(self) -> float:
        """Return the share of the library's drugs that no source line has measured; 0 without a library."""
        if not len(self.library):
            return 0.0
        return float(np.mean(~np.isin(self.library, self.sources.measured_drugs())))

    @property
    def cell_line(self) -> int:
        """Position of the target among the atlas' cell lines."""
        return self.sources.cell_lines.index(self.target)

    def of_measured_drugs(self) -> "Task":
        """Return the task with only the drugs that a source line has measured.

        A library may hold many times as many; nothing is learned from the others before anchors are measured.
        """
        measured = self.sources.measured_drugs()
        sources = replace(
            self.sources,
            drug=np.searchsorted(measured, self.sources.drug),
            drugs=self.sources.drugs.iloc[measured].reset_index(drop=True),
        )
        features = replace(self.features, drugs=self.features.drugs[measured])
        return replace(self, sources=sources, features=features, library=np.zeros(0, np.int64))


@dataclass(frozen=True)
class Work:
    """How long work shows its progress, and where it keeps its checkpoints (None: nowhere)."""

    say: Say = field(default=lambda _: None)
    checkpoint: Path | None = None


@runtime_checkable
class FittedNetwork(Protocol):
    """A fitted predictor that strategies can look inside."""

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        ...

    def dropout_probabilities(
        self, drugs: np.ndarray, passes: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities`, each under its own dropout noise."""
        ...

    def embeddings(self, drugs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, some genes at a time, penultimate embeddings and the probabilities made of them.

        float32 [drugs, some genes, width] and [drugs, some genes, 3]; all genes come once, in order.
        """
        ...

    def loss_gradient(
        self, drugs: np.ndarray, shift: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict drugs whose features are moved by `shift`, and say how to move them further.

        Parameters
        ----------
        shift
            float32 [drugs, features], added to the drugs' scaled features; without columns, nothing is.
        labels
            [drugs, genes]: labels of the cross entropy.

        Returns
        -------
        tuple
            Most probable labels [drugs, genes], and the gradient of every drug's mean cross entropy over
            genes with respect to its features, float32 [drugs, features].
        """
        ...


class FittedPredictor(Protocol):
    """The part of a fitted predictor that strategies use; `drugs` are int64 rows of the drug table."""

    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""
        ...

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the labels it decides for, int8 [drugs, genes]."""
        ...


class Learner(Protocol):
    """The part of a predictor that campaigns use; several targets together have it too."""

    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> FittedPredictor:
        """Fit to `anchors` and their `z` [anchors, genes], NaN where not measured; see `Predictor.fit`."""
        ...


class Fitted(ABC):
    """A predictor of one target, fitted to anchors; `drugs` are int64 rows of the atlas' drug table."""

    # For the best speed, an exported file is asked for so many drugs per call.
    drugs_a_run: int = 64

    @abstractmethod
    def probabilities(self, drugs: np.ndarray) -> np.ndarray:
        """Return float32 [drugs, genes, 3]: down, none, up."""

    @property
    def offsets(self) -> np.ndarray:
        """float32 [3], added to log probabilities before the largest decides; zeros change nothing."""
        return np.zeros(3, np.float32)

    @property
    def offsets_unseen(self) -> np.ndarray:
        """float32 [3], the offsets for drugs that no source line has measured."""
        return self.offsets

    def offsets_of(self, drugs: np.ndarray) -> np.ndarray:
        """Return the offsets of each drug, float32 [drugs, 1, 3]."""
        return np.broadcast_to(self.offsets, (len(drugs), 1, 3))

    def labels(self, drugs: np.ndarray) -> np.ndarray:
        """Return the labels it decides for, int8 [drugs, genes]."""
        return decide(self.probabilities(drugs), self.offsets_of(drugs))

    def deciding_for(self, drugs: np.ndarray) -> Self:  # noqa: ARG002
        """Return the same predictor with the offsets that suit `drugs`, those one wants predicted."""
        return self

    def z(self, drugs: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Return the expected z, float32 [drugs, genes], or None where the predictor has none."""
        return None

    @abstractmethod
    def save(self, folder: Path, card: Card) -> None:
        """Write model.json with `card`, and all else that `Predictor.load` needs, into `folder`."""

    @abstractmethod
    def to_graph(self, bits: Any, row: Any) -> tuple[Any, Any | None]:
        """Write the prediction as nodes of an ONNX graph (docs/onnx.md).

        Parameters
        ----------
        bits
            Tensor float32 [n, bits], 0 or 1; operations of `anchordrug.graph.onnx_ops` take it.
        row
            Tensor int64 [n], the drug's row of the atlas, -1 for a drug that is not in it.

        Returns
        -------
        tuple
            Tensors of probabilities [n, genes, 3], and of z [n, genes] or None.
        """


class State(ABC):
    """The knowledge of a predictor from source lines, before anything is measured in the target."""

    # Mean loss of every epoch; empty where nothing is trained by epochs.
    losses: Sequence[float] = ()

    @abstractmethod
    def save(self, folder: Path, card: Card) -> None:
        """Write model.json with `card`, and all else that `Predictor.load_state` needs, into `folder`."""


class NoState(State):
    """The state of a predictor that learns nothing from source lines."""

    def save(self, folder: Path, card: Card) -> None:
        """Write model.json."""
        write_json(card, folder / "model.json")


class Predictor(ABC):
    """A way to learn one target from anchors, ready for it.

    A subclass registered by name (`anchordrug.predictors.registry`) is all that a new predictor needs.
    """

    Params: ClassVar[type[PredictorParams]]
    # Whether it looks at the cell lines' features, so that a new line needs its untreated expression.
    uses_cell_lines: ClassVar[bool] = True
    # Whether it looks at the genes' features, so that the raw bundle needs gene annotation.
    uses_annotation: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def pretrain(cls, task: Task, params: Any, work: Work) -> State:
        """Learn from the source lines of `task`; nothing of the target is in the result.

        Raises
        ------
        AnchorDrugError
            The source lines do not suffice.
        """

    @classmethod
    @abstractmethod
    def load_state(cls, folder: Path, params: Any) -> State:
        """Read the files of `State.save`.

        Raises
        ------
        RawDataError
            A file is missing or damaged.
        """

    @classmethod
    @abstractmethod
    def ready(cls, task: Task, params: Any, state: Any) -> Self:
        """Return the predictor of `task` that starts from `state`, which may know fewer drugs."""

    @abstractmethod
    def fit(self, anchors: np.ndarray, z: np.ndarray, *, seed: int, final: bool = False) -> Fitted:
        """Fit to `anchors` (int64 drug rows, maybe none) and their measured `z` float32 [anchors, genes].

        A `z` of NaN was not measured, and nothing is learned from it. `final` marks the last fit of a budget,
        where a predictor may treat the labels differently.
        """

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Read the files of this predictor's `Fitted.save`.

        Raises
        ------
        RawDataError
            A file is missing or damaged.
        """

    def left_out(self, anchors: np.ndarray, z: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """Return each anchor's z as predicted from the others, float32 [anchors, genes], or None.

        A `z` of NaN was not measured.
        """
        return None

    def expectations(self) -> "Sequence[Expectation]":
        """Return the expected accuracy of each evidence group; empty where the source lines do not tell."""
        return ()

    def forecaster(self) -> "Forecaster | None":
        """Return the forecast of the gain from more drugs; None where the predictor has no posterior."""
        return None


@dataclass(frozen=True)
class Expectation:
    """How well drugs of an evidence group were predicted in source lines, each used as the target.

    Attributes
    ----------
    group
        "seen", "near" or "far".
    anchors
        Number of drugs that were known in the line (at most half of its drugs).
    macro_f1, low, high
        Mean over the lines, and the 10th and 90th percentile.
    lines
        How many lines played.
    """

    group: str
    anchors: int
    macro_f1: float
    low: float
    high: float
    lines: int


@dataclass(frozen=True)
class Outlook:
    """Expected macro-F1 after more drugs of an order: one entry of each array per number of drugs.

    Attributes
    ----------
    drugs
        int64 [steps], how many more.
    scores
        float64 [draws, steps], the macro-F1 of every draw.
    score, gain
        float64 [steps, 2], the limits of the 95% intervals of the macro-F1 and of its gain over the step
        before (NaN for the first step).
    """

    drugs: np.ndarray
    scores: np.ndarray
    score: np.ndarray
    gain: np.ndarray


class Forecaster(Protocol):
    """Tells how much more drugs would bring, for one set of source lines."""

    def outlook(
        self, fitted: Any, order: np.ndarray, steps: np.ndarray, queries: np.ndarray, seed: int
    ) -> Outlook:
        """Return the expected macro-F1 on `queries` after the first `steps` drugs of `order` are measured.

        Parameters
        ----------
        fitted
            The result of the same predictor's `fit`.
        order
            int64 rows of drugs that may be measured next, best first.
        steps
            int64, rising, at most the length of `order`; the first is 0, the present.
        queries
            int64 rows of the drugs to be predicted; an evenly spaced subset of many drugs.
        """
        ...


def network_of(fitted: FittedPredictor) -> FittedNetwork | None:
    """Return `fitted` if strategies can look inside it, else None."""
    return fitted if isinstance(fitted, FittedNetwork) else None
