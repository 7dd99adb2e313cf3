"""The genes to predict: ranked by how well source lines predict them, and compared with another panel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import SettingsError
from anchordrug.labels import NONE, labels_of
from anchordrug.predictors.response.predictability import predictability
from anchordrug.raw.aliases import resolve

FOLDS = 5


class Overlap(NamedTuple):
    """The agreement of two panels.

    Attributes
    ----------
    ranked
        Genes of the other panel that have a rank.
    shared
        Those of them that are in the panel.
    by_chance
        Expected `shared` of a random panel.
    median_rank
        Median rank of `ranked` genes, from 1; NaN if there are none.
    """

    ranked: int
    shared: int
    by_chance: float
    median_rank: float


def rank_genes(
    sources: ResponseAtlas, bits: np.ndarray, mechanism: np.ndarray, threshold: float, seed: int
) -> pd.DataFrame:
    """Rank the genes by how well the source lines predict them, each line from the others.

    Parameters
    ----------
    sources
        Responses of the source lines.
    bits
        Fingerprints [drugs, bits] of the drugs of `sources`.
    mechanism
        Their mechanisms, as `anchordrug.predictors.response.prior.mechanism_codes` returns them.
    threshold
        Responses beyond it count as changed.

    Returns
    -------
    pandas.DataFrame
        One row per gene, best first, in schema GENE_SCORES: mean and spread of the score over the lines,
        share of changed responses, number of lines.

    Raises
    ------
    SettingsError
        No two source lines share enough drugs.
    """
    try:
        found = predictability(sources, bits, mechanism, threshold, folds=FOLDS, seed=seed)
    except ValueError as error:
        raise SettingsError(f"{error}; a panel needs two source lines or more") from error
    table = pd.DataFrame(
        {
            "gene": sources.genes,
            "score": found.scores.mean(axis=0),
            "spread": found.scores.std(axis=0),
            "changed": np.mean(labels_of(sources.z, threshold) != NONE, axis=0),
            "cell_lines": len(found.lines),
        }
    )
    return table.sort_values(["score", "gene"], ascending=[False, True], ignore_index=True)


def best_genes(ranking: pd.DataFrame, size: int) -> list[str]:
    """Return the first `size` genes of a ranking.

    Raises
    ------
    SettingsError
        The ranking has fewer genes.
    """
    if size > len(ranking):
        raise SettingsError(f"--size {size}: only {len(ranking)} genes can be ranked; ask for fewer")
    return ranking["gene"].iloc[:size].tolist()


def overlap(ranking: pd.DataFrame, size: int, other: Sequence[str]) -> Overlap:
    """Compare the first `size` genes of a ranking with the genes of another panel, by any of their names."""
    ranked = ranking["gene"].isin(set(resolve(other, ranking["gene"].tolist()).values())).to_numpy()
    positions = np.flatnonzero(ranked)
    return Overlap(
        len(positions),
        int(ranked[:size].sum()),
        size * len(positions) / len(ranking),
        float(np.median(positions)) + 1 if len(positions) else float("nan"),
    )
