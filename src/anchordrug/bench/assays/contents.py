"""Contents of a file of assay results: counts of wells or of samples, or profiles of drugs or wells."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anchordrug.raw.changes import Kind


@dataclass(frozen=True)
class Counts:
    """Raw counts.

    Attributes
    ----------
    path
        The file.
    values
        int64 [genes x wells]. The index is gene names as the file has them; a name may occur twice. The
        columns are a MultiIndex (plate, well_position), plate "" where the file does not say, well_position
        as in 'A01'; no well occurs twice.
    notes
        Notes for the user on how the file was read.
    claims
        Statements of the file on its wells (`claims.COLUMNS`), None if there are none.
    """

    path: Path
    values: pd.DataFrame
    notes: tuple[str, ...] = ()
    claims: pd.DataFrame | None = None

    @property
    def genes(self) -> list[str]:
        """Names of the genes, in order."""
        return self.values.index.tolist()


@dataclass(frozen=True)
class Profiles:
    """One value per drug, or per well, and gene.

    Attributes
    ----------
    path
        The file.
    values
        float64 [names x genes], NaN where a value is missing. The index is the file's names of drugs or
        wells, each once; the columns are gene names as the file has them, of which a name may occur twice.
    kind
        'z': z-scores. 'statistic': signed test statistics, or normal quantiles of p-values with the sign
        of the fold change. 'log2_fold_change': log2 fold changes, with their standard error.
    standard_error
        float64 > 0 like `values`, NaN where they are, if they are log2 fold changes, else None.
    notes
        Notes for the user on how the file was read.
    claims
        Statements of the file on its wells or drugs (`claims.COLUMNS`), None if there are none.
    """

    path: Path
    values: pd.DataFrame
    kind: Kind
    standard_error: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    claims: pd.DataFrame | None = None

    @property
    def genes(self) -> list[str]:
        """Names of the genes, in order."""
        return self.values.columns.tolist()


@dataclass(frozen=True)
class Samples:
    """Raw counts of samples of which no well is known, such as the summed cells of one drug.

    Attributes
    ----------
    path
        The file.
    values
        int64 [genes x samples]. The index is gene names as the file has them; a name may occur twice.
    table
        One row per sample, in the order of the columns of `values`: plate, cell_line, drug, dose, replicate
        (text, "" where the file does not say), dose_um (NaN where it does not), is_control, cells.
    notes
        Notes for the user on how the file was read.
    """

    path: Path
    values: pd.DataFrame
    table: pd.DataFrame
    notes: tuple[str, ...] = ()
