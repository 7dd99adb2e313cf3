"""A table of expression, genes x samples or samples x genes, from any file of samples."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.files.kinds import GCT, HDF5, PARQUET, WORKBOOK
from anchordrug.raw.anndata_file import open_anndata
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.matrix import SignatureMatrix, open_matrix
from anchordrug.raw.matrix_market import is_matrix_folder, read_matrix_folder
from anchordrug.raw.sample_columns import is_control, is_vehicle, sample_columns
from anchordrug.raw.sample_matrix import SampleMatrix
from anchordrug.raw.sheet import GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet, read_sheet
from anchordrug.raw.text import is_number, require_readable

# Without case and punctuation: columns that name the sample of a row, and columns that only a comparison has.
_SAMPLE_HEADERS = (*SAMPLE_DESCRIPTIONS, "samplename", "samplelabel", "run", "line", "modelid", "condition")
_CHANGE_HEADERS = (
    *("log2foldchange", "logfc", "log2fc", "avglog2fc", "lfcse", "basemean", "pvalue", "pval", "padj"),
    *("adjpval", "fdr", "qvalue"),
)
_MOST_SAMPLES = 1000  # more are single cells
_MOST_WITHOUT_HEADER = 4  # columns of a table without header: a gene and its counts

# Fields of a matrix that name its genes, the preferred first.
_SYMBOL_FIELDS = ("pr_gene_symbol", "gene_symbol", "symbol", "hgnc_symbol")
_LINE_FIELDS = ("cell_iname", "cell_id", "cell_line", "ccle_name", "stripped_cell_line_name")
# A symbol, an Ensembl id or an Entrez id; not a probe such as 1007_s_at, nor a description of words.
_GENE_LIKE = re.compile(r"[A-Za-z][A-Za-z0-9.-]*|\d+|[A-Z]*ENS[A-Z]*\d{6,}(\.\d+)?(_[A-Za-z0-9.-]+)?")


class ExpressionTable(NamedTuple):
    """A table of expression, and notes for the user on how it was read."""

    sheet: Sheet
    notes: tuple[str, ...] = ()


def read_expression_table(path: Path) -> ExpressionTable:
    """Read a table of expression; a matrix (GCT, GCTX, AnnData, a folder) becomes a sheet of its samples.

    Of AnnData and of folders of matrices only controls are read, if their table of samples tells them from
    treated samples. Single cells (counts of more than `_MOST_SAMPLES` samples whose cell line is told) are
    added up by cell line, plate and replicate.

    Raises
    ------
    RawDataError
        The file is missing, damaged or of another kind; or its table has no header, is long (one row per
        gene and sample), or compares samples (fold changes and p-values).
    """
    if is_matrix_folder(path):
        return _of_samples(read_matrix_folder(path))
    kind = require_readable(path, (WORKBOOK, PARQUET, GCT, HDF5))
    if kind is HDF5 and is_anndata(path):
        with open_anndata(path) as opened:
            return _of_samples(opened.matrix())
    if kind in (GCT, HDF5):
        with open_matrix(path) as matrix:
            return ExpressionTable(_sheet_of(matrix))
    sheet = read_sheet(path)
    _require_header(sheet)
    _require_no_comparison(sheet)
    _require_wide(sheet)
    return ExpressionTable(sheet)


def _of_samples(matrix: SampleMatrix) -> ExpressionTable:
    """Return the untreated samples of a matrix as a table, genes x samples."""
    obs, columns = matrix.samples, sample_columns(matrix.samples)
    used = _untreated(obs, columns)
    shown, lost = f"read {matrix.name} of {counted(len(used), 'sample')}", len(obs.cells) - len(used)
    left_out = counted(lost, "treated sample is", "treated samples are")
    notes = [f"{shown}; {left_out} left out" if lost else shown]
    are_cells = len(obs.cells) > _MOST_SAMPLES and "cell line" in columns and matrix.looks_like_counts()
    every = _named_samples(obs, columns, are_cells)
    names = [every[row] for row in used]
    if are_cells:
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        groups = np.full(len(obs.cells), -1)
        groups[used] = [numbers[name] for name in names]
        values, names = matrix.sums(groups, len(numbers)), list(numbers)
        notes.append(
            f"they are added up to {counted(len(names), 'sample')} by cell line, plate and replicate"
        )
    else:
        values = matrix.rows(used)
    fields = [matrix.genes.names(column) for column in range(len(matrix.genes.header))]
    genes = max(fields, key=_gene_like)  # the first of equals
    table = pd.DataFrame(values.T).set_axis(range(1, len(names) + 1), axis=1)
    table.insert(0, 0, pd.Series(genes, dtype="str"))
    rows = np.arange(1, len(genes) + 1)
    return ExpressionTable(Sheet(matrix.path, ["gene", *names], table, rows, "gene", False), tuple(notes))


def _untreated(obs: Sheet, columns: dict[str, int]) -> list[int]:
    """Return the controls; all samples, where no column tells controls."""
    told = [
        [row for row, text in enumerate(obs.names(columns[role])) if rule(text)]
        for role, rule in (("control", is_control), ("drug", is_vehicle))
        if role in columns
    ]
    return next(filter(None, told), list(range(len(obs.cells))))


def _named_samples(obs: Sheet, columns: dict[str, int], are_cells: bool) -> list[str]:
    """Return names of samples that begin with the cell line, if it is known; those of cells repeat."""
    roles = ("cell line", "plate", "replicate") if are_cells else ("cell line",)
    parts = [obs.names(columns[role]) for role in roles if role in columns]
    parts += [] if are_cells else [obs.names(0)]
    return ["_".join(filter(None, names)) for names in zip(*parts, strict=True)]


def _sheet_of(matrix: SignatureMatrix) -> Sheet:
    genes, samples = _gene_names(matrix), _sample_names(matrix)
    cells: list[pd.Series] = [pd.Series(genes, dtype="str")]
    for _, block in matrix.blocks(np.arange(len(samples)), np.arange(len(genes))):  # in the order of the file
        cells += [pd.Series(values.astype(np.float64)) for values in block]
    table = pd.concat(cells, axis=1).set_axis(range(len(cells)), axis=1)
    rows = np.arange(1, len(genes) + 1)
    return Sheet(matrix.path, ["gene", *samples], table, rows, "gene", decimal_comma=False)


def _gene_names(matrix: SignatureMatrix) -> list[str]:
    """Return the names of genes from the first field that holds names rather than probes or descriptions."""
    others = [name for name in matrix.genes.columns if str(name).lower() in ("description", "name")]
    fields = [*(name for name in _SYMBOL_FIELDS if name in matrix.genes), "gene_id", *others]
    names = [matrix.genes[field].fillna("").tolist() for field in fields]
    return max(names, key=_gene_like)  # the first of equals


def _gene_like(names: Sequence[str]) -> int:
    return sum(bool(_GENE_LIKE.fullmatch(name)) for name in set(names))


def _sample_names(matrix: SignatureMatrix) -> list[str]:
    """Return the ids of the signatures, after the cell line where the matrix tells it."""
    field = next((name for name in _LINE_FIELDS if name in matrix.signatures), None)
    if field is None:
        return matrix.signature_ids
    lines = matrix.signatures[field].fillna("").tolist()
    return [
        f"{line}_{name}" if line else name for line, name in zip(lines, matrix.signature_ids, strict=True)
    ]


def _require_header(sheet: Sheet) -> None:
    """Refuse a table of few columns whose first line has numbers, as HTSeq and STAR and .rnk files have."""
    if len(sheet.header) > _MOST_WITHOUT_HEADER or sheet.row_noun != "line":
        return
    first, *others = sheet.header
    # A cell line may be called 5637.
    named = not first or is_number(first) or 0 in sheet.columns_named(GENE_HEADERS)
    if not named and all(map(is_number, others)):
        raise RawDataError(
            f"{sheet.path}: has no header, its first line is '{shortlist(sheet.header)[:60]}'; add a line "
            "with the names of its columns, such as gene and the name of the sample"
        )


def _require_no_comparison(sheet: Sheet) -> None:
    found = sheet.columns_named(_CHANGE_HEADERS)
    if len(found) > 1:
        names = shortlist(sheet.header[column] for column in found)
        raise RawDataError(
            f"{sheet.path}: is a table of differential expression ({names}), which compares samples; give "
            "the expression of untreated samples: counts, TPM or log2"
        )


def _require_wide(sheet: Sheet) -> None:
    """Refuse a table with one row per gene and sample."""
    genes, samples = (sheet.columns_named(headers) for headers in (GENE_HEADERS, _SAMPLE_HEADERS))
    samples = [column for column in samples if column not in genes]
    if not genes or not samples:
        return
    gene, sample = genes[0], samples[0]
    rows = len(sheet.cells)
    of_genes, of_samples = len(set(sheet.names(gene))), len(set(sheet.names(sample)))
    if of_genes < rows and of_samples < rows and 2 * rows > of_genes * of_samples:
        raise RawDataError(
            f"{sheet.path}: is a long table, one row per gene ({sheet.column_place(gene)}) and sample "
            f"({sheet.column_place(sample)}); make it wide: one row per gene, one column per sample"
        )
