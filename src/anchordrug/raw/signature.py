"""A signature to search with: gene lists, a table of differential expression, or GCT."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anchordrug.errors import RawDataError, near, shortlist
from anchordrug.raw.aliases import resolve
from anchordrug.raw.gct import open_gct
from anchordrug.raw.sheet import GENE_HEADERS, Sheet, read_sheet
from anchordrug.raw.text import MISSING_TEXT, open_text

# Preferred first: a statistic weighs a change by how sure it is.
VALUE_HEADERS = (
    *("stat", "statistic", "t", "waldstatistic", "z", "zscore", "modz", "scores"),
    *("log2foldchange", "logfc", "log2fc", "avglog2fc", "avglogfc", "lfc", "logfoldchange", "logfoldchanges"),
    *("value", "score"),
)
ADJUSTED_HEADERS = ("padj", "adjpval", "adjpvalue", "fdr", "qvalue", "qval", "pvaladj", "pvalsadj")
SIGNIFICANT = 0.05
# Names that are no symbols: Ensembl and Entrez ids.
_ID = re.compile(r"ENS[A-Z]*\d{6,}(\.\d+)?|\d+")
# In GCT files of CMap's older and newer releases.
SYMBOL_FIELDS = ("pr_gene_symbol", "gene_symbol")


def read_gene_list(path: Path) -> list[str]:
    """Read gene symbols, one or more a line, separated by white space, commas or semicolons; '#' comments.

    Quotes, as R writes them, are left out.

    Raises
    ------
    RawDataError
        The file is missing, unreadable or empty.
    """
    with open_text(path) as text:
        words = [word for line in text for word in re.split(r"[\s,;\"']+", line.split("#")[0]) if word]
    if not words:
        raise RawDataError(f"{path}: holds no genes; write one symbol a line")
    return list(dict.fromkeys(words))


def read_signature(path: Path, column: str | None = None) -> tuple[dict[str, float], set[str] | None]:
    """Read a value per gene from a table of differential expression (any sheet) or GCT.

    Parameters
    ----------
    column
        The column of values; default: a statistic, else a log2 fold change; of GCT the first signature.

    Returns
    -------
    tuple
        Gene name -> value, in the order of the file, and the genes that the table calls significant (adjusted
        p-value below 0.05), None if it has no such column.

    Raises
    ------
    RawDataError
        The file is missing or damaged, or has no such column, no genes, a gene twice or a value that is none.
    """
    if path.name.lower().endswith((".gct", ".gct.gz")):
        return _from_gct(path, column), None
    sheet = read_sheet(path)
    names = _gene_names(sheet)
    found = _by_name(path, names, sheet.numbers(_value_column(sheet, column)))
    adjusted = sheet.columns_named(ADJUSTED_HEADERS)
    if not adjusted:
        return found, None
    p = sheet.numbers(adjusted[0])
    return found, {name for name, value in zip(names, p, strict=True) if name and value < SIGNIFICANT}


def _by_name(path: Path, names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    repeated = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if repeated is not None:
        raise RawDataError(f"{path}: gene '{repeated}' stands in several rows; keep one")
    # Where a test could not be made there is no value; such genes say nothing.
    found = {
        name: float(value) for name, value in zip(names, values, strict=True) if name and np.isfinite(value)
    }
    if not found:
        raise RawDataError(f"{path}: none of its {len(names)} genes has a name and a value; export it again")
    return found


def _gene_names(sheet: Sheet) -> list[str]:
    """Return the names of genes, "" where there is none, from a column of symbols rather than of ids."""
    columns = sheet.columns_named(GENE_HEADERS) or ([0] if sheet.is_text(0) else [])
    if not columns:
        raise RawDataError(
            f"{sheet.path}: no column of gene symbols (found {shortlist(sheet.header)}); name it 'gene'"
        )
    names = [["" if name in MISSING_TEXT else name for name in sheet.names(column)] for column in columns]
    symbols = (
        candidate for candidate in names if any(name and not _ID.fullmatch(name) for name in candidate)
    )
    return next(symbols, names[0])


def _value_column(sheet: Sheet, column: str | None) -> int:
    if column is not None:
        if column not in sheet.header:
            raise RawDataError(
                f"{sheet.path}: no column '{column}' (found {shortlist(sheet.header)}); "
                f"give one of them with --column{near(column, sheet.header)}"
            )
        return sheet.header.index(column)
    named = sheet.columns_named(VALUE_HEADERS)
    if not named:
        raise RawDataError(
            f"{sheet.path}: no column of changes (expected 'stat' or 'log2FoldChange', found "
            f"{shortlist(sheet.header)}); name it with --column"
        )
    return named[0]


def _from_gct(path: Path, column: str | None) -> dict[str, float]:
    with open_gct(path) as matrix:
        ids = matrix.signature_ids
        if column is not None and column not in ids:
            raise RawDataError(
                f"{path}: no signature '{column}' (found {shortlist(ids)}); "
                f"give one of them with --column{near(column, ids)}"
            )
        place = 0 if column is None else list(ids).index(column)
        rows = np.arange(len(matrix.gene_ids))
        values = np.concatenate([block for _, block in matrix.blocks(np.array([place]), rows)])[0]
        field = next((name for name in SYMBOL_FIELDS if name in matrix.genes), "gene_id")
        names = matrix.genes[field].fillna("").tolist()
    return _by_name(path, names, values)


def on_genes(names: Sequence[str], genes: Sequence[str]) -> dict[str, str]:
    """Return which of `names` stands for each of `genes`, symbols of any age."""
    return resolve(genes, names)
