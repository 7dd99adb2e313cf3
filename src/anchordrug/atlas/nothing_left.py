"""The message when a step of curation leaves nothing: both files, an example of each, the remedy."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import counted, shortlist
from anchordrug.raw.bundle import RawBundle
from anchordrug.raw.line_names import match_lines

# Kind, id, reason and detail of data that could not be used.
Rejects = Sequence[tuple[str, str, str, str | None]]

QUALITY = ("is_gold", "cc_q75", "pct_self_rank_q25")


def _names_others(table: Path, noun: str, other: Path, wanted: Iterable[str], listed: Iterable[str]) -> str:
    return (
        f"{table}: names none of the {noun} of {other} (such as {shortlist(wanted, 3)}), but "
        f"{shortlist(listed, 3)}; use the tables of the same release"
    )


def no_genes(geneinfo: Path, listed: Sequence[str], matrix: Path, axes: tuple[list[str], list[str]]) -> str:
    """Return why none of the ids in geneinfo is a gene of the matrix; `axes`: its gene and signature ids."""
    genes, signatures = axes
    if set(listed) & set(signatures):
        return (
            f"{matrix}: has genes in place of signatures ({geneinfo} names {shortlist(signatures, 3)}, "
            f"and not {shortlist(genes, 3)}); transpose it"
        )
    return _names_others(geneinfo, "gene ids", matrix, genes, listed)


def no_symbols(bundle: RawBundle) -> str:
    """Return that none of the measured genes has a symbol."""
    return f"{bundle.geneinfo}: has no symbol of the genes of {bundle.matrix}; fill them in"


def no_annotation(bundle: RawBundle, annotated: Sequence[str], terms: Sequence[str], genes: pd.Series) -> str:
    """Return why none of the measured genes, by symbol, is annotated."""
    if genes.empty:
        return no_symbols(bundle)
    if genes.isin(list(terms)).any():
        return (
            f"{bundle.annotation}: has genes in its columns ({shortlist(terms, 3)}) and terms in its rows "
            f"({shortlist(annotated, 3)}); transpose it"
        )
    return (
        f"{bundle.annotation}: annotates none of the measured genes (such as {shortlist(genes, 3)}), but "
        f"{shortlist(annotated, 3)}; name its genes by symbol"
    )


def no_compounds(source: Path, table: pd.DataFrame) -> str:
    """Return that no signature is of a compound."""
    kinds = table["pert_type"].dropna().unique()
    found = f"pert_type is {shortlist(kinds)}" if len(kinds) else "pert_type is empty"
    return f"{source}: no signature is of a compound ({found}, not trt_cp); give the table of compounds"


def no_quantity(source: Path, quantity: str, values: pd.Series, wanted: float, unit: str) -> str:
    """Return that no signature has the dose, or time, that the settings ask for."""
    key = "dose_um" if quantity == "dose" else "time_h"
    if values.isna().all():
        return (
            f"{source}: no {quantity} can be read (columns pert_{quantity} and pert_{quantity}_unit, or "
            f"pert_i{quantity}); write it as in '{wanted:g} {unit}'"
        )
    found = (f"{value:g}" for value in values.value_counts().index)
    return (
        f"{source}: no signature has the {quantity} {wanted:g} {unit}, but {shortlist(found)} {unit}; set "
        f"curate.{key} in params.yaml to one of these"
    )


def no_quality(source: Path, table: pd.DataFrame) -> str:
    """Return that no signature is known to be good enough."""
    anyway = "set curate.quality: any in params.yaml to take all signatures"
    if table[list(QUALITY)].notna().to_numpy().any():
        return (
            f"{source}: none of its {counted(len(table), 'signature')} of this dose and time is gold "
            f"(is_gold 1, or cc_q75 >= 0.2 and pct_self_rank_q25 <= 5); {anyway}"
        )
    others = sorted(path.name for path in source.parent.glob("*metrics*") if path.is_file())
    place = f"{shortlist(others)} may have them: add them" if others else "add them, from a table of metrics"
    return (
        f"{source}: has no values of quality in columns is_gold, cc_q75 (distil_cc_q75) or "
        f"pct_self_rank_q25; {place} by sig_id, or {anyway}"
    )


def no_rows(source: Path, every: pd.Series, wanted: pd.Series, matrix: Path, rows: Sequence[str]) -> str:
    """Return why the matrix has no row of the `wanted` ids, of `every` one in the metadata."""
    if every.isin(list(rows)).any():
        return (
            f"{matrix}: has none of the {counted(len(wanted), 'signature')} of this dose, time and quality "
            f"in {source} (such as {wanted.iloc[0]}), but others (such as {rows[0]}); check curate in "
            "params.yaml"
        )
    return _names_others(source, "signature ids", matrix, rows, every)


def no_compound_in_table(source: Path, wanted: pd.Series, compoundinfo: Path, listed: Sequence[str]) -> str:
    """Return that no drug of the wanted signatures is in the table of compounds."""
    if wanted.empty:
        return f"{source}: no signature wanted names a compound; fill in pert_id"
    return _names_others(compoundinfo, "drugs", source, wanted.unique(), listed)


def no_structures(source: Path, signatures: pd.DataFrame, compoundinfo: Path, rejects: Rejects) -> str:
    """Return why no drug of the signatures has a structure: the reason of the last one."""
    drugs = signatures["drug_id"].nunique()
    _, drug, reason, detail = rejects[-1]
    example = f" ({detail[:60]})" if detail else ""
    return (
        f"{compoundinfo}: none of the {counted(drugs, 'drug')} wanted from {source} has a structure: {drug}: "
        f"{reason}{example}; fill in canonical_smiles"
    )


def no_expression(
    source: Path, lines: pd.Series, expression: Path, rows: Sequence[str], columns: Sequence[str]
) -> str:
    """Return why none of the measured lines is a row of the basal expression."""
    named = lines.dropna().drop_duplicates()
    if named.empty:
        wanted = counted(len(lines), "signature")
        return f"{source}: none of the {wanted} wanted names a cell line; fill in cell_iname"
    if match_lines(named, columns).found:
        return (
            f"{expression}: has cell lines in its columns ({shortlist(columns, 3)}) and genes in its rows "
            f"({shortlist(rows, 3)}); transpose it"
        )
    return (
        f"{expression}: has none of the cell lines of {source} (such as {shortlist(named, 3)}), but "
        f"{shortlist(rows, 3)}; name its rows as there, or add a table of cell lines (cellinfo_beta.txt, "
        "Model.csv) that has both names"
    )


def no_line_named(source: Path) -> str:
    """Return that no signature of a usable drug names a cell line."""
    return f"{source}: no signature of a usable drug names a cell line; fill in cell_iname"


def no_line_left(source: Path, lines: pd.Series, expression: Path, rejects: Rejects) -> str:
    """Return why no cell line of usable drugs has untreated expression: the reason of the last line."""
    _, line, reason, detail = rejects[-1]
    return (
        f"{expression}: describes no cell line of the {counted(len(lines), 'signature')} of usable drugs in "
        f"{source}: {line}: {reason}{f' ({detail})' if detail else ''}; add or rename its rows"
    )


def no_finite(matrix: Path, z: np.ndarray, signatures: pd.DataFrame, genes: Sequence[str]) -> str:
    """Return which genes have no value; `z` [rows, genes] is indexed by the index of `signatures`."""
    without = ~np.isfinite(z[signatures.index.to_numpy()])
    nowhere = [genes[int(column)] for column in np.flatnonzero(without.all(axis=0))]
    wanted = counted(len(signatures), "signature")
    if len(nowhere) == len(genes):
        return f"{matrix}: has no z-score of the {wanted} wanted; write it again"
    if nowhere:
        which = "gene" if len(nowhere) == 1 else "each of the genes"
        return (
            f"{matrix}: {which} {shortlist(nowhere, 3)} has no z-score in any of the {wanted} wanted; leave "
            f"{'it' if len(nowhere) == 1 else 'them'} out (gene_panel*.txt)"
        )
    row, column = np.argwhere(without)[0]
    return (
        f"{matrix}: each of the {wanted} wanted lacks z-scores, such as "
        f"{signatures['sig_id'].iloc[row]} of {genes[column]}; write it again, or leave genes out "
        "(gene_panel*.txt)"
    )
