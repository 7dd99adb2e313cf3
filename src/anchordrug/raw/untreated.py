"""Untreated expression of cell lines that the atlas has not seen, in whatever unit it comes."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.raw.expression_table import read_expression_table
from anchordrug.raw.gene_names import dates_problem, excel_dates
from anchordrug.raw.line_names import Identities, core_name, near_line, plain_name, rows_of
from anchordrug.raw.no_genes import is_no_gene
from anchordrug.raw.sample_columns import LINE_HEADERS
from anchordrug.raw.sheet import GENE_DESCRIPTIONS, GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet

Unit = Literal["counts", "TPM", "log2"]

_LARGEST_LOG2 = 25.0  # 2^25 reads of one gene would be a third of a deep sample
_LEAST_LARGE_COUNT = 100.0  # of a sample's most expressed gene; smaller whole numbers may be anything
_LEAST_LARGE_LOG2 = 8.0  # of a sample's most expressed gene, if others are negative; centred values are lower
_PER_MILLION = 1e6
_NEAR_A_MILLION = 0.2  # relative: some tables leave out mitochondrial or non-coding genes
_UNITS = "give raw counts, TPM of all genes, or log2 values"

# Rank correlation over the bundle's genes. Replicates are above it from 20,000 reads per sample on (0.97 at a
# million). Of the 13,366 pairs of lines in LINCS' untreated expression, 273 do, nearly all of them pools of
# the same lines (XC.P901 and the like) or of one tissue; the median is 0.72, the 95th percentile 0.86.
ALIKE = 0.9

# Ids of DepMap, Sanger's models, Cellosaurus and COSMIC.
_ID = re.compile(r"ACH-\d{6}|SIDM\d{5}|CVCL_\w{4}|\d{6,7}$")


class _Samples(NamedTuple):
    """Values float64 [samples, genes] with names, and with a way to name a sample in a message.

    `left_out` are names in the file that are not genes.
    """

    genes: list[str]
    names: list[str]
    values: np.ndarray
    place: Callable[[int], str]
    left_out: tuple[str, ...]


class Known(NamedTuple):
    """Known names of samples, lines and genes that are not in the file of samples.

    Attributes
    ----------
    lines
        Names of other cell lines.
    identities
        Names of one line, as `read_identities` returns them.
    compared
        Which of some genes, by name as the file has them, samples are compared by: positions or a mask.
    """

    lines: Sequence[str] = ()
    identities: Identities | None = None
    compared: Callable[[list[str]], np.ndarray] = lambda genes: np.arange(len(genes))


def read_untreated(path: Path, cell_lines: Sequence[str], known: Known | None = None) -> pd.DataFrame:
    """Read untreated expression of `cell_lines`, each from one or several samples.

    The unit is found from the values: whole numbers with a large one among them are counts, samples that
    add up to about a million are TPM, and values up to 25 are log2 already. Counts become
    log2(CPM + 1), TPM log2(TPM + 1). The samples of a cell line are averaged after that.

    A sample belongs to the cell line whose name it is or starts with: 'A549_rep1' to A549, 'NCIH1975_LUNG'
    to H1975 (`anchordrug.raw.line_names`). With a single cell line, and no sample of its name, all samples
    are its own if none has the name of another line and they resemble one another (`ALIKE`).

    Parameters
    ----------
    path
        Text with any separator, .xlsx or parquet: genes x samples, samples x genes, or two columns (gene,
        value); or GCT, GCTX or AnnData. Text may be packed with gzip and start with comments (#, !).
    cell_lines
        Names, at least one.
    known
        Names that are known besides those in the file.

    Returns
    -------
    pandas.DataFrame
        log2 [cell lines x genes as the file names them], in the order of `cell_lines`; a gene may occur
        twice, and rows that are not genes are left out. `attrs['unit']` is 'counts', 'TPM' or 'log2';
        `attrs['samples']` lists the samples of every cell line; `attrs['likeness']` has the lowest rank
        correlation between them, NaN for a single sample; `attrs['left_out']` has the rows left out, and
        `attrs['notes']` notes for the user on how the file was read.

    Raises
    ------
    RawDataError
        The file is missing, damaged or empty; a value is missing or no number; the unit is unclear or
        differs between samples; genes have become dates; a cell line has no sample; samples without its
        name differ or have another line's; or it is unclear whether genes are in rows or columns.
    """
    sheet, notes = read_expression_table(path)
    known = known or Known()
    samples = _samples(sheet, cell_lines, known)
    members = _members(samples.names, cell_lines, known)
    unnamed = not any(members.values()) and len(cell_lines) == 1
    if unnamed:
        members = {cell_lines[0]: _all_unless_of_others(path, samples.names, cell_lines[0], known)}
    _require_members(path, samples.names, members, known)
    used = sorted({position for positions in members.values() for position in positions})
    unit = _unit(path, samples, used)
    log2 = {position: _log2(samples.values[position], unit) for position in used}
    of_line = {line: np.stack([log2[position] for position in members[line]]) for line in cell_lines}
    compared = known.compared(samples.genes)
    likeness = {line: _likeness(values[:, compared]) for line, values in of_line.items()}
    if unnamed:
        _require_alike(path, samples.names, cell_lines[0], likeness[cell_lines[0]], known)
    table = pd.DataFrame(
        np.stack([values.mean(axis=0) for values in of_line.values()]),
        pd.Index(list(cell_lines), name="cell_line"),
        pd.Index(samples.genes, name="gene"),
    )
    taken = {line: [samples.names[position] for position in members[line]] for line in cell_lines}
    table.attrs = {"unit": unit, "samples": taken, "likeness": likeness, "left_out": samples.left_out}
    table.attrs["notes"] = notes
    return table


def described_lines(path: Path, cell_lines: Sequence[str], known: Known | None = None) -> list[str]:
    """Return those of `cell_lines` of which a file has samples by name; parameters and errors as above."""
    known = known or Known()
    samples = _samples(read_expression_table(path).sheet, cell_lines, known)
    members = _members(samples.names, cell_lines, known)
    return [line for line in cell_lines if members[line]]


def _samples(sheet: Sheet, cell_lines: Sequence[str], known: Known) -> _Samples:
    def named(names: list[str]) -> int:
        return sum(line is not None for line in _lines_of(names, cell_lines, known))

    gene_column = _gene_column(sheet)
    line_columns = [*sheet.columns_named(LINE_HEADERS), 0]
    line_column = max(line_columns, key=lambda column: named(sheet.names(column)))
    down, across = named(sheet.names(line_column)), named(sheet.header)
    rows, columns = len(sheet.cells), len(sheet.header) - 1
    if rows == columns and down == across:
        raise RawDataError(
            f"{sheet.path}: has as many rows as columns, so it is unclear which are genes; name the samples "
            f"after the cell line, as in '{cell_lines[0]}_1'"
        )
    across_genes = down > across if down != across else columns > rows
    return _genes_across(sheet, line_column) if across_genes else _genes_down(sheet, gene_column)


def _gene_column(sheet: Sheet) -> int:
    """Return the first column if it holds text or says that it holds genes, else the first so named."""
    named = sheet.columns_named(GENE_HEADERS)
    return 0 if 0 in named or sheet.is_text(0) or not named else min(named)


def _genes_down(sheet: Sheet, gene_column: int) -> _Samples:
    described = {gene_column, *sheet.columns_named((*GENE_HEADERS, *GENE_DESCRIPTIONS))}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise RawDataError(
            f"{sheet.path}: has no column of values next to its gene names (found: "
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
    width = len(sheet.header)
    described = {line_column, 0, *sheet.columns_named((*LINE_HEADERS, *SAMPLE_DESCRIPTIONS))}
    # DepMap's tables have the lineage of a line before its genes.
    described |= set(takewhile(lambda column: column in described or sheet.is_text(column), range(width)))
    columns = [column for column in range(width) if column not in described]
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


def _lines_of(names: Sequence[str], lines: Sequence[str], known: Known) -> list[str | None]:
    """Return for every name of a sample the line of `lines` whose name it is or starts with, if any.

    Of several the longest counts; a name that fits one of `known.lines` better is none of `lines`.
    """
    every = dict.fromkeys([*lines, *known.lines])
    rules: list[Callable[[str], Iterable[str]]] = [
        lambda name: [plain_name(name)],
        lambda name: [core_name(name)],
        lambda name: rows_of(name, known.identities),
    ]
    line_of = [{key: line for line in reversed(every) for key in rule(line)} for rule in rules]

    def found(name: str) -> str | None:
        parts = [part for part in re.split(r"[^0-9A-Za-z]+", name) if part]
        starts = ["".join(parts[:count]) for count in range(len(parts), 0, -1)]
        for rule, lines_by_key in zip(rules, line_of, strict=True):
            for start in starts:
                for key in rule(start):
                    if key in lines_by_key:
                        return lines_by_key[key]
        return None

    own = set(lines)
    return [line if line in own else None for line in map(found, names)]


def _members(names: Sequence[str], cell_lines: Sequence[str], known: Known) -> dict[str, list[int]]:
    """Return the positions of the samples of every cell line."""
    lines = _lines_of(names, cell_lines, known)
    return {line: [position for position, of in enumerate(lines) if of == line] for line in cell_lines}


def _all_unless_of_others(path: Path, names: Sequence[str], cell_line: str, known: Known) -> list[int]:
    """Return all positions, unless a sample has the name of another line than `cell_line`."""
    others = _lines_of(names, known.lines, known)
    strange = next((place for place, line in enumerate(others) if line not in (None, cell_line)), None)
    if strange is not None:
        raise RawDataError(
            f"{path}: none of its {counted(len(names), 'sample')} has the name of {cell_line} "
            f"({shortlist(names)}), and '{names[strange]}' is of the cell line "
            f"{others[strange]}{_remedy(names, cell_line, known)}"
        )
    return list(range(len(names)))


def _require_alike(path: Path, names: Sequence[str], cell_line: str, likeness: float, known: Known) -> None:
    if likeness < ALIKE:
        raise RawDataError(
            f"{path}: none of its {counted(len(names), 'sample')} has the name of {cell_line} "
            f"({shortlist(names)}), and they are too different to be of one cell line (rank correlations "
            f"from {likeness:.2f}; replicates are above {ALIKE:g}){_remedy(names, cell_line, known)}"
        )


def _require_members(
    path: Path, names: Sequence[str], members: Mapping[str, list[int]], known: Known
) -> None:
    missing = [line for line, positions in members.items() if not positions]
    if missing:
        raise RawDataError(
            f"{path}: no sample of cell line {shortlist(missing)} (samples: {shortlist(names)})"
            f"{_remedy(names, missing[0], known)}"
        )


def _remedy(names: Sequence[str], cell_line: str, known: Known) -> str:
    ids = next((name for name in names if _ID.match(name)), None)
    table = "" if ids is None else f"; put DepMap's Model.csv next to it, which names the line of '{ids}'"
    return (
        f"{table}; let the names of the line's samples start with it, as in '{cell_line}_1'"
        f"{near_line(cell_line, names, known.identities)}"
    )


def _likeness(values: np.ndarray) -> float:
    """Return the lowest rank correlation between rows of `values` [samples, genes], NaN of a single row."""
    if len(values) < 2:
        return float("nan")
    ranks = pd.DataFrame(values).rank(axis=1).to_numpy()
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    # A sample whose genes are all equal has no rank correlation.
    unit = ranks / np.where(norms > 0, norms, np.inf)[:, None]
    return float((unit @ unit.T).min())


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
