"""What a file of assay results holds: counts of wells or profiles of drugs, and where its genes stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.gene_names import dates_problem, excel_dates
from anchordrug.raw.sheet import GENE_HEADERS, Sheet

Kind = Literal["z", "statistic", "log2_fold_change"]

# Column names as `Sheet.columns_named` wants them, the preferred first.
DRUG_HEADERS = (
    *("drugid", "pertid", "drug", "drugname", "compoundid", "compound", "compoundname", "pertiname"),
    *("cmapname", "treatment", "perturbation", "perturbagen", "perturbator", "contrast", "condition"),
    *("comparison", "group"),
)

WELL_HEADERS = ("wellposition", "well", "wellid", "wellname", "detwell", "rnawell")

PLATE_HEADERS = ("plate", "plateid", "platename", "platebarcode", "detplate", "rnaplate")

FEW = 10  # examples that are asked to stand for a file

LOOKED_FOR = (
    "looked for raw counts (genes x wells), z-scores (genes x drugs), and long tables with a column each "
    "for drug, gene and z, or for drug, gene, log2 fold change and p-value or statistic"
)


@dataclass(frozen=True)
class Counts:
    """Raw counts.

    Attributes
    ----------
    path
        The file.
    genes
        Gene names as the file has them; a name may occur twice.
    values
        int64 [genes x wells]; columns are a MultiIndex (plate, well_position), plate "" where the file
        does not say, well_position as in 'A01'; no well occurs twice.
    """

    path: Path
    genes: list[str]
    values: pd.DataFrame


@dataclass(frozen=True)
class Profiles:
    """One value per drug, or per well, and gene.

    Attributes
    ----------
    path
        The file.
    genes
        Gene names as the file has them; a name may occur twice in a wide file.
    values
        float64 [names x genes], finite; the index is what the file calls the drugs or wells, each once.
    kind
        'z': z-scores. 'statistic': signed test statistics, or normal quantiles of p-values with the sign
        of the fold change. 'log2_fold_change': log2 fold changes, with their standard error.
    standard_error
        float64 > 0 like `values` if they are log2 fold changes, else None.
    incomplete
        Genes left out because some drugs of a long table have no value for them.
    """

    path: Path
    genes: list[str]
    values: pd.DataFrame
    kind: Kind
    standard_error: pd.DataFrame | None = None
    incomplete: tuple[str, ...] = ()


def gene_hits(names: Sequence[str], is_gene: Callable[[str], bool]) -> int:
    """Return how many different ones of `names` are genes."""
    return sum(map(is_gene, set(names) - {""}))


def gene_column_of(sheet: Sheet, is_gene: Callable[[str], bool]) -> tuple[int, int]:
    """Return the column with the most names of genes, and how many.

    Columns of numbers are only looked at where they are first or say that they hold genes, because
    counts, too, are Entrez ids of genes.
    """
    named = sheet.columns_named(GENE_HEADERS)
    texts = [column for column in range(len(sheet.header)) if column not in named and sheet.is_text(column)]
    candidates = list(dict.fromkeys([*named, *texts, 0]))
    hits = {column: gene_hits(sheet.names(column), is_gene) for column in candidates}
    best = max(candidates, key=lambda column: hits[column])
    return best, hits[best]


def no_genes(path: Path, first: Sequence[str], header: Sequence[str]) -> AssayError:
    """Return the error for a file in which no gene was found; `first` is its first column."""
    return AssayError(
        f"{path}: neither a column nor the header names genes that are known (first column: "
        f"{shortlist(first, 3)}; header: {shortlist(header, 3)}); {LOOKED_FOR}; name genes by symbol, "
        "Ensembl or Entrez id"
    )


def require_no_dates(path: Path, genes: Sequence[str], place: Callable[[int], str]) -> None:
    """Refuse genes that a spreadsheet has turned into dates; `place` names where one stands."""
    dated = excel_dates(genes)
    if dated:
        raise AssayError(f"{path}: {dates_problem(dated, [place(gene.position) for gene in dated])}")
