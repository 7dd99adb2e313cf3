"""Assay results as they come back: raw counts of wells, or profiles of drugs, found by what a file holds."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import (
    DRUG_HEADERS,
    LOOKED_FOR,
    PLATE_HEADERS,
    WELL_HEADERS,
    Counts,
    Profiles,
    gene_column_of,
    gene_hits,
    no_genes,
    require_no_dates,
)
from anchordrug.bench.assays.long_tables import long_columns, profiles_from_long
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, RawDataError
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.sheet import GENE_DESCRIPTIONS, GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet, read_sheet

_WHOLE_IN_COUNTS = 0.5  # share of the values other than 0; real counts have all, log values next to none
_NEGATIVE_IN_Z = 0.1  # share of the values other than 0; z-scores have about half
_SMALLEST_MEDIAN_Z = 0.15  # CMap's weakest profiles have 0.24, log fold changes of expressed genes about 0.1
_EXACT_IN_FLOAT = 2.0**53


class _Wide(NamedTuple):
    """A matrix float64 [genes, samples] with names, and with places for messages."""

    path: Path
    genes: list[str]
    samples: list[str]
    values: np.ndarray
    gene_place: Callable[[int], str]
    sample_place: Callable[[int], str]


def read_assay(
    path: Path, known: Collection[str] | Callable[[str], bool], *, plates: Collection[str] = ()
) -> Counts | Profiles:
    """Read assay results and find out what they are.

    Counts: a matrix of whole numbers, genes x wells or wells x genes. z: a matrix with negative numbers,
    genes x drugs or drugs x genes, or a long table with columns for drug, gene and z. Statistics and fold
    changes: a long table of differential expression; a signed statistic is preferred, then the normal
    quantile of the p-value with the sign of the fold change, then the fold change with its standard error.

    Parameters
    ----------
    path
        CSV, TSV or text with commas, semicolons or tabs (also .gz), .xlsx (first sheet), parquet, GCT or
        GCTX. In GCT and GCTX the metadata field pert_id, or else the column id, names the drug.
    known
        Names that may denote genes, or a function that tells (`raw.gene_names.gene_predicate`). It only
        serves to find where the genes stand; genes that are not known are returned, too.
    plates
        Names of plates; a well's text that starts with one belongs to it.

    Raises
    ------
    AssayError
        The file is missing, damaged, empty or none of these kinds; a cell is not a number; counts are
        negative or fractional; a well is on no 96- or 384-well plate or occurs twice; a drug or a pair of
        drug and gene occurs twice; genes have become dates; a table lacks a column that is needed.
    """
    is_gene = known if callable(known) else frozenset(known).__contains__
    try:
        if path.name.endswith((".gctx", ".gct", ".gct.gz")):
            return _from_wide(_wide_from_gct(path, is_gene), plates)
        sheet = read_sheet(path)
        columns = long_columns(sheet, is_gene)
        if columns:
            return profiles_from_long(sheet, columns, is_gene)
        return _from_wide(_wide_from_sheet(sheet, is_gene), plates)
    except RawDataError as error:
        raise AssayError(str(error)) from error


def _wide_from_gct(path: Path, is_gene: Callable[[str], bool]) -> _Wide:
    with open_matrix(path) as matrix:
        values = np.empty((len(matrix.gene_ids), len(matrix.signature_ids)))
        for positions, block in matrix.blocks(np.arange(values.shape[1]), np.arange(values.shape[0])):
            values[:, positions] = block.T
        fields = [[str(value) for value in column.fillna("")] for _, column in matrix.genes.items()]
        ids, described = matrix.signature_ids, matrix.signatures.get("pert_id")
    genes = max(fields, key=lambda names: gene_hits(names, is_gene))
    if not gene_hits(genes, is_gene):
        raise no_genes(path, genes, ids)
    # Counts belong to wells, which only the ids can name.
    is_whole = bool((values == np.floor(values)).all())
    names = ids if described is None or is_whole else described.fillna("").tolist()
    wide = _Wide(
        path, genes, names, values, lambda row: f"gene {row + 1}", lambda column: f"signature '{ids[column]}'"
    )
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        row, column = missing[0]
        raise AssayError(
            f"{path}: gene '{genes[row]}' has no value in signature '{ids[column]}'; remove one of the two"
        )
    return wide


def _wide_from_sheet(sheet: Sheet, is_gene: Callable[[str], bool]) -> _Wide:
    column, in_column = gene_column_of(sheet, is_gene)
    in_header = gene_hits(sheet.header, is_gene)
    if not in_column and not in_header:
        raise no_genes(sheet.path, sheet.names(0), sheet.header)
    return _genes_down(sheet, column) if in_column >= in_header else _genes_across(sheet, is_gene)


def _genes_down(sheet: Sheet, gene_column: int) -> _Wide:
    described = {gene_column, *sheet.columns_named((*GENE_HEADERS, *GENE_DESCRIPTIONS))}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise AssayError(f"{sheet.path}: has no column of values beside its gene names; {LOOKED_FOR}")
    return _wide(
        sheet.path,
        sheet.names(gene_column),
        [sheet.header[column] for column in columns],
        np.stack([sheet.finite_numbers(column) for column in columns], axis=1),
        sheet.row_place,
        lambda column: sheet.column_place(columns[column]),
    )


def _genes_across(sheet: Sheet, is_gene: Callable[[str], bool]) -> _Wide:
    wells, plates, drugs = (
        sheet.columns_named(names) for names in (WELL_HEADERS, PLATE_HEADERS, DRUG_HEADERS)
    )
    named = [column for column in (*wells, *drugs) if not is_gene(sheet.header[column])]
    if not named and is_gene(sheet.header[0]):
        raise AssayError(
            f"{sheet.path}: genes stand in the header, but no column names the wells or drugs (the first is "
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
    return _wide(
        sheet.path,
        [sheet.header[column] for column in columns],
        samples,
        np.stack([sheet.finite_numbers(column) for column in columns], axis=0),
        lambda gene: sheet.column_place(columns[gene]),
        sheet.row_place,
    )


def _wide(
    path: Path,
    genes: list[str],
    samples: list[str],
    values: np.ndarray,
    gene_place: Callable[[int], str],
    sample_place: Callable[[int], str],
) -> _Wide:
    for names, place, noun in ((genes, gene_place, "gene"), (samples, sample_place, "well or drug")):
        if "" in names:
            raise AssayError(f"{path}: {place(names.index(''))} names no {noun}; name it or remove it")
    return _Wide(path, genes, samples, values, gene_place, sample_place)


def _from_wide(wide: _Wide, plates: Collection[str]) -> Counts | Profiles:
    require_no_dates(wide.path, wide.genes, wide.gene_place)
    if _are_counts(wide):
        columns = _wells(wide, plates)
        index = pd.Index(wide.genes, name="gene")
        return Counts(wide.path, wide.genes, pd.DataFrame(wide.values.astype(np.int64), index, columns))
    first: dict[str, int] = {}
    for position, name in enumerate(wide.samples):
        if first.setdefault(name, position) != position:
            raise AssayError(
                f"{wide.path}: '{name}' stands in {wide.sample_place(first[name])} and in "
                f"{wide.sample_place(position)}; give one profile per drug"
            )
    values = pd.DataFrame(
        wide.values.T, pd.Index(wide.samples, name="name"), pd.Index(wide.genes, name="gene")
    )
    return Profiles(wide.path, wide.genes, values, "z")


def _are_counts(wide: _Wide) -> bool:
    """Return True for counts, False for z-scores.

    Raises
    ------
    AssayError
        The values are neither: some counts are negative or fractional, or all are as normalised values are.
    """
    values = wide.values
    usable = (values >= 0) & (values == np.floor(values)) & (values < _EXACT_IN_FLOAT)
    if usable.all():
        return True
    nonzero = values[values != 0]
    meant_as_counts = np.mean(nonzero == np.floor(nonzero)) >= _WHOLE_IN_COUNTS
    if not meant_as_counts and np.mean(nonzero < 0) >= _NEGATIVE_IN_Z:
        median = float(np.median(np.abs(values)))
        if median < _SMALLEST_MEDIAN_Z:
            raise AssayError(
                f"{wide.path}: half of the values lie within {median:.3g} of 0, so they are no z-scores but "
                "look like log fold changes; give raw counts, z-scores, or a table of differential "
                "expression with p-values"
            )
        return False
    row, column = np.argwhere(~usable)[0]
    value = values[row, column]
    fault = (
        "is negative" if value < 0 else "is too large" if value >= _EXACT_IN_FLOAT else "is no whole number"
    )
    raise AssayError(
        f"{wide.path}: gene '{wide.genes[row]}', well '{wide.samples[column]}': {value:.6g} {fault}; these "
        "look like normalised values or log values: give raw counts, or z-scores of every drug"
    )


def _wells(wide: _Wide, plates: Collection[str]) -> pd.MultiIndex:
    """Return the samples of `wide` as (plate, well_position)."""
    first: dict[tuple[str, str], int] = {}
    for position, name in enumerate(wide.samples):
        well = parse_plate_and_well(name, plates)
        if well is None:
            raise AssayError(
                f"{wide.path}: counts in {wide.sample_place(position)}: '{name[:60]}' names no well of a "
                "96- or 384-well plate; name wells A01 to P24, with their plate as in 'P1_A01'"
            )
        if well in first:
            other = first[well]
            raise AssayError(
                f"{wide.path}: well {' '.join(filter(None, well))} stands in {wide.sample_place(other)} "
                f"('{wide.samples[other]}') and in {wide.sample_place(position)} ('{name}'); keep one, or "
                "put the plate's name before the well"
            )
        first[well] = position
    return pd.MultiIndex.from_tuples(list(first), names=["plate", "well_position"])
