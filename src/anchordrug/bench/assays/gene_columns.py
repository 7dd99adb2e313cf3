"""Where a table of assay results names its genes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.gene_names import dates_problem, excel_dates
from anchordrug.raw.sheet import GENE_HEADERS, Sheet

LOOKED_FOR = (
    "looked for raw counts (genes x wells), z-scores (genes x drugs), and long tables (columns drug, gene "
    "and z, or drug, gene, log2 fold change and p-value or statistic)"
)


def gene_hits(names: Sequence[str], is_gene: Callable[[str], bool]) -> int:
    """Return how many different `names` are genes."""
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
    """Refuse genes that a spreadsheet has turned into dates; `place` names where one of them is."""
    dated = excel_dates(genes)
    if dated:
        raise AssayError(f"{path}: {dates_problem(dated, [place(gene.position) for gene in dated])}")
