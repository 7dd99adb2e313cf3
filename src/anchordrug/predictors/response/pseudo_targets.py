"""Settings learned from the source lines, each used as the target in turn.

For each source line the prior is made without it, and some of its drugs are anchors. The responses of its
other drugs are known, so they show how far a prediction can be trusted. The target's own responses are not
among the sources, so no settings are learned from them.

Nearly all drugs of a source line are known from other lines; those of a lab's library are not. So each line
is used once more, with most of its drugs hidden from all other lines.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.chem.similarity import tanimoto
from anchordrug.errors import SettingsError
from anchordrug.evaluation.metrics import correlations, macro_f1
from anchordrug.evidence_group import FAR, GROUPS, NEAR, SEEN, evidence_groups
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import DOWN, NONE, UP, class_offsets, decide, labels_of
from anchordrug.predictors.base import Expectation, Task
from anchordrug.predictors.decision import best_offsets
from anchordrug.predictors.response.gp import GpSettings, KernelWeights, fit_gp
from anchordrug.predictors.response.label_model import (
    GeneRates,
    LabelModel,
    features,
    fit_label_model,
    probabilities,
)
from anchordrug.predictors.response.misses import CHANCE, Misses
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import (
    Evidence,
    ResponsePrior,
    clipped,
    mechanism_codes,
    mechanisms_of,
    prior_from,
)

ANCHORS = (0, 10, 30, 100)
NOISES = (0.3, 1.0, 3.0)
RIDGES = (1000.0, 3000.0, 10000.0)
TAUS = tuple(round(0.1 * step, 1) for step in range(11))
# Share of a line's drugs that are hidden from the other lines when it plays again.
HIDDEN = 0.6
# Drugs of a group that a line must have for its score to count.
FEWEST_SCORED = 5
# A line with fewer drugs informs little, and of many lines the largest suffice.
FEWEST_DRUGS, MOST_LINES = 10, 40
ROWS = 300_000


@dataclass(frozen=True)
class SourceFit:
    """Settings of the process, of the label model, and of the decision between labels.

    `offsets` float32 [3] is added to log probabilities before the largest is taken: -tau x log class share.
    `expected` says how well each evidence group was predicted. A variance of 1 of the process is a variance
    of `unit` of z. `misses` says how far forecasts were off.
    """

    gp: GpSettings
    labels: LabelModel
    offsets: np.ndarray
    expected: tuple[Expectation, ...] = ()
    unit: float = 1.0
    misses: Misses = CHANCE


@dataclass(frozen=True)
class PseudoTarget:
    """A source line used as the target: its drugs and z, and the prior that the other lines give."""

    line: int
    drugs: np.ndarray
    z: np.ndarray
    sources: ResponseAtlas
    prior: ResponsePrior
    evidence: Evidence
    scale: float


def pseudo_targets(
    sources: ResponseAtlas,
    bits: PackedBits,
    mechanism: np.ndarray,
    threshold: float,
    hiding: np.random.Generator | None = None,
) -> Iterator[PseudoTarget]:
    """Yield the source lines with enough drugs, largest first, if another line is left to learn from.

    With `hiding`, a share `HIDDEN` of the line's drugs, drawn from it, is hidden from the other lines.
    """
    sizes = np.bincount(sources.cell_line, minlength=len(sources.cell_lines))
    if (sizes > 0).sum() < 2:
        return
    for line in np.argsort(-sizes, kind="stable")[:MOST_LINES]:
        if sizes[line] < FEWEST_DRUGS:
            return
        own = sources.cell_line == line
        drugs = sources.drug[own]
        away = own
        if hiding is not None:
            away = own | np.isin(sources.drug, drugs[hiding.permutation(len(drugs)) < HIDDEN * len(drugs)])
        if away.all():
            continue
        others = sources.restricted_to(~away)
        prior = prior_from(others, bits, mechanism, threshold)
        evidence = prior.evidence_of(drugs)
        yield PseudoTarget(
            int(line), drugs, sources.z[own], others, prior, evidence, mean_square(evidence.prior)
        )


def pseudo_targets_of(task: Task, hiding: np.random.Generator | None = None) -> list[PseudoTarget]:
    """Return the source lines of `task` that can be used as the target; `hiding` as in `pseudo_targets`.

    Raises
    ------
    SettingsError
        There is none.
    """
    mechanism = mechanism_codes(mechanisms_of(task.sources.drugs))
    bits = PackedBits.of(task.features.drugs)
    played = list(pseudo_targets(task.sources, bits, mechanism, task.threshold, hiding))
    if not played:
        raise SettingsError(
            f"{task.target}: no two source lines have {FEWEST_DRUGS} drugs, from which predictions from "
            "prior responses learn how far they can be trusted; use predictor mlp, or add data"
        )
    return played


def mean_square(prior: np.ndarray) -> float:
    """Return the scale of `DrugKernel`; never 0."""
    return max(float(np.square(prior, dtype=np.float64).mean()), 1e-6)


def fit_to_pseudo_targets(
    targets: list[PseudoTarget],
    hidden: list[PseudoTarget],
    kernel: KernelWeights,
    rates: GeneRates,
    threshold: float,
    seed: int,
) -> SourceFit:
    """Choose the process' settings and fit the label model on source lines used as the target.

    Slope by least squares; noise and ridge from a small grid, by the mean correlation over held-out drugs
    with 30 anchors; then the label model on held-out drugs with 0, 10, 30 and 100 anchors (at most half of a
    line's drugs), and tau by macro-F1 on the same. For the label model of drugs that no source line has
    measured, the lines play again with `hidden` drugs.

    Raises
    ------
    ValueError
        There is no pseudo-target.
    """
    if not targets:
        raise ValueError("no source line can be used as the target")
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(target.drugs)) for target in targets]
    slope = slope_of(targets)
    agreements = {
        (noise, ridge): _agreement(targets, orders, GpSettings(slope, noise, ridge, kernel))
        for noise, ridge in product(NOISES, RIDGES)
    }
    noise, ridge = max(agreements, key=agreements.__getitem__)
    settings = GpSettings(slope, noise, ridge, kernel)
    held_out = list(_held_out(targets, orders, settings))
    again = [rng.permutation(len(target.drugs)) for target in hidden]
    hidden_cases = list(_held_out(hidden, again, settings))
    unseen = [case.restricted_to(case.groups != SEEN) for case in hidden_cases]
    model = _fit_labels(held_out, rates, threshold, rng)
    offsets = _offsets(held_out, model, threshold)
    if _have_all_labels(unseen, threshold):
        model = model.with_unseen(_fit_labels(unseen, rates, threshold, rng))
    return SourceFit(settings, model, offsets, _expected(held_out, hidden_cases, model, threshold))


def slope_of(targets: Iterable[PseudoTarget]) -> float:
    """Return the least-squares slope of measured z on prior responses."""
    both = squares = 0.0
    for target in targets:
        prior = np.where(np.isfinite(target.z), target.evidence.prior, 0)
        both += float((np.nan_to_num(clipped(target.z)) * prior).sum(dtype=np.float64))
        squares += float(np.square(prior, dtype=np.float64).sum())
    return both / max(squares, 1e-6)


def _agreement(targets: list[PseudoTarget], orders: list[np.ndarray], settings: GpSettings) -> float:
    """Return the mean correlation of predicted and measured z over held-out drugs.

    A squared error would be settled by the few drugs that change most genes.
    """
    means = []
    for target, order in zip(targets, orders, strict=True):
        rest, mean, _ = _predict(target, order, 30, settings)
        means.append(correlations(clipped(target.z[rest]), mean).mean())
    return float(np.mean(means))


def _predict(
    target: PseudoTarget, order: np.ndarray, anchors: int, settings: GpSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit to the first `anchors` of `order`, at most half of it; return the rest, its mean and deviation."""
    cut = min(anchors, len(order) // 2)
    known, rest = order[:cut], order[cut:]
    fit = fit_gp(settings, target.prior, target.sources, target.drugs[known], target.z[known], target.scale)
    drugs = target.drugs[rest]
    mean, deviation = fit.predict(NumpyOps, target.evidence.of(rest), target.prior.bits[drugs], drugs)
    return rest, mean, deviation


@dataclass(frozen=True)
class _HeldOut:
    evidence: Evidence
    mean: np.ndarray
    deviation: np.ndarray
    z: np.ndarray
    anchors: int
    groups: np.ndarray

    def restricted_to(self, rows: np.ndarray) -> "_HeldOut":
        """Return some of the drugs."""
        of_drugs = self.mean[rows], self.deviation[rows], self.z[rows]
        return _HeldOut(self.evidence.of(rows), *of_drugs, self.anchors, self.groups[rows])


def _held_out(
    targets: list[PseudoTarget], orders: list[np.ndarray], settings: GpSettings
) -> Iterator[_HeldOut]:
    for target, order in zip(targets, orders, strict=True):
        bits, known = target.prior.bits, target.prior.known
        # Without the mechanism, which the evidence's own similarity has in it.
        similarity = tanimoto(bits[target.drugs], bits[known]).max(axis=1)
        groups = evidence_groups(target.evidence.lines[:, 0] > 0, similarity)
        for anchors in ANCHORS:
            rest, mean, deviation = _predict(target, order, anchors, settings)
            yield _HeldOut(target.evidence.of(rest), mean, deviation, target.z[rest], anchors, groups[rest])


def _fit_labels(
    held_out: list[_HeldOut], rates: GeneRates, threshold: float, rng: np.random.Generator
) -> LabelModel:
    """Fit to as many (drug, gene) rows as are affordable, the same number of each pseudo-target."""
    each = ROWS // len(held_out)
    bend = np.asarray(threshold, np.float32)
    columns = []
    for case in held_out:
        pair, drug = features(NumpyOps, case.evidence, case.mean, case.deviation, rates.spread, bend)
        row = rng.permutation(np.flatnonzero(np.isfinite(case.z)))[:each]
        of_drug, gene = np.divmod(row, case.z.shape[1])
        labels = labels_of(case.z, threshold)
        columns.append((pair[of_drug, gene], drug[of_drug], gene, labels[of_drug, gene]))
    pair, drug, gene, labels = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return fit_label_model(pair, drug, gene, labels, rates, bend)


def _have_all_labels(cases: list[_HeldOut], threshold: float) -> bool:
    return {DOWN, NONE, UP} <= {label for case in cases for label in np.unique(labels_of(case.z, threshold))}


def _offsets(held_out: list[_HeldOut], model: LabelModel, threshold: float) -> np.ndarray:
    measured = [labels_of(case.z, threshold) for case in held_out]
    logs = [np.log(probabilities(model, case.evidence, case.mean, case.deviation)) for case in held_out]
    counts = np.sum([np.bincount(labels[labels >= 0], minlength=3) for labels in measured], axis=0)
    offsets = [class_offsets(counts, tau) for tau in TAUS]
    scores = [
        np.mean(
            [
                macro_f1(labels, (log + offset).argmax(axis=2))
                for labels, log in zip(measured, logs, strict=True)
            ]
        )
        for offset in offsets
    ]
    return offsets[int(np.argmax(scores))]


def _expected(
    held_out: list[_HeldOut], hidden: list[_HeldOut], model: LabelModel, threshold: float
) -> tuple[Expectation, ...]:
    """Return how well each group was predicted: seen drugs as they are, the others where they are hidden."""
    found: dict[tuple[str, int], list[float]] = {}
    for cases, groups in ((held_out, (SEEN,)), (hidden, (NEAR, FAR))):
        for case in cases:
            chances = probabilities(model, case.evidence, case.mean, case.deviation)
            offsets = best_offsets(chances)
            for group in groups:
                own = case.groups == group
                if own.sum() >= FEWEST_SCORED:
                    score = macro_f1(labels_of(case.z[own], threshold), decide(chances[own], offsets))
                    found.setdefault((group, case.anchors), []).append(score)
    return tuple(
        _expectation(group, anchors, np.array(scores))
        for (group, anchors), scores in sorted(found.items(), key=lambda item: GROUPS.index(item[0][0]))
    )


def _expectation(group: str, anchors: int, scores: np.ndarray) -> Expectation:
    mean, (low, high) = scores.mean(), np.quantile(scores, (0.1, 0.9))
    rounded = [round(float(value), 4) for value in (mean, low, high)]
    return Expectation(group, anchors, rounded[0], rounded[1], rounded[2], len(scores))


def gene_rates(sources: ResponseAtlas, threshold: float) -> GeneRates:
    """Return how often every gene changes in the source lines."""
    labels = labels_of(sources.z, threshold)
    measured = np.maximum((labels >= 0).sum(axis=0), 1)
    return GeneRates(
        (labels == DOWN).sum(axis=0) / measured,
        (labels == UP).sum(axis=0) / measured,
        np.maximum(np.nanstd(clipped(sources.z), axis=0), 1e-3),
    )
