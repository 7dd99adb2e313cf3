"""Readers of profiles: a long table, a sheet of contrasts with a table of each, or AnnData."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, printable, shortlist
from anchordrug.files.atomic import require_file
from anchordrug.raw.changes import best_values, columns_by_role, require_direction
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.optional import require_anndata
from anchordrug.raw.profile_columns import Usual, described
from anchordrug.raw.profiles import Profiles, Rows, assembled, usable_genes
from anchordrug.raw.sheet import GENE_HEADERS, Sheet, read_sheet
from anchordrug.raw.signature import gene_names_of

FILE_HEADERS = ("file", "filename", "path", "table", "results")
RANK_HEADERS = ("rank", "generank", "ranks", "ranking")
SYMBOL_HEADERS = ("genesymbol", "symbol", "genesymbols", "genename", "featurename", "hgncsymbol", "gene")
ENSEMBL_HEADERS = ("ensemblid", "ensembl", "ensemblgeneid", "ensemblgene", "geneids", "ensgene")
ENTREZ_HEADERS = ("entrezid", "entrez", "entrezgeneid", "entrezgene", "ncbigeneid")
_LOOKED_FOR = (
    "z-scores ('z'), ranks ('rank'), or differential expression ('stat', 'log2FoldChange', 'pvalue')"
)


def read_profiles(path: Path, usual: Usual, layer: str | None = None) -> Profiles:
    """Read profiles from whichever of the three kinds of files `path` is.

    Parameters
    ----------
    usual
        The dose and time of a table that has no such columns.
    layer
        The matrix of AnnData; by default a layer of z-scores, or X.

    Raises
    ------
    RawDataError
        The file is missing, damaged or of another kind, lacks a column, or contradicts itself.
    """
    require_file(path, "check the name")
    if is_anndata(path):
        return _from_anndata(path, usual, layer)
    if layer is not None:
        raise RawDataError(f"{path}: is not AnnData, so it has no matrix '{layer}'; leave out --layer")
    sheet = read_sheet(path)
    files = sheet.columns_named(FILE_HEADERS)
    if files and not sheet.columns_named(GENE_HEADERS):
        return _from_contrasts(sheet, files[0], usual)
    return _from_long(sheet, usual)


def _from_long(sheet: Sheet, usual: Usual) -> Profiles:
    about = described(sheet, usual)
    codes, names = sheet.distinct(_gene_column(sheet))
    genes, of_name, notes = usable_genes(sheet.path, names)
    value, are_ranks, more = _values(sheet)
    of_gene = of_name[codes]
    used = np.flatnonzero((about.of_row >= 0) & (of_gene >= 0))
    rows = Rows(about.of_row[used], of_gene[used], value[used], lambda row: sheet.row_place(int(used[row])))
    return _profiles(sheet.path, rows, about.signatures, genes, are_ranks, (*about.notes, *notes, *more))


def _profiles(
    path: Path,
    rows: Rows,
    signatures: pd.DataFrame,
    genes: pd.DataFrame,
    are_ranks: bool,
    notes: tuple[str, ...],
) -> Profiles:
    z, repeats = assembled(path, rows, len(signatures), genes["gene"].tolist())
    return Profiles(path, signatures, genes, z, are_ranks, (*notes, *repeats))


def _gene_column(sheet: Sheet) -> int:
    columns = sheet.columns_named((*SYMBOL_HEADERS, *GENE_HEADERS))
    if not columns:
        raise RawDataError(
            f"{sheet.path}: no column of genes (found {shortlist(sheet.header, 10)}); add a column 'gene'"
        )
    return columns[0]


def _values(sheet: Sheet) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Return z-scores, or ranks where there is nothing better, float64 [rows]; which it is; notes."""
    roles = {role: found[0] for role, found in columns_by_role(sheet).items()}
    ranks = sheet.columns_named(RANK_HEADERS)
    if "z" in roles:
        values = sheet.numbers(roles["z"])
        require_direction(sheet.path, sheet.column_place(roles["z"]), values)
        return values, False, ()
    if ranks and not {"statistic", "fold change"} & roles.keys():
        return sheet.numbers(ranks[0]), True, ()
    if not roles:
        raise RawDataError(
            f"{sheet.path}: no column of values (found {shortlist(sheet.header, 10)}); add {_LOOKED_FOR}"
        )
    best = best_values(sheet, roles)
    values = best.values if best.errors is None else best.values / best.errors
    return values, False, best.notes


