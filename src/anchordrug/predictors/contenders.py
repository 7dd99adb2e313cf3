"""The predictions that an evaluation compares: baselines, and the predictor before and after its anchors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from anchordrug.labels import labels_of
from anchordrug.predictors.base import Fitted, Predictor, Task
from anchordrug.predictors.baselines import all_none, consensus_threshold, gene_majority, neighbour_consensus
from anchordrug.predictors.extra_trees import ExtraTrees


@dataclass(frozen=True)
class Contender:
    """The prediction of the test drugs by one predictor or baseline.

    Attributes
    ----------
    learned_from
        Number of drugs it learned from in the target.
    labels
        int8 [test, genes].
    z
        [test, genes], a z or a score proportional to it; only its correlation is used.
    probabilities
        [test, genes, 3], None for a baseline.
    offsets
        float32 [3] or [test, 1, 3], added to log probabilities to decide.
    """

    name: str
    learned_from: int
    labels: np.ndarray
    z: np.ndarray
    probabilities: np.ndarray | None = None
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))


def baselines(task: Task, anchors: np.ndarray, anchor_z: np.ndarray, test: np.ndarray) -> Iterator[Contender]:
    """Yield the predictions of the test drugs that do not need a model.

    Parameters
    ----------
    anchors, test
        int64 rows of the drug table.
    anchor_z
        [anchors, genes], measured in the target.
    """
    genes = anchor_z.shape[1]
    labels = all_none(len(test), genes)
    yield Contender("all_none", 0, labels, labels - 1.0)
    labels = gene_majority(labels_of(anchor_z, task.threshold), len(test))
    yield Contender("gene_majority", len(anchors), labels, labels - 1.0)
    threshold = consensus_threshold(task.sources, task.threshold)
    z = task.sources.consensus()[0][test]
    yield Contender("consensus", 0, labels_of(z, threshold), z)
    z = neighbour_consensus(task.sources, task.features.drugs, test)
    yield Contender("nearest_neighbours", 0, labels_of(z, threshold), z)


def rival(
    trees: ExtraTrees | None, anchors: np.ndarray, anchor_z: np.ndarray, test: np.ndarray, seed: int
) -> Iterator[Contender]:
    """Yield the test drugs' prediction by extra trees that know sources and anchors; none without trees."""
    if trees is not None:
        z, threshold = trees.predict(anchors, anchor_z, test, seed)
        yield Contender("extra_trees", len(anchors), labels_of(z, threshold), z)


def predicted(name: str, learned_from: int, fitted: Fitted, test: np.ndarray) -> Contender:
    """Return the prediction of the test drugs by a predictor fitted to `learned_from` drugs."""
    probabilities = fitted.probabilities(test)
    z = fitted.z(test)
    if z is None:
        z = probabilities[..., 2] - probabilities[..., 0]
    return Contender(name, learned_from, fitted.labels(test), z, probabilities, fitted.offsets_of(test))


def unfitted(predictor: Predictor, genes: int, test: np.ndarray, seed: int) -> Contender:
    """Return the prediction of the test drugs without any anchor."""
    nothing = np.zeros(0, np.int64), np.zeros((0, genes), np.float32)
    return predicted("pretrained", 0, predictor.fit(*nothing, seed=seed).deciding_for(test), test)


def shuffled(contender: Contender, seed: int) -> Contender:
    """Return the same predictions given to other test drugs: a control."""
    order = np.random.default_rng(seed).permutation(len(contender.labels))
    assert contender.probabilities is not None
    return Contender(
        "shuffled",
        contender.learned_from,
        contender.labels[order],
        contender.z[order],
        contender.probabilities[order],
        contender.offsets[order],
    )


def fitted_contenders(
    fits: Mapping[str, tuple[int, Fitted]], test: np.ndarray, seed: int
) -> Iterator[Contender]:
    """Yield the predictions of fitted predictors, and after the last one its shuffled control.

    Parameters
    ----------
    fits
        By name: the number of drugs learned from, and the fitted predictor; in rising order.
    """
    contender = None
    for name, (learned_from, fitted) in fits.items():
        contender = predicted(name, learned_from, fitted, test)
        yield contender
    if contender is not None:
        yield shuffled(contender, seed)
