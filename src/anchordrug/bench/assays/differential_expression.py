"""Differential expression from raw counts: each drug against the controls of its plates (pydeseq2)."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.bench.assays.quality import require_controls
from anchordrug.errors import AssayError, shortlist

FURTHER_GENES = (
    1000  # enough for a trend of dispersion over mean; a fit takes time in proportion to its genes
)
FURTHER_MEAN = 5.0  # reads a well; fewer say little about a dispersion
FEWEST_COMPLETE_GENES = 100  # genes read in every well, from which a well's size is told


class Effects(NamedTuple):
    """The effect of each drug on each gene, float64 [drugs, genes].

    Attributes
    ----------
    drug_ids, genes
        Drugs sorted; genes as asked for.
    log2_fold_change, standard_error
        Against the controls, log2. Where a gene has no counts: 0 and infinity.
    statistic
        Wald statistic; 0 where a gene has no counts.
    without_counts
        Genes that no well has a read of, or that the counts do not name.
    """

    drug_ids: list[str]
    genes: list[str]
    log2_fold_change: np.ndarray
    standard_error: np.ndarray
    statistic: np.ndarray
    without_counts: list[str]


def differential_expression(counts: pd.DataFrame, plate_map: pd.DataFrame, genes: Sequence[str]) -> Effects:
    """Compare each drug with the controls of its plates, gene by gene.

    A negative binomial model with one coefficient a drug and one a further plate (Love et al. 2014,
    doi:10.1186/s13059-014-0550-8). Sizes of wells come from all genes; the model is fitted to `genes` and
    `FURTHER_GENES` others, from which the trend of the dispersions comes too.

    Parameters
    ----------
    counts
        int64 [genes x wells], each gene once, columns (plate, well_position).
    plate_map
        The good wells of one cell line (schemas.PLATE_MAP).
    genes
        Genes wanted.

    Raises
    ------
    AssayError
        A plate with drugs has no control, a well has no column in `counts`, nothing is repeated, or none
        of `genes` has counts.
    """
    require_controls(plate_map)
    wells = plate_map.sort_values(["plate", "well_position"]).reset_index(drop=True)
    plates = shortlist(wells["plate"].unique())
    table = _read_genes(counts, wells)
    drug_ids, design = _design(wells)
    if len(design) <= design.shape[1]:
        raise AssayError(
            f"plate {plates}: {len(design)} good wells for {design.shape[1]} conditions, so that nothing "
            "tells how much wells differ by chance; assay the drugs or the controls in two wells or more"
        )
    wanted = sorted(set(genes) & set(table.index))
    if not wanted:
        raise AssayError(
            f"plate {plates}: no counts of any of the {len(genes)} wanted genes, such as "
            f"{shortlist(genes, 3)}; name the genes of the results by their symbols"
        )
    size = _size_factors(table.to_numpy())
    further = _further_genes(table, wanted, size)
    change, error = _fit(table.loc[wanted + further].to_numpy().T, size, design)
    return _effects(drug_ids, genes, wanted, change, error)


def _effects(
    drug_ids: list[str], genes: Sequence[str], wanted: list[str], change: np.ndarray, error: np.ndarray
) -> Effects:
    """Return the effects on `genes` of natural-log coefficients [`wanted` and further genes, columns]."""
    row = pd.Index(wanted).get_indexer(pd.Index(genes))
    of_drugs = np.arange(1, 1 + len(drug_ids))[:, None]
    counted = row >= 0
    log2_fold_change = np.where(counted, change[row, of_drugs] / np.log(2), 0.0)
    standard_error = np.where(counted, error[row, of_drugs] / np.log(2), np.inf)
    return Effects(
        drug_ids,
        list(genes),
        log2_fold_change,
        standard_error,
        log2_fold_change / standard_error,
        [gene for gene, known in zip(genes, counted, strict=True) if not known],
    )


def _read_genes(counts: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of `wells`, in their order, of the genes that have any."""
    positions = counts.columns.get_indexer(pd.MultiIndex.from_frame(wells[["plate", "well_position"]]))
    if (positions < 0).any():
        lost = wells.loc[positions < 0, ["plate", "well_position"]].iloc[0]
        raise AssayError(
            f"plate {lost['plate']}: well {lost['well_position']} has no column in the results; "
            "add the column or leave the well out"
        )
    # By name, so that the order of a file cannot change a result.
    table = counts.iloc[:, positions].sort_index()
    return table.loc[(table > 0).any(axis=1)]


