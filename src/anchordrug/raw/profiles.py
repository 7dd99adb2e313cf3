"""Profiles of drugs in cell lines, from whichever table they come: z [signatures, genes], described."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, printable, shortlist
from anchordrug.labels import LARGEST_Z
from anchordrug.raw.gene_names import dates_problem, excel_dates, ids_of_names
from anchordrug.raw.no_genes import is_no_gene, left_out_note
from anchordrug.raw.text import MISSING_TEXT

# Columns that tell signatures apart.
KEY = ["drug_id", "cell_line", "dose_um", "time_h", "replicate"]
# Of a signature's genes, with different values in several rows: more are several doses, times or replicates.
MOST_REPEATED = 0.5
# Values that are held whole, as float32 2 GiB.
_MOST_VALUES = 2**29


@dataclass(frozen=True)
class Profiles:
    """Profiles of one table.

    Attributes
    ----------
    path
        The file.
    signatures
        One row per signature: drug_id, name, smiles, moa (None where missing), cell_line, dose_um, time_h,
        replicate (a text, "" where nothing tells replicates apart).
    genes
        One row per gene: gene (its name), gene_id (Entrez), ensembl_id, None where missing.
    z
        float32 [signatures, genes], NaN where there is no value.
    are_ranks
        Whether `z` are ranks of genes, 1 for the gene that goes up most.
    notes
        Assumptions that were made, and data left out.
    """

    path: Path
    signatures: pd.DataFrame
    genes: pd.DataFrame
    z: np.ndarray
    are_ranks: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """A value of one signature and one gene per row.

    Attributes
    ----------
    signature, gene
        int64 [rows]: row of the table of signatures, position in the names of genes.
    value
        float64 [rows], NaN where missing.
    place
        Returns the place of a row, for a message.
    """

    signature: np.ndarray
    gene: np.ndarray
    value: np.ndarray
    place: Callable[[int], str]


def require_one_structure(path: Path, signatures: pd.DataFrame) -> None:
    """Refuse a drug with several SMILES.

    Raises
    ------
    RawDataError
        There is one.
    """
    pairs = signatures[["drug_id", "smiles"]].dropna().drop_duplicates()
    twice = pairs[pairs.duplicated("drug_id", keep=False)]
    if len(twice):
        drug = twice["drug_id"].iloc[0]
        first, second = twice.loc[twice["drug_id"] == drug, "smiles"].iloc[:2]
        raise RawDataError(
            f"{path}: drug '{printable(drug, 60)}' has the SMILES '{printable(first, 60)}' and "
            f"'{printable(second, 60)}'; keep one of them, or give the two compounds two ids"
        )


def usable_genes(path: Path, names: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return the genes that names mean, and for every name the row of its gene, -1 where it is not a gene.

    Raises
    ------
    RawDataError
        A spreadsheet has turned names into dates, or no name is a gene's.
    """
    dated = excel_dates(names)
    if dated:
        raise RawDataError(f"{path}: {dates_problem(dated, [f'gene {one.position + 1}' for one in dated])}")
    unnamed = [name for name in names if name in MISSING_TEXT]
    others = [name for name in names if name not in MISSING_TEXT and is_no_gene(name)]
    notes = (left_out_note(others),) if others else ()
    if unnamed:
        notes = (*notes, "rows without the name of a gene are left out")
    used = [name for name in names if name not in {*unnamed, *others}]
    if not used:
        raise RawDataError(f"{path}: names no gene; name genes by symbol, Ensembl or Entrez id")
    ids = ids_of_names(used)
    genes = ids.drop_duplicates("gene", ignore_index=True)
    row = dict(zip(genes["gene"], range(len(genes)), strict=True))
    of_name = dict(zip(used, ids["gene"].map(row), strict=True))
    return genes, np.array([of_name.get(name, -1) for name in names], np.int64), notes


def assembled(path: Path, rows: Rows, signatures: int, genes: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return z [signatures, genes] of rows, repeated rows averaged, and notes.

    Raises
    ------
    RawDataError
        Most genes of a signature have several rows with different values; or there are too many values.
    """
    count = len(genes)
    if signatures * count > _MOST_VALUES:
        raise RawDataError(
            f"{path}: {signatures:,} signatures x {count:,} genes are more than {_MOST_VALUES:,} values; "
            "keep the genes that are to be predicted, such as the most variable 2,000"
        )
    large = np.flatnonzero(np.abs(rows.value) > LARGEST_Z)
    if len(large):
        first = int(large[0])
        raise RawDataError(
            f"{path}: {rows.place(first)}: {rows.value[first]:g} is too large for a z-score (at most "
            f"{LARGEST_Z:g}); correct it, or leave the cell empty"
        )
    known = np.flatnonzero(np.isfinite(rows.value))
    flat = rows.signature[known] * count + rows.gene[known]
    order = known[np.argsort(flat, kind="stable")]
    pairs, starts, sizes = np.unique(np.sort(flat, kind="stable"), return_index=True, return_counts=True)
    z = np.full(signatures * count, np.nan, np.float32)
    notes = []
    if len(pairs):
        values = rows.value[order]
        z[pairs] = np.add.reduceat(values, starts) / sizes
        differ = np.maximum.reduceat(values, starts) != np.minimum.reduceat(values, starts)
        _require_few_repeats(path, rows, order, starts, differ, pairs // count, signatures)
        repeated = np.unique(pairs[sizes > 1] % count)
        if len(repeated):
            named = shortlist((genes[gene] for gene in repeated), 3)
            several = counted(len(repeated), "gene is", "genes are")
            notes.append(f"{several} in several rows of a signature ({named}); the rows are averaged")
    return z.reshape(signatures, count), notes


def _require_few_repeats(
    path: Path,
    rows: Rows,
    order: np.ndarray,
    starts: np.ndarray,
    differ: np.ndarray,
    of_signature: np.ndarray,
    signatures: int,
) -> None:
    genes = np.bincount(of_signature, minlength=signatures)
    share = np.bincount(of_signature, differ, signatures) / np.maximum(genes, 1)
    worst = int(share.argmax())
    if share[worst] > MOST_REPEATED:
        pair = int(np.flatnonzero(differ & (of_signature == worst))[0])
        first, second = order[starts[pair]], order[starts[pair] + 1]
        raise RawDataError(
            f"{path}: {rows.place(int(first))} and {rows.place(int(second))} have different values of one "
            f"drug, cell line, dose, time and gene, and so have {share[worst]:.0%} of that drug's genes; add "
            "a column that tells them apart (dose, time or replicate), or keep one of them"
        )
