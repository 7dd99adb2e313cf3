"""What an evaluation of results says of every drug, and what a user has to know of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.atlas.tables import positions
from anchordrug.bench.world import World
from anchordrug.errors import shortlist

# Replicates that agree less than this are no more than noise, which the atlas' spread would magnify.
LEAST_AGREEMENT = 0.1


@dataclass(frozen=True)
class Results:
    """Results of one file or of one plate's counts, on the atlas' scale.

    Attributes
    ----------
    z
        float64 [drugs, genes of the atlas] by drug_id, NaN for a gene that was not measured.
    outcome
        By drug_id: status, reason, wells, wells_failed, replicate_correlation.
    notes
        What the user should know.
    factor
        What the assay's own numbers were multiplied with.
    source
        The names of the files.
    """

    z: pd.DataFrame
    outcome: pd.DataFrame
    wells: pd.DataFrame | None
    notes: list[str]
    factor: float
    source: str


def stranger_notes(strangers: list[str]) -> list[str]:
    """Tell of wells whose drugs nobody has asked for."""
    if not strangers:
        return []
    return [f"{len(strangers)} drugs nobody asked for in this round are left out: {shortlist(strangers)}"]


def mean_correlation(rows: np.ndarray) -> float:
    """Return the mean correlation between all pairs of `rows`; NaN for fewer than two."""
    if len(rows) < 2:
        return float("nan")
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    matrix = np.corrcoef(rows)
    return float(matrix[np.triu_indices(len(rows), 1)].mean())


def reference_responses(world: World, drug_ids: list[str], genes: list[str]) -> np.ndarray:
    """Return what source lines measured of these drugs on `genes`, or, of none of them, all they measured."""
    own = np.isin(world.sources.drug, world.rows_of(pd.Series(drug_ids, dtype=object)))
    z = world.sources.z[:, positions(genes, world.atlas.genes)]
    return z[own] if own.any() else z


def gene_notes(z: pd.DataFrame) -> list[str]:
    """Tell which genes of the atlas were not measured."""
    missing = z.columns[z.isna().any()]
    if not len(missing):
        return []
    return [
        f"{len(missing)} of {z.shape[1]} genes were not measured ({shortlist(missing, 3)}); "
        "nothing is learned about them"
    ]
