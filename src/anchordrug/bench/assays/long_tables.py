"""Tables of differential expression: a row per drug and gene, with its z, statistic or fold change."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import ndtri

from anchordrug.bench.assays.contents import (
    DRUG_HEADERS,
    FEW,
    PLATE_HEADERS,
    WELL_HEADERS,
    Kind,
    Profiles,
    gene_column_of,
    gene_hits,
    no_genes,
    require_no_dates,
)
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.sheet import Sheet

_VALUE_HEADERS = {
    "fold change": (
        *("log2foldchange", "log2foldchanges", "logfc", "log2fc", "lfc", "logfoldchange", "logfoldchanges"),
        "log2fold",
    ),
    "standard error": ("lfcse", "se", "stderr", "standarderror", "logfcse", "log2fcse", "selogfc"),
    "statistic": (
        *("stat", "statistic", "t", "tstat", "tstatistic", "tvalue", "wald", "waldstat", "waldstatistic"),
        *("zstat", "score", "scores"),
    ),
    "z": ("z", "zscore", "zscores", "zvalue", "modz"),
    "p-value": ("pvalue", "pvalues", "pval", "pvals", "p", "rawp", "rawpvalue", "nominalp", "nominalpvalue"),
    "adjusted p-value": (
        *("padj", "fdr", "adjpval", "adjpvalue", "pvaladj", "pvaluesadj", "pvalsadj", "pvalueadj", "qvalue"),
        *("qval", "q", "padjusted", "adjp", "bh", "fdrpvalue"),
    ),
}


def long_columns(sheet: Sheet, is_gene: Callable[[str], bool]) -> dict[str, int]:
    """Return what the value columns of a long table hold -> column; nothing if it is no long table.

    Raises
    ------
    AssayError
        Two columns hold the same.
    """
    if gene_hits(sheet.header, is_gene) > len(sheet.header) / 2:  # single letters name genes, too
        return {}
    columns = {role: sheet.columns_named(names) for role, names in _VALUE_HEADERS.items()}
    for role, found in columns.items():
        if len(found) > 1:
            both = " and ".join(f"'{sheet.header[column]}'" for column in found[:2])
            raise AssayError(f"{sheet.path}: columns {both} both look like the {role}; keep one of them")
    return {role: found[0] for role, found in columns.items() if found}


def profiles_from_long(sheet: Sheet, columns: dict[str, int], is_gene: Callable[[str], bool]) -> Profiles:
    """Return the profiles of a table whose `columns` are those that `long_columns` found."""
    gene_column, hits = gene_column_of(sheet, is_gene)
    if not hits:
        raise no_genes(sheet.path, sheet.names(gene_column), sheet.header)
    drugs, genes = _names_of_drugs(sheet), sheet.names(gene_column)
    for names, noun in ((drugs, "drug"), (genes, "gene")):
        if "" in names:
            raise AssayError(f"{sheet.path}: {sheet.row_place(names.index(''))} names no {noun}; fill it in")
    require_no_dates(sheet.path, genes, sheet.row_place)
    pairs = pd.MultiIndex.from_arrays([drugs, genes])
    _require_single(sheet, pairs)
    kind, values, errors = _values(sheet, columns)

    drug_codes, drug_names = pd.factorize(pd.Index(drugs, dtype=object))
    gene_codes, gene_names = pd.factorize(pd.Index(genes, dtype=object))
    table = np.full((2, len(drug_names), len(gene_names)), np.nan)
    table[0, drug_codes, gene_codes] = values
    table[1, drug_codes, gene_codes] = 1.0 if errors is None else errors
    complete = np.asarray(np.isfinite(table).all(axis=(0, 1)))
    if not complete.any():
        raise AssayError(
            f"{sheet.path}: no gene has a value for each of the {len(drug_names)} drugs; give every drug the "
            "same genes, or a file of its own"
        )
    kept = gene_names[complete].tolist()
    frames = [
        pd.DataFrame(part[:, complete], pd.Index(drug_names, name="name"), pd.Index(kept, name="gene"))
        for part in table
    ]
    return Profiles(
        sheet.path,
        kept,
        frames[0],
        kind,
        None if errors is None else frames[1],
        tuple(gene_names[~complete].tolist()),
    )


def _names_of_drugs(sheet: Sheet) -> list[str]:
    """Return the drug of every row, or its plate and well."""
    drugs, wells, plates = (
        sheet.columns_named(names) for names in (DRUG_HEADERS, WELL_HEADERS, PLATE_HEADERS)
    )
    if drugs:
        return sheet.names(drugs[0])
    if wells and plates:
        both = zip(sheet.names(plates[0]), sheet.names(wells[0]), strict=True)
        return [f"{plate}:{well}" if plate and well else "" for plate, well in both]
    if wells:
        return sheet.names(wells[0])
    raise AssayError(
        f"{sheet.path}: no column says which drug a row belongs to (found: {shortlist(sheet.header, FEW)}); "
        "add a column 'drug'"
    )


def _require_single(sheet: Sheet, pairs: pd.MultiIndex) -> None:
    repeated = np.flatnonzero(pairs.duplicated())
    if len(repeated):
        drug, gene = pairs[repeated[0]]
        first = next(row for row, pair in enumerate(pairs) if pair == (drug, gene))
        raise AssayError(
            f"{sheet.path}: drug '{drug}' and gene '{gene}' stand in {sheet.row_place(first)} and in "
            f"{sheet.row_place(int(repeated[0]))}; keep one row for each pair"
        )


def _values(sheet: Sheet, columns: dict[str, int]) -> tuple[Kind, np.ndarray, np.ndarray | None]:
    """Return kind, values [rows] and standard errors [rows] of the best that a long table offers.

    Missing values are NaN but in a table of z-scores: tables of differential expression have none where a
    gene could not be tested.
    """
    if "z" in columns and "fold change" not in columns:
        return "z", sheet.finite_numbers(columns["z"]), None
    changes = sheet.numbers(columns["fold change"]) if "fold change" in columns else None
    statistic = columns.get("statistic", columns.get("z"))
    if statistic is not None:
        values = sheet.numbers(statistic)
        # F and likelihood-ratio statistics, and absolute ones, say nothing about the direction.
        if (values < 0).any() or (changes is not None and not (changes < 0).any()):
            return "statistic", values, None
    if changes is None:
        lacks = "no column of signed statistics" if statistic is None else _unsigned(sheet, statistic)
        raise AssayError(
            f"{sheet.path}: {lacks} and none of log2 fold changes, so the direction of a change is unknown; "
            "add the column 'stat' or 'log2FoldChange'"
        )
    if "p-value" in columns:
        return "statistic", np.sign(changes) * _quantiles(sheet, columns["p-value"]), None
    if "standard error" in columns:
        return "log2_fold_change", changes, _standard_errors(sheet, columns["standard error"])
    if "adjusted p-value" in columns:
        raise AssayError(
            f"{sheet.path}: has adjusted p-values ({sheet.column_place(columns['adjusted p-value'])}) but no "
            "raw ones, which are needed; add the column 'pvalue', 'stat' or 'lfcSE'"
        )
    raise AssayError(
        f"{sheet.path}: has log2 fold changes but no p-value, no signed statistic and no standard error, so "
        "their noise is unknown; add the column 'pvalue', 'stat' or 'lfcSE'"
    )


def _unsigned(sheet: Sheet, column: int) -> str:
    return f"{sheet.column_place(column)} has no negative value"


def _quantiles(sheet: Sheet, column: int) -> np.ndarray:
    """Return the normal quantiles >= 0 of two-sided p-values; p = 0 is the smallest positive double."""
    p = sheet.numbers(column)
    _require_range(sheet, column, (p < 0) | (p > 1), "is no p-value, which lies between 0 and 1")
    return np.abs(ndtri(np.maximum(p / 2, np.nextafter(0, 1))))


def _standard_errors(sheet: Sheet, column: int) -> np.ndarray:
    errors = sheet.numbers(column)
    _require_range(sheet, column, errors <= 0, "is no standard error, which is greater than 0")
    return errors


def _require_range(sheet: Sheet, column: int, wrong: np.ndarray, fault: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = sheet.numbers(column)[row]
        raise AssayError(
            f"{sheet.path}: {sheet.row_place(row)}, {sheet.column_place(column)}: {value:.6g} {fault}; "
            "correct it"
        )
