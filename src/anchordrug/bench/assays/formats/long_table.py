"""Long tables, one row per drug and gene, with a z-score, a statistic or a fold change."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from anchordrug.bench.assays.claims import claims_of, claims_of_drugs
from anchordrug.bench.assays.contents import Profiles
from anchordrug.bench.assays.gene_columns import gene_column_of, no_genes, require_no_dates
from anchordrug.bench.assays.headers import value_columns
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.changes import best_values
from anchordrug.raw.sample_columns import DRUG_HEADERS, PLATE_HEADERS, WELL_HEADERS, sample_columns
from anchordrug.raw.sheet import Sheet
from anchordrug.raw.text import MISSING_TEXT

# Of a drug's genes, with different values in several rows: more are several doses, times or cell lines.
MOST_REPEATED = 0.5


def owns(file: AssayFile) -> bool:
    """Return whether it is a sheet with a column of z-scores, statistics, fold changes or p-values."""
    return file.is_sheet and bool(value_columns(file.sheet, file.is_gene))


def read(file: AssayFile) -> Profiles:
    """Read the table as `profiles_of` does."""
    return profiles_of(file.sheet, file.is_gene)


def profiles_of(sheet: Sheet, is_gene: Callable[[str], bool]) -> Profiles:
    """Return the best values that the table has.

    z-scores where there are no fold changes; else a signed statistic, then the normal quantile of the p-value
    with the sign of the fold change, then the fold change with its standard error.

    A missing value is that drug's alone. Rows without a gene are left out, rows of one drug and gene
    averaged.

    Raises
    ------
    AssayError
        A column is missing, a row names no drug, or most genes of a drug are in several rows; or a value is
        out of its range, or the values have no direction.
    RawDataError
        A cell is not a number.
    """
    columns = value_columns(sheet, is_gene)
    gene_column, hits = gene_column_of(sheet, is_gene)
    if not hits:
        raise no_genes(sheet.path, sheet.names(gene_column), sheet.header)
    drugs, genes = _names_of_drugs(sheet), sheet.names(gene_column)
    if "" in drugs:
        raise AssayError(f"{sheet.path}: {sheet.row_place(drugs.index(''))} names no drug; fill it in")
    require_no_dates(sheet.path, genes, sheet.row_place)
    kind, values, errors, notes = best_values(sheet, columns, AssayError)
    named = np.array([name not in MISSING_TEXT for name in genes])
    if not named.all():
        notes = (*notes, f"{int((~named).sum())} rows without the name of a gene are left out")
    rows = pd.DataFrame(
        {"drug": drugs, "gene": genes, "value": values, "error": 1.0 if errors is None else errors}
    )
    rows = rows[named]
    notes = (*notes, *_repeats(sheet, rows, is_gene))
    # A fold change counts with its error alone.
    rows.loc[rows[["value", "error"]].isna().any(axis=1), ["value", "error"]] = np.nan
    by_pair = rows.groupby(["drug", "gene"], sort=False)[["value", "error"]].mean()
    order = pd.unique(rows["drug"]), pd.unique(rows["gene"])
    frames = [
        by_pair[name]
        .unstack()
        .reindex(index=order[0], columns=order[1])
        .rename_axis("name")
        .rename_axis("gene", axis=1)
        for name in ("value", "error")
    ]
    errors = None if errors is None else frames[1]
    return Profiles(sheet.path, frames[0], kind, errors, notes, _claims(sheet, drugs))


def _claims(sheet: Sheet, drugs: list[str]) -> pd.DataFrame:
    """Return the table's statements on its `drugs` [rows], which are wells where it names no drug."""
    columns = sample_columns(sheet)
    if "drug" in columns:
        return claims_of_drugs(sheet, columns, drugs)
    return claims_of(sheet, columns, [parse_plate_and_well(name) or ("", "") for name in drugs])


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


def _repeats(sheet: Sheet, rows: pd.DataFrame, is_gene: Callable[[str], bool]) -> tuple[str, ...]:
    """Tell how many genes have several rows for one drug; `rows` have the numbers of `sheet` as index.

    Raises
    ------
    AssayError
        Most genes of a drug have several rows with different values, as those of several doses do.
    """
    pair = ["drug", "gene"]
    different = rows.drop_duplicates([*pair, "value"])
    again = different[different.duplicated(pair)]
    share = again.groupby("drug")["gene"].nunique() / rows.groupby("drug")["gene"].nunique()
    if (share > MOST_REPEATED).any():
        drug = share.idxmax()
        gene = again.loc[again["drug"] == drug, "gene"].iloc[0]
        first, second = rows.index[(rows["drug"] == drug) & (rows["gene"] == gene)][:2]
        raise AssayError(
            f"{sheet.path}: drug '{drug}' and gene '{gene}' are in {sheet.row_place(first)} and in "
            f"{sheet.row_place(second)} with different values, and so are {share.max():.0%} of its genes; "
            "keep one row per drug and gene (one dose, time and cell line)"
        )
    repeated = [gene for gene in pd.unique(rows.loc[rows.duplicated(pair), "gene"]) if is_gene(gene)]
    if not repeated:
        return ()
    return (
        f"{len(repeated)} genes are in several rows of a drug ({shortlist(repeated, 3)}); they are averaged",
    )


FORMATS.register("long_table", Format(owns, read, general=True))
