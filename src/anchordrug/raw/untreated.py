"""Untreated expression of cell lines that the atlas has not seen, in whatever unit it comes."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, shortlist
from anchordrug.raw.gene_names import dates_problem, excel_dates
from anchordrug.raw.no_genes import is_no_gene
from anchordrug.raw.sheet import GENE_DESCRIPTIONS, GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet, read_sheet

Unit = Literal["counts", "TPM", "log2"]

_LARGEST_LOG2 = 25.0  # 2^25 reads of one gene would be a third of a deep sample
_LEAST_LARGE_COUNT = 100.0  # of a sample's most expressed gene; smaller whole numbers may be anything
_LEAST_LARGE_LOG2 = 8.0  # of a sample's most expressed gene, if others are negative; centred values lie lower
_PER_MILLION = 1e6
_NEAR_A_MILLION = 0.2  # relative: some tables leave out mitochondrial or non-coding genes
_UNITS = "give raw counts, TPM of all genes, or log2 values"

_LINE_HEADERS = ("cellline", "celliname", "cellid", "cell")


class _Samples(NamedTuple):
    """Values float64 [samples, genes] with names, and with a way to name a sample in a message.

    `left_out` are names in the file that are no genes.
    """

    genes: list[str]
    names: list[str]
    values: np.ndarray
    place: Callable[[int], str]
    left_out: tuple[str, ...]


def read_untreated(path: Path, cell_lines: Sequence[str]) -> pd.DataFrame:
    """Read untreated expression of `cell_lines`, each from one or several samples.

    The unit is found from the values: whole numbers with a large one among them are counts, samples that
    add up to about a million are TPM, and values up to 25 are log2 already. Counts become
    log2(CPM + 1), TPM log2(TPM + 1). The samples of a cell line are averaged after that. A sample belongs
    to the cell line whose name it is or starts with ('A549_rep1' to A549; case, hyphens, spaces and dots do
    not matter). With a single cell line, and no sample of its name, all samples are its own.

    Parameters
    ----------
    path
        CSV, TSV, text, .xlsx or parquet: genes x samples, samples x genes, or two columns (gene, value).
    cell_lines
        Names, at least one.

    Returns
    -------
    pandas.DataFrame
        log2 [cell lines x genes as the file names them], in the order of `cell_lines`; a gene may occur
        twice, and rows that are no genes are left out. `attrs['unit']` is 'counts', 'TPM' or 'log2';
        `attrs['samples']` lists the samples of every cell line, `attrs['left_out']` the rows left out.

    Raises
    ------
    RawDataError
        The file is missing, damaged or empty; a value is missing or no number; the unit is unclear or
        differs between samples; genes have become dates; a cell line has no sample; or it is unclear
        whether genes stand in rows or columns.
    """
    sheet = read_sheet(path)
    samples = _samples(sheet, cell_lines)
    members = _members(path, samples.names, cell_lines)
    used = sorted({position for positions in members.values() for position in positions})
    unit = _unit(path, samples, used)
    log2 = {position: _log2(samples.values[position], unit) for position in used}
    averages = [np.mean([log2[position] for position in members[line]], axis=0) for line in cell_lines]
    table = pd.DataFrame(
        np.stack(averages), pd.Index(list(cell_lines), name="cell_line"), pd.Index(samples.genes, name="gene")
    )
    table.attrs = {
        "unit": unit,
        "samples": {line: [samples.names[position] for position in members[line]] for line in cell_lines},
        "left_out": samples.left_out,
    }
    return table


def _samples(sheet: Sheet, cell_lines: Sequence[str]) -> _Samples:
    gene_column = _gene_column(sheet)
    line_column = next(iter(sheet.columns_named(_LINE_HEADERS)), 0)
    down, across = (
        sum(_line_of(name, cell_lines) is not None for name in names)
        for names in (sheet.names(line_column), sheet.header)
    )
    rows, columns = len(sheet.cells), len(sheet.header) - 1
    if rows == columns and down == across:
        raise RawDataError(
            f"{sheet.path}: has as many rows as columns, so it is unclear which are genes; name the samples "
            f"after the cell line, as in '{cell_lines[0]}_1'"
        )
    across_genes = down > across if down != across else columns > rows
    return _genes_across(sheet, line_column) if across_genes else _genes_down(sheet, gene_column)


def _gene_column(sheet: Sheet) -> int:
    """Return the first column if it holds text or says that it holds genes, else the first that says so."""
    named = sheet.columns_named(GENE_HEADERS)
    return 0 if 0 in named or sheet.is_text(0) or not named else min(named)


def _genes_down(sheet: Sheet, gene_column: int) -> _Samples:
    described = {gene_column, *sheet.columns_named((*GENE_HEADERS, *GENE_DESCRIPTIONS))}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise RawDataError(
            f"{sheet.path}: has no column of values beside its gene names (found: "
            f"{shortlist(sheet.header)}); add "
            "one for every sample"
        )
    genes = sheet.names(gene_column)
    _require_genes(sheet.path, genes, sheet.row_place)
    samples = [sheet.header[column] for column in columns]
    return _named(
        sheet.path,
        genes,
        samples,
        np.stack([sheet.finite_numbers(column) for column in columns]),
        lambda sample: sheet.column_place(columns[sample]),
    )


def _genes_across(sheet: Sheet, line_column: int) -> _Samples:
    described = {line_column, 0, *sheet.columns_named(SAMPLE_DESCRIPTIONS)}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise RawDataError(
            f"{sheet.path}: has no column of a gene (found: {shortlist(sheet.header)}); give genes x samples"
        )
    genes = [sheet.header[column] for column in columns]
    _require_genes(sheet.path, genes, lambda gene: sheet.column_place(columns[gene]))
    values = np.stack([sheet.finite_numbers(column) for column in columns], axis=1)
    return _named(sheet.path, genes, sheet.names(line_column), values, sheet.row_place)


def _require_genes(path: Path, genes: list[str], place: Callable[[int], str]) -> None:
    if "" in genes:
        raise RawDataError(f"{path}: {place(genes.index(''))} names no gene; name it or remove it")
    dated = excel_dates(genes)
    if dated:
        raise RawDataError(f"{path}: {dates_problem(dated, [place(gene.position) for gene in dated])}")


def _named(
    path: Path, genes: list[str], samples: list[str], values: np.ndarray, place: Callable[[int], str]
) -> _Samples:
    if "" in samples:
        raise RawDataError(f"{path}: {place(samples.index(''))} names no sample; name it or remove it")
    others = np.array([is_no_gene(gene) for gene in genes], dtype=bool)
    left_out = tuple(gene for gene, other in zip(genes, others, strict=True) if other)
    kept = [gene for gene, other in zip(genes, others, strict=True) if not other]
    return _Samples(kept, samples, values[:, ~others], place, left_out)


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name).upper()


def _line_of(name: str, cell_lines: Sequence[str]) -> str | None:
    """Return the cell line with the longest name that `name` is or starts with."""
    parts = [part for part in re.split(r"[^0-9A-Za-z]+", name) if part]
    starts = {_plain("".join(parts[:count])) for count in range(1, len(parts) + 1)}
    found = [line for line in cell_lines if _plain(line) in starts]
    return max(found, key=len, default=None)


def _members(path: Path, names: Sequence[str], cell_lines: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of the samples of every cell line."""
    lines = [_line_of(name, cell_lines) for name in names]
    if len(cell_lines) == 1 and lines.count(None) == len(lines):
        return {cell_lines[0]: list(range(len(names)))}
    members = {
        line: [position for position, found in enumerate(lines) if found == line] for line in cell_lines
    }
    missing = [line for line, positions in members.items() if not positions]
    if missing:
        raise RawDataError(
            f"{path}: no sample of cell line {shortlist(missing)} (samples: {shortlist(names)}); let the "
            f"names of its samples start with it, as in '{missing[0]}_1'"
        )
    return members


