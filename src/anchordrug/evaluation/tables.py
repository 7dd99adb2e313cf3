"""The tables of an evaluation: scores, reliability, risk and coverage, and counts per drug and gene."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.evaluation.abstention import risk_coverage
from anchordrug.evaluation.bootstrap import confusion_by_row
from anchordrug.evaluation.calibration_error import reliability
from anchordrug.evaluation.metrics import correlations
from anchordrug.evaluation.scores import Scored, scores_of
from anchordrug.labels import margins


class Named(Scored, Protocol):
    """A prediction with its name, the number of drugs learned from, and the offsets of its decision."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def learned_from(self) -> int: ...  # noqa: D102
    @property
    def offsets(self) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class ScoreTables:
    """Tables of an evaluation, in the columns of the schemas of their names."""

    scores: pd.DataFrame
    reliability: pd.DataFrame
    risk_coverage: pd.DataFrame
    drugs: pd.DataFrame
    genes: pd.DataFrame


def score_tables(
    predictions: Iterable[Named],
    truth: np.ndarray,
    z: np.ndarray,
    seen: np.ndarray,
    *,
    drugs: Sequence[str] | np.ndarray,
    genes: Sequence[str],
    genewise: Collection[str],
    where: Mapping[str, object],
) -> ScoreTables:
    """Score predictions of the same test drugs.

    Parameters
    ----------
    truth, z
        Measured labels int8 [drugs, genes] and z-scores [drugs, genes].
    seen
        bool [drugs]: whether a source line has measured the drug.
    drugs, genes
        Their ids.
    genewise
        Names of the predictions that are also counted per gene.
    where
        Columns that every row begins with, such as target and seed.
    """
    rows, diagrams, curves, by_drug, by_gene = [], [], [], [], []
    for prediction in predictions:
        own = {**where, "predictor": prediction.name, "drugs": prediction.learned_from}
        rows.append(own | scores_of(truth, z, prediction, seen))
        agreement = {"seen": seen, "z_correlation": correlations(z, prediction.z)}
        by_drug.append(_counts(truth, prediction.labels).assign(**own, drug_id=drugs, **agreement))
        if prediction.name in genewise:
            by_gene.append(_counts(truth.T, prediction.labels.T).assign(**own, gene=genes))
        if prediction.probabilities is not None:
            diagrams.append(reliability(truth, prediction.probabilities).assign(**own))
            margin = margins(prediction.probabilities, prediction.offsets)
            curves.append(risk_coverage(truth, prediction.labels, margin).assign(**own))
    return ScoreTables(
        pd.DataFrame(rows), pd.concat(diagrams), pd.concat(curves), pd.concat(by_drug), pd.concat(by_gene)
    )


def _counts(truth: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(confusion_by_row(truth, labels), columns=list(schemas.CONFUSION))
