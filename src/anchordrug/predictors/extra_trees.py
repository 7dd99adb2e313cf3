"""The rival that anyone would try first: extremely randomised trees on prior, structure and cell line.

One row per experiment of the source lines, whose prior comes from the other lines, and one per anchor, which
counts ten times (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1). The trees predict principal components
of the response, so that all genes of a drug come from one forest.

Everything is computed on one thread: with more, sums end in other last digits, and a tree that is cut
elsewhere by such a digit makes another prediction.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from anchordrug.errors import SettingsError
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Task
from anchordrug.predictors.baselines import THRESHOLDS
from anchordrug.predictors.response.prior import Evidence, ResponsePrior, clipped, prior_of
from anchordrug.predictors.response.pseudo_targets import pseudo_targets_of

# Chosen on source lines outside the benchmarks' targets.
TREES, SMALLEST_LEAF, SHARE_OF_INPUTS = 60, 3, 0.3
OF_PRIOR, OF_STRUCTURE, OF_RESPONSE = 40, 50, 100
ANCHOR_WEIGHT = 10.0
_on_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
# So many of the lines' experiments are held out to choose the threshold of the labels.
HELD_OUT = 0.25


@dataclass(frozen=True)
class ExtraTrees:
    """The rows that trees learn from, before any anchor.

    Attributes
    ----------
    inputs, outputs
        float32 [experiments, columns] and [experiments, components].
    line
        int64 [experiments], the cell line of each.
    z
        float32 [experiments, genes].
    prior_axes, bit_axes, response_axes
        Principal components [components, genes or bits].
    """

    task: Task
    prior: ResponsePrior
    inputs: np.ndarray
    outputs: np.ndarray
    line: np.ndarray
    z: np.ndarray
    prior_axes: np.ndarray
    bit_axes: np.ndarray
    response_axes: np.ndarray

    @_on_one_thread
    def predict(
        self, anchors: np.ndarray, z: np.ndarray, drugs: np.ndarray, seed: int
    ) -> tuple[np.ndarray, float]:
        """Return z float32 [drugs, genes] of `drugs` in the target, and the threshold of labels.

        Parameters
        ----------
        anchors, drugs
            int64 rows of the drug table.
        z
            [anchors, genes], NaN where not measured.
        """
        inputs, outputs, weight = self.inputs, self.outputs, np.ones(len(self.inputs))
        if len(anchors):
            own = self._inputs_of(self.prior.evidence_of(anchors), anchors, self.task.cell_line)
            inputs = np.concatenate([inputs, own])
            outputs = np.concatenate([outputs, on_axes(z, self.response_axes)])
            weight = np.concatenate([weight, np.full(len(anchors), ANCHOR_WEIGHT)])
        trees = _forest(inputs, outputs, weight, seed)
        asked = self._inputs_of(self.prior.evidence_of(drugs), drugs, self.task.cell_line)
        return (trees.predict(asked) @ self.response_axes).astype(np.float32), self._threshold(seed)

    def _inputs_of(self, evidence: Evidence, drugs: np.ndarray, line: int) -> np.ndarray:
        cell = self.task.features.cell_lines[line]
        return _inputs(self.prior_axes, self.bit_axes, evidence, self.prior.bits[drugs], cell)

    def _threshold(self, seed: int) -> float:
        """Return the |z| that best predicts labels of source lines whose experiments are held out."""
        lines = np.random.default_rng(seed).permutation(np.unique(self.line))
        sizes = np.cumsum([np.sum(self.line == line) for line in lines])
        away = lines[: max(1, int(np.searchsorted(sizes, HELD_OUT * len(self.line))))]
        held_out = np.isin(self.line, away)
        if held_out.all():
            return self.task.threshold
        trees = _forest(self.inputs[~held_out], self.outputs[~held_out], np.ones((~held_out).sum()), seed)
        found = trees.predict(self.inputs[held_out]) @ self.response_axes
        measured = labels_of(self.z[held_out], self.task.threshold)
        scores = [macro_f1(measured, labels_of(found, candidate)) for candidate in THRESHOLDS]
        return THRESHOLDS[int(np.argmax(scores))]


@_on_one_thread
def extra_trees(task: Task) -> ExtraTrees | None:
    """Return the rival of `task`; None where no source line can be used as the target."""
    try:
        played = pseudo_targets_of(task)
    except SettingsError:
        return None
    prior = prior_of(task)
    prior_axes = axes_of(prior.evidence_of(prior.known).prior, OF_PRIOR)
    bit_axes = axes_of(prior.bits[prior.known], OF_STRUCTURE)
    z = np.concatenate([pseudo.z for pseudo in played])
    response_axes = axes_of(np.nan_to_num(clipped(z)), OF_RESPONSE)
    cells = task.features.cell_lines
    inputs = [
        _inputs(prior_axes, bit_axes, pseudo.evidence, pseudo.prior.bits[pseudo.drugs], cells[pseudo.line])
        for pseudo in played
    ]
    line = np.concatenate([np.full(len(pseudo.drugs), pseudo.line) for pseudo in played])
    outputs = on_axes(z, response_axes)
    axes = prior_axes, bit_axes, response_axes
    return ExtraTrees(task, prior, np.concatenate(inputs), outputs, line, z, *axes)


def axes_of(rows: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal axes float64 [at most count, columns] of rows [n, columns], not centred."""
    values, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    vectors = vectors[:, ::-1][:, : min(count, int((values > 1e-9).sum()))]
    largest = np.abs(vectors).argmax(axis=0)
    return (vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])).T


def on_axes(z: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the coordinates float64 [n, axes] of z [n, genes]; those of a NaN come from the other genes."""
    z = clipped(z).astype(np.float64)
    result = np.empty((len(z), len(axes)))
    for place, row in enumerate(z):
        known = np.isfinite(row)
        own = axes[:, known]
        # The penalty is nothing to a whole profile, and keeps a part of one from being stretched.
        gram = own @ own.T + 1e-3 * np.eye(len(axes))
        result[place] = own @ row[known] if known.all() else np.linalg.solve(gram, own @ row[known])
    return result


def _inputs(
    prior_axes: np.ndarray, bit_axes: np.ndarray, evidence: Evidence, bits: np.ndarray, cell: np.ndarray
) -> np.ndarray:
    lines = np.log1p(evidence.lines)
    columns = [evidence.prior @ prior_axes.T, lines, evidence.nearest, bits @ bit_axes.T]
    return np.concatenate([*columns, np.tile(cell, (len(bits), 1))], axis=1).astype(np.float32)


def _forest(inputs: np.ndarray, outputs: np.ndarray, weight: np.ndarray, seed: int):
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(
        TREES, min_samples_leaf=SMALLEST_LEAF, max_features=SHARE_OF_INPUTS, random_state=seed
    )
    return trees.fit(inputs, outputs, sample_weight=weight)
