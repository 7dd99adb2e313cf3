"""Assay results as they come back: raw counts of wells, or profiles of drugs, found by what a file holds."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from anchordrug.errors import AssayError, RawDataError, shortlist
from anchordrug.raw.gene_names import dates_problem, excel_dates
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.sheet import GENE_DESCRIPTIONS, GENE_HEADERS, SAMPLE_DESCRIPTIONS, Sheet, read_sheet

Kind = Literal["z", "statistic", "log2_fold_change"]

_WELL = re.compile(r"([A-P])0{0,2}([1-9]|1\d|2[0-4])", re.IGNORECASE)
_PLATE_AND_WELL = re.compile(r"(.+?)[_:.\-\s/|]+([A-P]\d{1,3})", re.IGNORECASE)
_SEPARATORS_OF_WELL = "_:.-/| \t"

# Column names as `Sheet.columns_named` wants them, the preferred first.
_DRUG_HEADERS = (
    *("drugid", "pertid", "drug", "drugname", "compoundid", "compound", "compoundname", "pertiname"),
    *("cmapname", "treatment", "perturbation", "perturbagen", "perturbator", "contrast", "condition"),
    *("comparison", "group"),
)
_WELL_HEADERS = ("wellposition", "well", "wellid", "wellname", "detwell", "rnawell")
_PLATE_HEADERS = ("plate", "plateid", "platename", "platebarcode", "detplate", "rnaplate")
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

_FEW = 10  # examples that are asked to stand for a file
_WHOLE_IN_COUNTS = 0.5  # share of the values other than 0; real counts have all, log values next to none
_NEGATIVE_IN_Z = 0.1  # share of the values other than 0; z-scores have about half
_SMALLEST_MEDIAN_Z = 0.15  # CMap's weakest profiles have 0.24, log fold changes of expressed genes about 0.1
_EXACT_IN_FLOAT = 2.0**53

_LOOKED_FOR = (
    "looked for raw counts (genes x wells), z-scores (genes x drugs), and long tables with a column each "
    "for drug, gene and z, or for drug, gene, log2 fold change and p-value or statistic"
)


@dataclass(frozen=True)
class Counts:
    """Raw counts.

    Attributes
    ----------
    path
        The file.
    genes
        Gene names as the file has them; a name may occur twice.
    values
        int64 [genes x wells]; columns are a MultiIndex (plate, well_position), plate "" where the file
        does not say, well_position as in 'A01'; no well occurs twice.
    """

    path: Path
    genes: list[str]
    values: pd.DataFrame


@dataclass(frozen=True)
class Profiles:
    """One value per drug, or per well, and gene.

    Attributes
    ----------
    path
        The file.
    genes
        Gene names as the file has them; a name may occur twice in a wide file.
    values
        float64 [names x genes], finite; the index is what the file calls the drugs or wells, each once.
    kind
        'z': z-scores. 'statistic': signed test statistics, or normal quantiles of p-values with the sign
        of the fold change. 'log2_fold_change': log2 fold changes, with their standard error.
    standard_error
        float64 > 0 like `values` if they are log2 fold changes, else None.
    incomplete
        Genes left out because some drugs of a long table have no value for them.
    """

    path: Path
    genes: list[str]
    values: pd.DataFrame
    kind: Kind
    standard_error: pd.DataFrame | None = None
    incomplete: tuple[str, ...] = ()


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
        columns = _long_columns(sheet, is_gene)
        if columns:
            return _from_long(sheet, columns, is_gene)
        return _from_wide(_wide_from_sheet(sheet, is_gene), plates)
    except RawDataError as error:
        raise AssayError(str(error)) from error


def parse_well(text: str, plates: Collection[str] = ()) -> tuple[str, str] | None:
    """Return plate ("" if there is none) and well as 'A01', or None if `text` names no well up to P24.

    'A1', 'a01', 'P1_A01', 'P1:A01', 'P1.A01', 'Plate1-A01'; with 'P1' among `plates` also 'P1A01'.
    """
    text = text.strip()
    for plate in sorted(plates, key=len, reverse=True):
        if text.startswith(plate) and (well := _well(text[len(plate) :].lstrip(_SEPARATORS_OF_WELL))):
            return plate, well
    if well := _well(text):
        return "", well
    parts = _PLATE_AND_WELL.fullmatch(text)
    if parts and (well := _well(parts[2])):
        return parts[1], well
    return None


def _well(text: str) -> str | None:
    match = _WELL.fullmatch(text)
    return f"{match[1].upper()}{int(match[2]):02d}" if match else None


def _hits(names: Sequence[str], is_gene: Callable[[str], bool]) -> int:
    return sum(map(is_gene, set(names) - {""}))


def _gene_column(sheet: Sheet, is_gene: Callable[[str], bool]) -> tuple[int, int]:
    """Return the column with the most names of genes, and how many.

    Columns of numbers are only looked at where they are first or say that they hold genes, because
    counts, too, are Entrez ids of genes.
    """
    named = sheet.columns_named(GENE_HEADERS)
    texts = [column for column in range(len(sheet.header)) if column not in named and sheet.is_text(column)]
    candidates = list(dict.fromkeys([*named, *texts, 0]))
    hits = {column: _hits(sheet.names(column), is_gene) for column in candidates}
    best = max(candidates, key=lambda column: hits[column])
    return best, hits[best]


def _no_genes(path: Path, first: Sequence[str], header: Sequence[str]) -> AssayError:
    return AssayError(
        f"{path}: neither a column nor the header names genes that are known (first column: "
        f"{shortlist(first, 3)}; header: {shortlist(header, 3)}); {_LOOKED_FOR}; name genes by symbol, "
        "Ensembl or Entrez id"
    )


def _require_no_dates(path: Path, genes: Sequence[str], place: Callable[[int], str]) -> None:
    dated = excel_dates(genes)
    if dated:
        raise AssayError(f"{path}: {dates_problem(dated, [place(gene.position) for gene in dated])}")


# ---- matrices ----


def _wide_from_gct(path: Path, is_gene: Callable[[str], bool]) -> _Wide:
    with open_matrix(path) as matrix:
        values = np.empty((len(matrix.gene_ids), len(matrix.signature_ids)))
        for positions, block in matrix.blocks(np.arange(values.shape[1]), np.arange(values.shape[0])):
            values[:, positions] = block.T
        fields = [[str(value) for value in column.fillna("")] for _, column in matrix.genes.items()]
        ids, described = matrix.signature_ids, matrix.signatures.get("pert_id")
    genes = max(fields, key=lambda names: _hits(names, is_gene))
    if not _hits(genes, is_gene):
        raise _no_genes(path, genes, ids)
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
    column, in_column = _gene_column(sheet, is_gene)
    in_header = _hits(sheet.header, is_gene)
    if not in_column and not in_header:
        raise _no_genes(sheet.path, sheet.names(0), sheet.header)
    return _genes_down(sheet, column) if in_column >= in_header else _genes_across(sheet, is_gene)


def _genes_down(sheet: Sheet, gene_column: int) -> _Wide:
    described = {gene_column, *sheet.columns_named((*GENE_HEADERS, *GENE_DESCRIPTIONS))}
    columns = [column for column in range(len(sheet.header)) if column not in described]
    if not columns:
        raise AssayError(f"{sheet.path}: has no column of values beside its gene names; {_LOOKED_FOR}")
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
        sheet.columns_named(names) for names in (_WELL_HEADERS, _PLATE_HEADERS, _DRUG_HEADERS)
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
    _require_no_dates(wide.path, wide.genes, wide.gene_place)
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
        well = parse_well(name, plates)
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


# ---- long tables ----


def _long_columns(sheet: Sheet, is_gene: Callable[[str], bool]) -> dict[str, int]:
    """Return what the value columns of a long table hold -> column; nothing if it is no long table.

    Raises
    ------
    AssayError
        Two columns hold the same.
    """
    if _hits(sheet.header, is_gene) > len(sheet.header) / 2:  # single letters name genes, too
        return {}
    columns = {role: sheet.columns_named(names) for role, names in _VALUE_HEADERS.items()}
    for role, found in columns.items():
        if len(found) > 1:
            both = " and ".join(f"'{sheet.header[column]}'" for column in found[:2])
            raise AssayError(f"{sheet.path}: columns {both} both look like the {role}; keep one of them")
    return {role: found[0] for role, found in columns.items() if found}


def _from_long(sheet: Sheet, columns: dict[str, int], is_gene: Callable[[str], bool]) -> Profiles:
    gene_column, hits = _gene_column(sheet, is_gene)
    if not hits:
        raise _no_genes(sheet.path, sheet.names(gene_column), sheet.header)
    drugs, genes = _names_of_drugs(sheet), sheet.names(gene_column)
    for names, noun in ((drugs, "drug"), (genes, "gene")):
        if "" in names:
            raise AssayError(f"{sheet.path}: {sheet.row_place(names.index(''))} names no {noun}; fill it in")
    _require_no_dates(sheet.path, genes, sheet.row_place)
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
        sheet.columns_named(names) for names in (_DRUG_HEADERS, _WELL_HEADERS, _PLATE_HEADERS)
    )
    if drugs:
        return sheet.names(drugs[0])
    if wells and plates:
        both = zip(sheet.names(plates[0]), sheet.names(wells[0]), strict=True)
        return [f"{plate}:{well}" if plate and well else "" for plate, well in both]
    if wells:
        return sheet.names(wells[0])
    raise AssayError(
        f"{sheet.path}: no column says which drug a row belongs to (found: {shortlist(sheet.header, _FEW)}); "
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
