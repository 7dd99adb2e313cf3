"""A signature to search with: gene lists, a table of differential expression, GCT or AnnData."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, near, printable, shortlist
from anchordrug.files.kinds import GCT, HDF5, PARQUET, WORKBOOK, Kind
from anchordrug.raw.aliases import resolve
from anchordrug.raw.changes import (
    columns_by_role,
    lacks_direction,
    signed_by_p,
    signed_statistic,
    without_direction,
)
from anchordrug.raw.gct import open_gct
from anchordrug.raw.gene_names import dates_problem, excel_dates, match_genes
from anchordrug.raw.gene_sets import is_gene_sets, read_gene_sets
from anchordrug.raw.optional import require_anndata
from anchordrug.raw.sample_columns import DRUG_HEADERS
from anchordrug.raw.sheet import GENE_HEADERS, Sheet, read_sheet
from anchordrug.raw.text import MISSING_TEXT, is_number, open_text, require_readable

# For columns whose names do not tell their meaning.
VALUE_HEADERS = ("value",)
# Of columns whose values tell comparisons apart.
COMPARISON_HEADERS = (
    "group",
    "cluster",
    "contrast",
    "comparison",
    "condition",
    "treatment",
    "drug",
    "drugid",
)
SIGNIFICANT = 0.05
# Names that are not symbols: Ensembl and Entrez ids.
_ID = re.compile(r"ENS[A-Z]*\d{6,}(\.\d+)?|\d+")
# In GCT files of CMap's older and newer releases.
SYMBOL_FIELDS = ("pr_gene_symbol", "gene_symbol")


def read_gene_list(path: Path, set_name: str | None = None) -> list[str]:
    """Read gene symbols, one or more a line, separated by white space, commas or semicolons; '#' comments.

    Quotes, as R writes them, are left out.

    Parameters
    ----------
    set_name
        The set to take from a GMT file, which may have several.

    Raises
    ------
    RawDataError
        The file is missing, unreadable or empty, genes have become dates, or it is unclear which set counts.
    """
    if is_gene_sets(path):
        words = _set_called(path, set_name)
    elif set_name is not None:
        raise RawDataError(
            f"{path}: is a list of genes, not a GMT file with sets; leave out the name '{set_name}'"
        )
    else:
        with open_text(path) as text:
            words = [word for line in text for word in re.split(r"[\s,;\"']+", line.split("#")[0]) if word]
    if not words:
        raise RawDataError(f"{path}: holds no genes; write one symbol per line")
    _require_no_dates(path, words, [f"'{word}'" for word in words])
    return list(dict.fromkeys(words))


def _set_called(path: Path, name: str | None) -> list[str]:
    sets = read_gene_sets(path)
    if name is None and len(sets) > 1:
        raise RawDataError(
            f"{path}: holds {len(sets)} gene sets ({shortlist(sets)}); name the set that is meant with "
            "--up-set or --down-set"
        )
    name = next(iter(sets)) if name is None else name
    if name not in sets:
        raise RawDataError(
            f"{path}: no gene set '{name}' (found {shortlist(sets)}){near(name, sets)}; correct the name"
        )
    return [gene.partition(",")[0] for gene in sets[name]]  # Enrichr writes weights, as in 'TP53,1.0'


def _require_no_dates(path: Path, names: Sequence[str], places: Sequence[str]) -> None:
    dated = excel_dates(names)
    if dated:
        raise RawDataError(f"{path}: {dates_problem(dated, [places[gene.position] for gene in dated])}")


def _silent(note: str) -> None:
    """Tell nobody."""


def read_signature(
    path: Path,
    column: str | None = None,
    *,
    genes: Sequence[str] | None = None,
    tell: Callable[[str], object] = _silent,
) -> tuple[dict[str, float], set[str] | None]:
    """Read a value per gene from a table of differential expression (any sheet), GCT or AnnData.

    The value is a signed statistic; else, where a statistic has no direction (F, likelihood ratio, rank sum),
    the normal quantile of the p-value with the sign of the fold change; else the log2 fold change. Rows of
    one gene are averaged.

    Parameters
    ----------
    column
        The column of values; of GCT the signature, the first by default; of AnnData the sample, by its name
        or its drug, the only one by default.
    genes
        Symbols that are asked for; only their repeats are told. All by default.
    tell
        Called with each note for the user on how the file was read.

    Returns
    -------
    tuple
        Gene name -> value, in the order of the file, and the genes that the table calls significant (adjusted
        p-value below 0.05), None if it has no such column.

    Raises
    ------
    RawDataError
        The file is missing or damaged, or has no such column or no genes; or a value is not a number, the
        values have no direction, or several comparisons have the same genes.
    """
    kind = require_readable(path, (GCT, WORKBOOK, PARQUET, HDF5))
    from_matrix = _from_matrix(path, kind, column, genes or (), tell)
    if from_matrix is not None:
        return _by_name(path, *from_matrix, genes, tell), None
    if kind is None and is_gene_sets(path):
        raise RawDataError(
            f"{path}: is a GMT of gene sets; give it with --up or --down, and a set of it by --up-set or "
            "--down-set"
        )
    sheet = _with_header(read_sheet(path), tell)
    names = gene_names_of(sheet)
    _require_one_comparison(sheet, names)
    roles = columns_by_role(sheet)
    found = _by_name(path, names, _values(sheet, roles, column, tell), genes, tell)
    if "adjusted p-value" not in roles:
        return found, None
    p = sheet.numbers(roles["adjusted p-value"][0])
    return found, {name for name, value in zip(names, p, strict=True) if name and value < SIGNIFICANT}


def _require_one_comparison(sheet: Sheet, names: Sequence[str]) -> None:
    """Refuse a table that has genes again for another drug, cluster or contrast."""
    for column in sheet.columns_named(COMPARISON_HEADERS):
        groups = sheet.names(column)
        of_gene: dict[str, str] = {}
        for name, group in zip(names, groups, strict=True):
            if name and of_gene.setdefault(name, group) != group:
                raise RawDataError(
                    f"{sheet.path}: {sheet.column_place(column)} has {len(set(groups))} values "
                    f"({shortlist(sorted(set(groups)), 3)}), and gene '{name}' is in the rows of several; "
                    "keep the rows of one of them"
                )


def _by_name(
    path: Path,
    names: Sequence[str],
    values: np.ndarray,
    genes: Sequence[str] | None,
    tell: Callable[[str], object],
) -> dict[str, float]:
    # Where a test could not be made there is no value; such genes are left out.
    of_gene: dict[str, list[float]] = {}
    for name, value in zip(names, values.tolist(), strict=True):
        if name and np.isfinite(value):
            of_gene.setdefault(name, []).append(value)
    if not of_gene:
        raise RawDataError(f"{path}: none of its {len(names)} genes has a name and a value; export it again")
    used = of_gene if genes is None else set(on_genes(list(of_gene), genes).values())
    repeated = [name for name, found in of_gene.items() if len(found) > 1 and name in used]
    if repeated:
        tell(
            f"{len(repeated)} genes are in several rows ({shortlist(repeated, 3)}); their values are averaged"
        )
    return {name: float(np.mean(found)) for name, found in of_gene.items()}


def gene_names_of(sheet: Sheet) -> list[str]:
    """Return the names of genes, "" where there is none, from a column of symbols rather than of ids.

    Raises
    ------
    RawDataError
        No column names genes, or a spreadsheet has turned names into dates.
    """
    columns = sheet.columns_named(GENE_HEADERS) or ([0] if sheet.is_text(0) else [])
    if not columns:
        raise RawDataError(
            f"{sheet.path}: no column of gene symbols (found {shortlist(sheet.header)}); name it 'gene'"
        )
    names = [["" if name in MISSING_TEXT else name for name in sheet.names(column)] for column in columns]
    symbols = (
        candidate for candidate in names if any(name and not _ID.fullmatch(name) for name in candidate)
    )
    named = next(symbols, names[0])
    _require_no_dates(sheet.path, named, [sheet.row_place(row) for row in range(len(named))])
    return named


def _with_header(sheet: Sheet, tell: Callable[[str], object]) -> Sheet:
    """Return a ranking (.rnk), which has two columns without names, with 'gene' and 'value' as its header."""
    if len(sheet.header) != 2 or not sheet.header[0] or not is_number(sheet.header[1]):
        return sheet
    tell("its first line has a value, so it is read as a ranking without header: genes and values")
    cells = pd.concat([pd.DataFrame([sheet.header]), sheet.cells.astype("str")], ignore_index=True)
    lines = np.concatenate([sheet.numbers_of_rows[:1] - 1, sheet.numbers_of_rows])
    return replace(sheet, header=["gene", "value"], cells=cells, numbers_of_rows=lines)


def _values(
    sheet: Sheet, roles: Mapping[str, Sequence[int]], column: str | None, tell: Callable[[str], object]
) -> np.ndarray:
    """Return float64 [rows], NaN where there is no value."""
    columns = {role: found[0] for role, found in roles.items()}
    if column is not None:
        return _directed(sheet, _column_called(sheet, column))
    statistic = signed_statistic(sheet, columns)
    if statistic is not None and lacks_direction(statistic.values) is None:
        return statistic.values
    if "fold change" in columns:
        changes = _directed(sheet, columns["fold change"])
        undirected = without_direction(sheet, columns)
        if undirected is None:
            return changes
        if "p-value" in columns:
            by_p = signed_by_p(sheet, columns)
            for note in by_p.notes:
                tell(note)
            return by_p.values
        tell(f"{undirected}, so {sheet.column_place(columns['fold change'])} is used")
        return changes
    others = [columns[role] for role in ("statistic", "z") if role in columns]
    named = others or sheet.columns_named(VALUE_HEADERS)
    if not named:
        undirected = without_direction(sheet, columns)
        lacks = f"{undirected}, and there is" if undirected else "there is"
        raise RawDataError(
            f"{sheet.path}: {lacks} no column of signed changes (expected 'stat' or 'log2FoldChange', found "
            f"{shortlist(sheet.header)}); add one, or name it with --column"
        )
    return _directed(sheet, named[0])


def _column_called(sheet: Sheet, column: str) -> int:
    if column not in sheet.header:
        raise RawDataError(
            f"{sheet.path}: no column '{column}' (found {shortlist(sheet.header)}); "
            f"give one of them with --column{near(column, sheet.header)}"
        )
    return sheet.header.index(column)


def _directed(sheet: Sheet, column: int) -> np.ndarray:
    """Return the numbers of a column whose sign tells the direction."""
    values = sheet.numbers(column)
    _require_direction(sheet.path, sheet.column_place(column), values)
    return values


def _require_direction(path: Path, place: str, values: np.ndarray) -> None:
    lacking = lacks_direction(values)
    if lacking:
        option, way = ("--up", "up") if lacking == "negative" else ("--down", "down")
        raise RawDataError(
            f"{path}: {place} has almost no {lacking} value, but the sign must tell whether a gene goes up "
            "or down (p-values, expression, F, likelihood-ratio and rank-sum statistics have no such sign); "
            "name a column of signed changes, such as log2FoldChange, with --column, or give a list of the "
            f"genes that go {way} with {option}"
        )


def _from_matrix(
    path: Path,
    kind: Kind | None,
    column: str | None,
    genes: Sequence[str],
    tell: Callable[[str], object],
) -> tuple[list[str], np.ndarray] | None:
    """Return names of genes and values of one sample of a matrix, None of a table."""
    if kind is HDF5:
        return _from_anndata(path, column, tell)
    is_gct = kind is GCT or path.name.lower().endswith((".gct", ".gct.gz"))
    return _from_gct(path, column, genes) if is_gct else None


def _from_gct(path: Path, column: str | None, genes: Sequence[str]) -> tuple[list[str], np.ndarray]:
    with open_gct(path) as matrix:
        ids = matrix.signature_ids
        if column is not None and column not in ids:
            raise RawDataError(
                f"{path}: no signature '{column}' (found {shortlist(ids)}); "
                f"give one of them with --column{near(column, ids)}"
            )
        place = 0 if column is None else list(ids).index(column)
        rows = np.arange(len(matrix.gene_ids))
        values = np.concatenate([block for _, block in matrix.blocks(np.array([place]), rows)])[0]
        field = next((name for name in SYMBOL_FIELDS if name in matrix.genes), "gene_id")
        # GCT 1.2 has ids and descriptions, of which either may be the symbols.
        wanted = {gene.casefold() for gene in genes}
        hits = {name: matrix.genes[name].str.casefold().isin(wanted).sum() for name in matrix.genes}
        field = max((field, *hits), key=hits.__getitem__)
        names = matrix.genes[field].fillna("").tolist()
    _require_direction(path, f"signature '{ids[place]}'", values)
    return names, values


def _from_anndata(
    path: Path, column: str | None, tell: Callable[[str], object]
) -> tuple[list[str], np.ndarray]:
    require_anndata(path)
    from anchordrug.raw.anndata_file import open_anndata

    with open_anndata(path) as opened:
        row = _sample_called(opened.obs, column)
        matrix = opened.matrix(of_z=True)
        values = matrix.rows([row])[0]
        named = gene_names_of(matrix.genes)
    place = f"{matrix.name} of sample '{opened.obs.names(0)[row][:60]}'"
    tell(f"read {printable(place, 100)}")
    _require_direction(path, place, values)
    return named, values


def _sample_called(obs: Sheet, column: str | None) -> int:
    """Return the row of the sample that has this name or drug, of several the only one."""
    names = obs.names(0)
    drugs = [obs.names(place) for place in obs.columns_named(DRUG_HEADERS)[:1]]
    rows = list(range(len(names)))
    if column is not None:
        found = ([row for row, name in enumerate(known) if name == column] for known in (names, *drugs))
        rows = next(filter(None, found), [])
    if len(rows) == 1:
        return rows[0]
    shown = drugs[0] if drugs else names
    if not rows:
        raise RawDataError(
            f"{obs.path}: no sample '{column}' (found {shortlist(dict.fromkeys(shown))}); give one of them "
            f"with --column{near(str(column), shown)}"
        )
    raise RawDataError(
        f"{obs.path}: has {len(rows)} samples{'' if column is None else f' of {column!r}'} "
        f"({shortlist(names[row] for row in rows)}); name one of them with --column"
    )


def on_genes(
    names: Sequence[str], genes: Sequence[str], ids: Mapping[str, Sequence[str | None]] | None = None
) -> dict[str, str]:
    """Return which of `names` stands for each of `genes`.

    Names are symbols of any age and case, also next to an id, as in 'TSPAN6 (7105)' and 'ENSG..._TSPAN6'.
    With the `ids` of the genes, 'entrez' and 'ensembl' in their order, names may be such ids.
    """
    found = resolve(genes, names)
    others = [gene for gene in genes if gene not in found]
    taken = set(found.values())
    left = [name for name in names if name not in taken]
    columns = {"gene_id": None} if ids is None else {"gene_id": ids["entrez"], "ensembl_id": ids["ensembl"]}
    table = pd.DataFrame({"gene": genes, **columns})
    match = match_genes(left, table[table["gene"].isin(others)].reset_index(drop=True))
    for name, row in zip(left, match.rows.tolist(), strict=True):
        if row >= 0:
            found.setdefault(others[row], name)
    return {gene: found[gene] for gene in genes if gene in found}