def _unit(path: Path, samples: _Samples, used: Sequence[int]) -> Unit:
    """Return the unit that all the samples at positions `used` have."""
    units: list[Unit] = [
        _unit_of(path, samples.values[position], samples.place(position)) for position in used
    ]
    for position, unit in zip(used, units, strict=True):
        if unit != units[0]:
            raise RawDataError(
                f"{path}: {samples.place(used[0])} looks like {units[0]}, {samples.place(position)} like "
                f"{unit}; keep the samples of one unit"
            )
    return units[0]


def _unit_of(path: Path, values: np.ndarray, place: str) -> Unit:
    largest, total = values.max(), values.sum()
    whole = bool((values == np.floor(values)).all())
    if (
        values.min() >= 0
        and abs(total - _PER_MILLION) <= _NEAR_A_MILLION * _PER_MILLION
        and largest > _LARGEST_LOG2
    ):
        return "counts" if whole else "TPM"
    if values.min() >= 0 and whole and largest >= _LEAST_LARGE_COUNT:
        return "counts"
    if values.min() < 0 and largest < _LEAST_LARGE_LOG2:
        raise RawDataError(
            f"{path}: {place} holds values from {values.min():.6g} to {largest:.6g}, which look centred or "
            f"scaled, so genes cannot be compared; {_UNITS}"
        )
    if not whole and largest <= _LARGEST_LOG2:
        return "log2"
    raise RawDataError(
        f"{path}: the unit of {place} is unclear (values from {values.min():.6g} to {largest:.6g}, sum "
        f"{total:.6g}); {_UNITS}"
    )


def _log2(values: np.ndarray, unit: Unit) -> np.ndarray:
    if unit == "log2":
        return values
    return np.log2(values * (_PER_MILLION / values.sum() if unit == "counts" else 1.0) + 1)
