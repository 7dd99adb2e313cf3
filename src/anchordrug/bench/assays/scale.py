"""From an assay's values to the z scale of the atlas.

A z-score of the atlas is in units of a gene's spread between wells, a fold change is not, and neither
assay nor sequencing depth tell the ratio. Two steps take the place of it: noise is shrunk away drug by
drug, and one factor makes the results spread as the atlas says that these drugs do. Other statistics
and other ways to find the factor came out worse: benchmarks/assay_scale.py.
"""

from typing import Literal

import numpy as np

from anchordrug.bench.assays.contents import Kind
from anchordrug.errors import AssayError

# The factor for assays whose results can be trusted, by the kind of the numbers (docs/method).
USUAL_FACTOR = {
    "counts": (1.0, 10.0),
    "log2_fold_change": (1.0, 10.0),
    "statistic": (0.2, 3.0),
    "z": (0.5, 2.0),
}

LEAST_SHARE = 0.01  # of the noise variance: a drug without any effect keeps the order of its genes


def shrink(log2_fold_change: np.ndarray, standard_error: np.ndarray) -> np.ndarray:
    """Shrink each drug's effects towards 0, the more the likelier they are noise.

    The effects of one drug are taken as normal around 0. Their variance is the variance of the fold changes
    beyond their errors, genes weighted by how well they tell it; the result is the posterior mean (Morris
    1983, doi:10.1080/01621459.1983.10477920). A weak drug is shrunk more than a strong drug, which keeps
    its noise from being taken for labels.

    Parameters
    ----------
    log2_fold_change, standard_error
        float [drugs, genes]; infinite errors mark genes that were not measured.

    Returns
    -------
    ndarray
        float64 [drugs, genes]; 0 where the error is infinite.
    """
    measured = np.isfinite(standard_error)
    noise = np.where(measured, standard_error, np.nan).astype(float) ** 2
    typical = np.nanmedian(noise, axis=1, keepdims=True)
    weight = 1 / (noise + typical) ** 2
    beyond_noise = np.nansum(weight * (log2_fold_change**2 - noise), axis=1, keepdims=True)
    variance = np.maximum(beyond_noise / np.nansum(weight, axis=1, keepdims=True), LEAST_SHARE * typical)
    return np.where(measured, log2_fold_change * variance / (variance + noise), 0.0)


def to_atlas_scale(statistic: np.ndarray, reference_z: np.ndarray) -> tuple[np.ndarray, float]:
    """Scale results by one factor, so that their mean size is that of the atlas' z.

    The mean of the absolute values, because it settles with few drugs, as a high quantile does not, and
    hangs less on single genes than the standard deviation.

    Parameters
    ----------
    statistic
        float [drugs, genes] of one cell line: the result of `shrink`, or the z of another assay. NaN, and a
        gene that is 0 for every drug, was not measured, and does not count.
    reference_z
        float [n, genes], the same genes: the atlas' responses to these drugs in other cell lines, as many
        as there are; if there are none, all responses of the atlas. NaN where a gene was not measured.

    Returns
    -------
    tuple
        float64 [drugs, genes] on the atlas' scale, and the factor.

    Raises
    ------
    AssayError
        No drug has any effect on any gene, or the atlas has none.
    """
    measured = (np.nan_to_num(statistic) != 0).any(axis=0)
    if not measured.any() or not np.nan_to_num(reference_z[:, measured]).any():
        raise AssayError(
            f"assay results: all effects of {len(statistic)} drugs on {statistic.shape[1]} genes are 0, or "
            "those in the atlas are; check that the results hold the right wells and genes"
        )
    typical = np.nanmean(np.abs(reference_z[:, measured]))
    factor = float(typical / np.nanmean(np.abs(statistic[:, measured])))
    return statistic * factor, factor


def factor_notes(kind: Kind | Literal["counts"], factor: float) -> list[str]:
    """Return the note on a factor that is far from that of other assays.

    Parameters
    ----------
    kind
        Of the numbers that are, or with z-scores would be, multiplied by `factor`.
    """
    low, high = USUAL_FACTOR[kind]
    if low <= factor <= high:
        return []
    size = "smaller" if factor > high else "larger"
    if kind == "z":
        ratio = factor if factor > 1 else 1 / factor
        return [
            f"these z-scores are {ratio:.3g} times {size} than those in the atlas (up to {high:g} times is "
            "usual), and are taken as they are; if they are log2 fold changes or other numbers, give raw "
            "counts or a long table with p-values or standard errors, which is scaled"
        ]
    why = {
        True: "the reads may be few, or the cells may barely respond",
        False: "p-values may be rounded, or the numbers may be of another kind",
    }[factor > high]
    return [
        f"the factor to the atlas' scale, {factor:.3g}, is far from the usual ({low:g} to {high:g}): the "
        f"effects are {size} than in other assays; {why}, so trust these results less"
    ]
