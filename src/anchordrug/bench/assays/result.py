"""The result of an assay in one cell line: z-scores on the atlas' scale, and how drugs and wells fared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.errors import counted, shortlist

# With fewer genes an assay says too little of a drug.
FEWEST_GENES = 20

# Genes that two replicates must have in common for a correlation.
FEWEST_COMMON = 3

OK = "ok"
FAILED = "failed"
MISSING = "missing"


@dataclass(frozen=True)
class AssayResult:
    """The result of one or several files in one cell line.

    Attributes
    ----------
    cell_line
        The cell line.
    z
        float64 [drugs, genes of the atlas] by drug_id, NaN for a gene that was not measured.
    drugs
        One row per drug by drug_id: status (`OK`, `FAILED` or `MISSING`), reason, wells, wells_failed,
        replicate_correlation.
    wells
        One row per well as `quality.check_wells` returns it; None if the files have no wells.
    notes
        Notes for the user.
    factor
        By which the assay's own numbers were multiplied; NaN if no drug was measured.
    source
        The names of the files.
    """

    cell_line: str
    z: pd.DataFrame
    drugs: pd.DataFrame
    wells: pd.DataFrame | None
    notes: list[str]
    factor: float
    source: str


def assay_in_words(has_wells: bool, factor: float) -> str:
    """Return the kind of assay whose results came by well or not, and were multiplied by `factor`."""
    if has_wells:
        return "RNA counts"
    return "z-scores" if factor == 1 else "differential expression"


def stranger_notes(strangers: Sequence[str]) -> list[str]:
    """Return the note on drugs that were not asked for."""
    if not strangers:
        return []
    return [f"{counted(len(strangers), 'drug')} not asked for, left out: {shortlist(strangers)}"]


def positive_control_notes(wells: Sequence[str]) -> list[str]:
    """Return the note on wells of positive controls."""
    if not wells:
        return []
    return [f"{len(wells)} wells of positive controls are left out: {shortlist(wells)}"]


def gene_notes(z: pd.DataFrame) -> list[str]:
    """Tell which genes of the atlas were not measured."""
    nowhere, somewhere = z.columns[z.isna().all()], z.columns[z.isna().any() & z.notna().any()]
    notes = []
    if len(nowhere):
        notes.append(
            f"{len(nowhere)} of {z.shape[1]} genes were not measured ({shortlist(nowhere, 3)}); they are "
            "predicted from source lines and from the genes that were"
        )
    if len(nowhere) > z.shape[1] / 2:
        notes.append(
            "that is more than half of the atlas' genes: expect less of those that were not measured"
        )
    if len(somewhere):
        notes.append(
            f"{len(somewhere)} genes were not measured for some drugs ({shortlist(somewhere, 3)}); each gene "
            "learns from the drugs that have it"
        )
    return notes


def mean_correlation(rows: np.ndarray) -> float:
    """Return the mean correlation between all pairs of `rows`, each over the genes that both have.

    NaN for fewer than two rows, and if no two have enough genes in common.
    """
    matrix = pd.DataFrame(rows.T).corr(min_periods=FEWEST_COMMON).to_numpy()
    pairs = matrix[np.triu_indices(len(rows), 1)]
    return float(np.mean(pairs[np.isfinite(pairs)])) if np.isfinite(pairs).any() else float("nan")