def _from_contrasts(sheet: Sheet, column: int, usual: Usual) -> Profiles:
    """Read the table of every row of a sheet of contrasts; files are relative to its folder."""
    about = described(sheet, usual)
    signature, gene, values, names = [], [], [], {}
    places: list[tuple[int, Sheet]] = []
    notes: dict[str, int] = {}
    for row, name in enumerate(sheet.names(column)):
        if about.of_row[row] < 0:
            continue
        path = sheet.path.parent / name
        require_file(path, f"{sheet.path}, {sheet.row_place(row)} names it; correct the name")
        table = read_sheet(path)
        value, are_ranks, said = _values(table)
        if are_ranks:
            raise RawDataError(f"{path}: has ranks and no differential expression; add {_LOOKED_FOR}")
        own = gene_names_of(table)
        signature.append(np.full(len(own), about.of_row[row]))
        gene.append(np.array([names.setdefault(each, len(names)) for each in own]))
        values.append(value)
        places.append((len(own), table))
        for note in said:
            notes[note] = notes.get(note, 0) + 1
    genes, of_name, more = usable_genes(sheet.path, list(names))
    of_gene = of_name[np.concatenate(gene)]
    used = np.flatnonzero(of_gene >= 0)

    def place(row: int) -> str:
        number = int(used[row])
        for count, table in places:
            if number < count:
                return f"{table.path.name} {table.row_place(number)}"
            number -= count
        raise IndexError(row)

    rows = Rows(np.concatenate(signature)[used], of_gene[used], np.concatenate(values)[used], place)
    told = tuple(note if count == 1 else f"{note} (so in {count} tables)" for note, count in notes.items())
    return _profiles(sheet.path, rows, about.signatures, genes, False, (*about.notes, *more, *told))


def _from_anndata(path: Path, usual: Usual, layer: str | None) -> Profiles:
    require_anndata(path)
    from anchordrug.raw.anndata_file import open_anndata

    with open_anndata(path) as opened:
        matrix = opened.matrix(layer, of_z=True)
        if matrix.looks_like_counts():
            raise RawDataError(
                f"{path}: {printable(matrix.name, 60)} has whole numbers, which are counts and no z-scores; "
                "compare drugs with controls first, or name another matrix with --layer"
            )
        values = matrix.values()
    require_direction(path, printable(matrix.name, 60), values)
    about = described(matrix.samples, usual)
    genes, of_gene, notes = _genes_of_var(path, matrix.genes)
    used = np.flatnonzero(about.of_row >= 0)
    signatures = about.signatures.iloc[about.of_row[used]].reset_index(drop=True)
    z = np.full((len(used), len(genes)), np.nan, np.float32)
    columns = np.flatnonzero(of_gene >= 0)
    z[:, of_gene[columns]] = values[np.ix_(used, columns)]
    notes = (f"z-scores: {printable(matrix.name, 60)} of AnnData", *about.notes, *notes)
    return Profiles(path, signatures, genes, z, False, notes)


def _genes_of_var(path: Path, var: Sheet) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return genes with the ids that var has, for every row of var that of its gene or -1, and notes."""
    symbols = var.columns_named(SYMBOL_HEADERS)
    names = var.names(symbols[0] if symbols else 0)
    genes, of_gene, notes = usable_genes(path, names)
    if len(np.unique(of_gene[of_gene >= 0])) < (of_gene >= 0).sum():
        row = pd.Series(of_gene).where(of_gene >= 0).duplicated().to_numpy().argmax()
        raise RawDataError(
            f"{path}: gene '{printable(names[row], 60)}' is in several rows of var; keep one of them"
        )
    for column, headers in (("ensembl_id", ENSEMBL_HEADERS), ("gene_id", ENTREZ_HEADERS)):
        own = var.columns_named(headers)
        if own:
            given = pd.Series(var.names(own[0]), dtype=object)[of_gene >= 0]
            by_gene = pd.Series(given.to_numpy(), index=of_gene[of_gene >= 0]).reindex(range(len(genes)))
            genes[column] = by_gene.where(by_gene.astype(bool), genes[column])
    return genes, of_gene, notes
