"""Simulated counts of an assay whose true responses are known: for the demo, the tests and the benchmark.

Counts are negative binomial, as those of DRUG-seq and BRB-seq are. A z-score of the atlas is in units of
a gene's spread between the wells of a plate. So a gene's log2 fold change is its z times that spread.
"""

from zlib import crc32

import numpy as np
import pandas as pd

BACKGROUND_GENES = 2000
TRANSCRIPTOME = 12_000  # genes that a cell line expresses: the given ones get their share of the reads only
EXTRA_DISPERSION = 1.0  # over the mean: what few reads add to the asymptotic dispersion
DISPERSION_SCATTER = 0.4  # sd of ln(dispersion) around the trend
RESPONSE_SCATTER = 0.3  # sd of ln(spread) between genes
PLATE_SD = 0.1  # log2, of a gene between plates
READS_SD = 0.3  # ln, of the reads between wells


def simulate_counts(
    z: pd.DataFrame,
    plate_map: pd.DataFrame,
    expression: pd.Series,
    seed: int,
    *,
    reads: float = 2e6,
    dispersion: float = 0.05,
    log2_per_z: float = 0.25,
) -> pd.DataFrame:
    """Return int64 counts [genes x wells] of every well of `plate_map`.

    Properties of a gene (mean, dispersion, spread) depend on `seed` alone, and those of a plate on
    `seed` and its name: the rounds of a campaign agree on the genes.

    Parameters
    ----------
    z
        drug_id x genes: the true responses. Genes outside it do not respond.
    plate_map
        Wells of one cell line (schemas.PLATE_MAP); wells of pert_type "negcon" hold no drug.
    expression
        Untreated log2 expression of the cell line, by gene; it holds every gene of `z`.
    seed
        Of everything random.
    reads
        Median number of reads of a well.
    dispersion
        Asymptotic dispersion of the median gene: the squared variation between wells of one drug.
    log2_per_z
        Median over genes of the log2 fold change at z = 1.

    Returns
    -------
    DataFrame
        Genes of `expression`, then BACKGROUND0001 ..., which do not respond; columns are (plate,
        well_position) in the order of `plate_map`.

    Raises
    ------
    KeyError
        A drug of the plate map is not in `z`, or a gene of `z` not in `expression`.
    """
    rng = np.random.default_rng(seed)
    background = [f"BACKGROUND{number:04d}" for number in range(1, BACKGROUND_GENES + 1)]
    genes = pd.Index([*expression.index, *background], name="gene")
    share = _shares(expression.to_numpy(float), rng)
    alpha = (dispersion + EXTRA_DISPERSION / (share * reads)) * np.exp(
        DISPERSION_SCATTER * rng.standard_normal(len(genes))
    )
    per_z = log2_per_z * np.exp(RESPONSE_SCATTER * rng.standard_normal(len(genes)))

    effects = pd.DataFrame(0.0, index=z.index, columns=genes)
    effects.loc[:, list(z.columns)] = z.to_numpy(float) * per_z[_positions(z.columns, genes)]
    wells = pd.MultiIndex.from_frame(plate_map[["plate", "well_position"]])
    counts = pd.DataFrame(0, index=genes, columns=wells, dtype=np.int64)
    for plate, rows in plate_map.groupby("plate"):
        # Sorted, so that a well's counts do not hang on its row in the plate map.
        rows = rows.sort_values("well_position")
        rng = np.random.default_rng([seed, crc32(str(plate).encode())])
        columns = pd.MultiIndex.from_frame(rows[["plate", "well_position"]])
        counts[columns] = _counts_of_plate(rows, effects, share, alpha, reads, rng).T
    return counts


def _counts_of_plate(
    wells: pd.DataFrame,
    effects: pd.DataFrame,
    share: np.ndarray,
    alpha: np.ndarray,
    reads: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw int64 [wells, genes]; `effects` are log2 [drugs, genes], `share` and `alpha` [genes]."""
    log2_change = np.zeros((len(wells), len(share)))
    treated = (wells["pert_type"] == "trt").to_numpy()
    log2_change[treated] = effects.loc[wells.loc[treated, "drug_id"]].to_numpy()
    log2_change += PLATE_SD * rng.standard_normal(len(share))
    mean = share * 2.0**log2_change
    mean *= reads * np.exp(READS_SD * rng.standard_normal((len(wells), 1))) / mean.sum(axis=1, keepdims=True)
    return rng.poisson(rng.gamma(1 / alpha, alpha * mean))


def _shares(expression: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each gene's share of the reads of an untreated well, the background's genes last."""
    given = 2.0**expression
    background = 2.0 ** rng.choice(expression, BACKGROUND_GENES)
    of_given = min(len(given) / TRANSCRIPTOME, 0.5)
    return np.concatenate([of_given * given / given.sum(), (1 - of_given) * background / background.sum()])


def _positions(wanted: pd.Index, genes: pd.Index) -> np.ndarray:
    positions = genes.get_indexer(wanted)
    if (positions < 0).any():
        raise KeyError(f"no expression of gene {wanted[positions < 0][0]}")
    return positions
