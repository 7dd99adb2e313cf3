"""An expression profile from elsewhere, brought to the scale of the atlas' untreated cell lines."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, shortlist

_LEAST_FOUND = 0.5  # share of the reference's genes


class MatchedProfile(NamedTuple):
    """Log2 expression float32 [genes of the reference], and the genes that got the reference's median."""

    values: np.ndarray
    missing: list[str]


def quantile_match(profile: pd.Series, reference: pd.DataFrame) -> MatchedProfile:
    """Give `profile` the distribution of `reference`, keeping the order of its genes.

    Among the genes that both have, the profile's k-th smallest value becomes the mean over the reference
    lines of their k-th smallest; genes that tie get the mean of their ranks' values. A gene that
    the profile lacks, or has as NaN, gets its median over the reference lines. Only the order of the
    profile's values counts, so their unit does not matter.

    Parameters
    ----------
    profile
        Expression by gene, each gene once; genes that the reference lacks are ignored.
    reference
        log2 expression [cell lines x genes], finite.

    Raises
    ------
    RawDataError
        The profile names a gene twice, or has less than half of the reference's genes.
    """
    if not profile.index.is_unique:
        twice = profile.index[profile.index.duplicated()]
        raise RawDataError(
            f"untreated expression: gene '{twice[0]}' is in it twice; keep one value for each gene"
        )
    measured = profile.reindex(reference.columns).to_numpy(dtype=np.float64)
    found = ~np.isnan(measured)
    genes = len(found)
    missing = [str(gene) for gene in reference.columns[~found]]
    if found.sum() < _LEAST_FOUND * genes:
        raise RawDataError(
            f"untreated expression: holds {int(found.sum())} of the {genes} genes of the atlas, less than "
            f"half (missing: {shortlist(missing)}); name genes by symbol, Ensembl or Entrez id, or give a "
            "profile of the whole transcriptome"
        )
    lines = reference.to_numpy(dtype=np.float64)
    values = np.median(lines, axis=0)
    targets = np.sort(lines[:, found], axis=1).mean(axis=0)
    values[found] = _by_rank(measured[found], targets)
    return MatchedProfile(values.astype(np.float32), missing)


def _by_rank(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return for each of `values` [n] the sorted `targets` [n] at its rank, the mean of them for ties."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    return (np.add.reduceat(targets, starts) / sizes)[group]
