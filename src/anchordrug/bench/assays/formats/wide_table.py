"""Wide tables: genes x wells or wells x genes (counts), genes x drugs or drugs x genes (z-scores)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from anchordrug.bench.assays.claims import claims_of, claims_of_drugs
from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.gene_columns import LOOKED_FOR, gene_column_of, gene_hits, no_genes
from anchordrug.bench.assays.headers import value_columns
from anchordrug.bench.assays.reader import FORMATS, AssayFile, Format
from anchordrug.bench.assays.wide import WideTable, contents_of
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError
from anchordrug.raw.sample_columns import DRUG_HEADERS, PLATE_HEADERS, WELL_HEADERS, sample_columns
from anchordrug.raw.sheet import GENE_DESCRIPTIONS, GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet


def owns(file: AssayFile) -> bool:
    """Return whether it is a sheet without the columns of a long table."""
    return file.is_sheet and not value_columns(file.sheet, file.is_gene)


def read(file: AssayFile) -> Counts | Profiles:
    """Read the table whichever way round it is.

    Raises
    ------
    AssayError
        Neither the header nor a column names genes; a well or drug has no name, or there is no column of
        values; and as `contents_of`.
    RawDataError
        A cell is not a number.
    """
    sheet, is_gene = file.sheet, file.is_gene
    column, in_column = gene_column_of(sheet, is_gene)
    in_header = gene_hits(sheet.header, is_gene)
    if not in_column and not in_header:
        raise no_genes(sheet.path, sheet.names(0), sheet.header)
    if in_column >= in_header:
        return contents_of(_genes_down(sheet, column), file.plates)
    wide = _genes_across(sheet, is_gene)
    contents = contents_of(wide, file.plates)
    described = {role: at for role, at in sample_columns(sheet).items() if not is_gene(sheet.header[at])}
    if isinstance(contents, Profiles):
        return replace(contents, claims=claims_of_drugs(sheet, described, wide.samples))
    wells = [parse_plate_and_well(name, file.plates) or ("", "") for name in wide.samples]
    return replace(contents, claims=claims_of(sheet, described, wells))


def _genes_down(sheet: Sheet, gene_column: int) -> WideTable:
    described = {gene_column, *sheet.columns_named((*GENE_HEADERS, *GENE_DESCRIPTIONS))}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise AssayError(f"{sheet.path}: has no column of values next to its gene names; {LOOKED_FOR}")
    return _named(
        sheet.path,
        sheet.names(gene_column),
        [sheet.header[column] for column in columns],
        np.stack([sheet.numbers(column) for column in columns], axis=1),
        sheet.row_place,
        lambda column: sheet.column_place(columns[column]),
    )


def _genes_across(sheet: Sheet, is_gene: Callable[[str], bool]) -> WideTable:
    wells, plates, drugs = (
        sheet.columns_named(names) for names in (WELL_HEADERS, PLATE_HEADERS, DRUG_HEADERS)
    )
    named = [column for column in (*wells, *drugs) if not is_gene(sheet.header[column])]
    if not named and is_gene(sheet.header[0]):
        raise AssayError(
            f"{sheet.path}: genes are in the header, but no column names the wells or drugs (the first is "
            f"'{sheet.header[0]}'); add a first column that does"
        )
    name = named[0] if named else 0
    samples = sheet.names(name)
    if name in wells and plates:
        samples = [f"{plate}:{well}" for plate, well in zip(sheet.names(plates[0]), samples, strict=True)]
    others = {name, *wells, *plates, *drugs, *sheet.columns_named(SAMPLE_DESCRIPTIONS)}
    columns = [
        column for column in range(len(sheet.header)) if column not in others or is_gene(sheet.header[column])
    ]
    return _named(
        sheet.path,
        [sheet.header[column] for column in columns],
        samples,
        np.stack([sheet.numbers(column) for column in columns], axis=0),
        lambda gene: sheet.column_place(columns[gene]),
        sheet.row_place,
    )


def _named(
    path: Path,
    genes: list[str],
    samples: list[str],
    values: np.ndarray,
    gene_place: Callable[[int], str],
    sample_place: Callable[[int], str],
) -> WideTable:
    if "" in samples:
        raise AssayError(
            f"{path}: {sample_place(samples.index(''))} names no well or drug; name it or remove it"
        )
    return WideTable(path, genes, samples, values, gene_place, sample_place)


FORMATS.register("wide_table", Format(owns, read, general=True))