def _design(wells: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the drugs, and the design float64 [wells, intercept + drugs + further plates]."""
    treated = wells["pert_type"] == "trt"
    drug_ids = sorted(wells.loc[treated, "drug_id"].unique())
    plates = sorted(wells["plate"].unique())
    drug = wells["drug_id"].where(treated).to_numpy()[:, None] == np.array(drug_ids, dtype=object)
    plate = wells["plate"].to_numpy()[:, None] == np.array(plates[1:], dtype=object)
    return drug_ids, np.hstack([np.ones((len(wells), 1)), drug, plate]).astype(float)


def _size_factors(counts: np.ndarray) -> np.ndarray:
    """Return float64 [wells] of `counts` [genes, wells]: medians of ratios over genes read in every well.

    Where such genes are few, a gene counts in the wells that read it (DESeq2's "poscounts").
    """
    with np.errstate(divide="ignore"):
        log_counts = np.log(counts)
    complete = np.isfinite(log_counts).all(axis=1)
    if complete.sum() >= FEWEST_COMPLETE_GENES:
        ratios = log_counts[complete] - log_counts[complete].mean(axis=1, keepdims=True)
        return np.exp(np.median(ratios, axis=0))
    log_counts[~np.isfinite(log_counts)] = np.nan
    centre = np.nansum(log_counts, axis=1, keepdims=True) / counts.shape[1]
    log_size = np.nanmedian(np.where(centre > 0, log_counts - centre, np.nan), axis=0)
    return np.exp(log_size - log_size.mean())


def _further_genes(table: pd.DataFrame, wanted: list[str], size: np.ndarray) -> list[str]:
    """Return at most `FURTHER_GENES` well-read genes next to `wanted`, evenly over the range of means."""
    mean = (table / size).mean(axis=1).drop(wanted)
    ranked = mean[mean >= FURTHER_MEAN].sort_values(kind="stable").index
    places = np.linspace(0, len(ranked) - 1, min(FURTHER_GENES, len(ranked))).astype(int)
    return [str(gene) for gene in ranked[places]]


def _fit(counts: np.ndarray, size: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return natural-log coefficients and their standard errors, float64 [genes, columns of `design`].

    `counts` is [wells, genes].
    """
    # Imported here because it takes seconds.
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference

    names = [f"well {number}" for number in range(len(counts))]
    inference = DefaultInference(n_cpus=1)
    inference.lin_reg_mu = _linear_means
    with warnings.catch_warnings():
        # Of few degrees of freedom, and of a trend without convergence, for which it takes the mean.
        warnings.simplefilter("ignore")
        model = DeseqDataSet(
            counts=pd.DataFrame(counts, index=names),
            metadata=pd.DataFrame(index=names),
            design=pd.DataFrame(design, index=names),
            refit_cooks=False,
            inference=inference,
            quiet=True,
        )
        model.obs["size_factors"] = size
        model.layers["normed_counts"] = counts / size[:, None]
        model.var["_normed_means"] = model.layers["normed_counts"].mean(axis=0)
        model.fit_genewise_dispersions()
        model.fit_dispersion_trend()
        model.fit_dispersion_prior()
        model.fit_MAP_dispersions()
        model.fit_LFC()
    coefficients = np.asarray(model.varm["LFC"])
    mean = size * np.exp(coefficients @ design.T)
    weight = mean / (1 + mean * model.var["dispersions"].to_numpy()[:, None])
    information = np.einsum("wi,gw,wj->gij", design, weight, design, optimize=True)
    # The ridge of pydeseq2's own Wald test: genes with no read of a drug have no information on it.
    covariance = np.linalg.inv(information + 1e-6 * np.eye(design.shape[1]))
    return coefficients, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))


def _linear_means(
    counts: np.ndarray, size_factors: np.ndarray, design_matrix: np.ndarray, min_mu: float
) -> np.ndarray:
    """Return the means of a linear model of each gene, float64 [wells, genes], at least `min_mu`.

    pydeseq2 fits one gene at a time, which takes a third of the whole fit.
    """
    projection = design_matrix @ np.linalg.pinv(design_matrix)
    scaled = counts / size_factors[:, None]
    # The sums of a matrix product would depend on the number of threads.
    fitted = np.einsum("wv,vg->wg", projection, scaled)
    return np.maximum(size_factors[:, None] * fitted, min_mu)
