"""How well the response of each gene can be predicted, by cross-validation on source lines."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.evaluation.metrics import correlations
from anchordrug.files.progress import track
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.predictors.response.gp import GpSettings, KernelWeights, fit_gp
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import clipped
from anchordrug.predictors.response.pseudo_targets import (
    NOISES,
    RIDGES,
    PseudoTarget,
    pseudo_targets,
    slope_of,
)


class Predictability(NamedTuple):
    """Source lines int64 [lines], and for each the score of every gene, float64 [lines, genes].

    A score is the correlation, over the drugs of a line, of predicted and measured z; 0 for a gene that is
    constant.
    """

    lines: np.ndarray
    scores: np.ndarray


def predictability(
    sources: ResponseAtlas,
    fingerprints: np.ndarray,
    mechanism: np.ndarray,
    threshold: float,
    *,
    folds: int,
    seed: int,
) -> Predictability:
    """Use each source line as the target and predict each of its drugs from the rest of them.

    The drugs of a line are divided into `folds`; those of one fold are predicted by response_gp from the
    other lines and, as anchors, the other folds.

    Raises
    ------
    ValueError
        No line has enough drugs, or it is the only one.
    """
    lines: list[int] = []
    bits = PackedBits.of(fingerprints)

    def targets() -> Iterator[PseudoTarget]:
        # Made again for each use, because all of them at once would fill the memory.
        lines.clear()
        for target in pseudo_targets(sources, bits, mechanism, threshold):
            lines.append(target.line)
            yield target

    slope = slope_of(targets())
    if not lines:
        raise ValueError("no two cell lines share enough drugs")
    settings = GpSettings(slope, NOISES[1], RIDGES[1], KernelWeights())
    rng = np.random.default_rng(seed)
    scores = []
    for target in track(targets(), "cell lines used as the target", len(lines)):
        predicted = _predicted(target, settings, rng.permutation(np.arange(len(target.drugs)) % folds))
        scores.append(correlations(clipped(target.z).T, predicted.T))
    return Predictability(np.array(lines), np.stack(scores))


def _predicted(target: PseudoTarget, settings: GpSettings, fold: np.ndarray) -> np.ndarray:
    """Return z [drugs, genes], each drug's by a fit to the drugs of other folds."""
    predicted = np.zeros_like(target.z)
    for part in np.unique(fold):
        known, drugs = fold != part, target.drugs[fold == part]
        fit = fit_gp(
            settings, target.prior, target.sources, target.drugs[known], target.z[known], target.scale
        )
        evidence = target.prior.evidence_of(drugs)
        predicted[fold == part], _ = fit.predict(NumpyOps, evidence, target.prior.bits[drugs], drugs)
    return predicted
