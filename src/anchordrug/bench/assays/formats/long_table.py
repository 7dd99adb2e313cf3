"""Long tables, one row per drug and gene, with a z-score, a statistic or a fold change."""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from anchordrug.bench.assays.contents import Kind, Profiles
from anchordrug.bench.assays.gene_columns import gene_column_of, no_genes, require_no_dates
from anchordrug.bench.assays.headers import DRUG_HEADERS, PLATE_HEADERS, WELL_HEADERS, value_columns
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.sheet import Sheet


def owns(file: AssayFile) -> bool:
    """Return whether it is a sheet with a column of z-scores, statistics, fold changes or p-values."""
    return file.is_sheet and bool(value_columns(file.sheet, file.is_gene))


def read(file: AssayFile) -> Profiles:
    """Read the best values that the table has.

    z-scores where there are no fold changes; else a signed statistic, then the normal quantile of the p-value
    with the sign of the fold change, then the fold change with its standard error.

    Raises
    ------
    AssayError
        A column is missing, a name is empty, a pair of drug and gene occurs twice, a value is out of its
        range, or no gene has a value for every drug.
    RawDataError
        A cell is not a number.
    """
    sheet = file.sheet
    columns = value_columns(sheet, file.is_gene)
    gene_column, hits = gene_column_of(sheet, file.is_gene)
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
    left_out = int((~complete).sum())
    index, kept = pd.Index(drug_names, name="name"), pd.Index(gene_names[complete], name="gene")
    frames = [pd.DataFrame(part[:, complete], index, kept) for part in table]
    return Profiles(
        sheet.path,
        frames[0],
        kind,
        None if errors is None else frames[1],
        (f"{left_out} genes were left out, because some drugs have no value for them",) if left_out else (),
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
        f"{sheet.path}: no column says which drug a row belongs to (found: {shortlist(sheet.header, 10)}); "
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
    """Return kind, values [rows] and standard errors [rows] of the best values that a long table has.

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


FORMATS.register("long_table", Format(owns, read, general=True))
