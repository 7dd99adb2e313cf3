"""Matrices of samples x genes with a table of samples: counts by well, sums of cells, or profiles."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.bench.assays.claims import claims_of, claims_of_drugs
from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.gene_columns import gene_column_of, no_genes
from anchordrug.bench.assays.reader import AssayFile
from anchordrug.bench.assays.wide import WideTable, contents_of, genes_only
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.anndata_file import open_anndata
from anchordrug.raw.hdf5 import is_anndata
from anchordrug.raw.matrix_market import is_matrix_folder, read_matrix_folder
from anchordrug.raw.sample_columns import ROLES, doses_in_um, is_control, is_vehicle, sample_columns
from anchordrug.raw.sample_matrix import SampleMatrix
from anchordrug.raw.sheet import Sheet

# Of the names of samples, from which on they are wells and another name is a mistake.
_MOST_ARE_WELLS, _LOOKED_AT = 0.5, 1000
_OF_WELLS, _OF_PLATE_MAP = ("well", "plate"), ("drug", "dose", "cell line", "control")
_GROUPED_BY = ("plate", "cell_line", "drug", "dose", "replicate")


class Groups(NamedTuple):
    """Samples of one kind, such as the cells of one drug, dose and line.

    Attributes
    ----------
    table
        As `Samples.table`.
    of_sample
        int [samples]: the row of `table`, -1 for a sample that names no drug.
    """

    table: pd.DataFrame
    of_sample: np.ndarray


def contents_of_samples(
    matrix: SampleMatrix, file: AssayFile, notes: tuple[str, ...] = ()
) -> Counts | Profiles | Samples:
    """Return counts of wells, or else counts of samples, or else profiles.

    Samples of one well are added up. Where no well is named, counts are added up by plate, cell line, drug,
    dose and replicate, as far as the table of samples has them.

    Raises
    ------
    AssayError
        No gene is found; counts have neither wells nor drugs; and as `contents_of`.
    RawDataError
        A value that is to be added up is not a count, or the matrix is too large.
    """
    columns = sample_columns(matrix.samples)
    gene_column, hits = gene_column_of(matrix.genes, file.is_gene)
    if not hits:
        raise no_genes(file.path, matrix.genes.names(gene_column), matrix.genes.header)
    wells = _wells(matrix.samples, columns, file.plates)
    used = _OF_WELLS if wells is not None else tuple(ROLES)
    notes = (*notes, _as_read(matrix, gene_column, {role: columns[role] for role in used if role in columns}))
    if wells is not None:
        unused = [_column(matrix.samples, columns[role]) for role in _OF_PLATE_MAP if role in columns]
        if unused:
            said = "drugs, doses and cell lines of wells are those of the plate map; compared with it: "
            notes = (*notes, said + ", ".join(unused))
        return _by_well(matrix, file, gene_column, wells, notes)
    if not matrix.looks_like_counts():
        return _profiles(matrix, file, gene_column, notes)
    groups = sample_groups(matrix.samples)
    sums = matrix.sums(groups.of_sample, len(groups.table))
    wide, more = genes_only(_wide(matrix, gene_column, list(map(str, groups.table.index)), sums))
    values = pd.DataFrame(wide.values.astype(np.int64), pd.Index(wide.genes, name="gene"))
    return Samples(file.path, values, groups.table, (*notes, *_summed(groups), *more))


def samples_of_counts(path: Path, layer: str | None) -> pd.DataFrame | None:
    """Return the table of samples, as `Samples.table`, of a file of counts without wells; None of others.

    Raises
    ------
    AssayError
        As `sample_groups`.
    RawDataError
        The file cannot be read.
    """
    if is_matrix_folder(path):
        matrix = read_matrix_folder(path, layer)
        return _samples_if_counts(matrix)
    if not path.is_file() or not is_anndata(path):
        return None
    with open_anndata(path) as opened:
        return _samples_if_counts(opened.matrix(layer))


def _samples_if_counts(matrix: SampleMatrix) -> pd.DataFrame | None:
    columns = sample_columns(matrix.samples)
    if _wells(matrix.samples, columns, ()) is not None or not matrix.looks_like_counts():
        return None
    return sample_groups(matrix.samples).table


def sample_groups(samples: Sheet) -> Groups:
    """Return the groups of samples that have no wells, in the order of their first samples.

    Raises
    ------
    AssayError
        No column names drugs, or no sample has one.
    """
    columns = sample_columns(samples)
    if "drug" not in columns:
        raise AssayError(
            f"{samples.path}: no column says in which well, or of which drug, a sample is (found: "
            f"{shortlist(samples.header, 10)}); add the column 'drug' or 'well'"
        )
    empty = [""] * len(samples.cells)
    roles = {name: name.replace("_", " ") for name in _GROUPED_BY}
    table = pd.DataFrame(
        {name: samples.names(columns[role]) if role in columns else empty for name, role in roles.items()}
    )
    table["dose_um"] = doses_in_um(samples, columns)
    controls = samples.names(columns["control"]) if "control" in columns else empty
    table["is_control"] = [
        is_vehicle(drug) or is_control(text) for drug, text in zip(table["drug"], controls, strict=True)
    ]
    # A control has no dose, whatever the table says.
    table.loc[table["is_control"], ["drug", "dose", "dose_um"]] = "", "", np.nan
    used = (table["is_control"] | (table["drug"] != "")).to_numpy()
    if not used.any():
        column = samples.column_place(columns["drug"])
        raise AssayError(f"{samples.path}: {column} names no drug in any row; fill it in")
    own = table[used]
    number = own.groupby([*_GROUPED_BY, "is_control"], sort=False, dropna=False).ngroup().to_numpy()
    of_sample = np.full(len(table), -1)
    of_sample[used] = number
    first = own[~pd.Series(number, own.index).duplicated()]
    return Groups(first.assign(cells=np.bincount(number)).reset_index(drop=True), of_sample)


def _wells(samples: Sheet, columns: dict[str, int], plates: Collection[str]) -> list[str] | None:
    """Return the well of every sample, with its plate where a column has it; None if they have no wells."""
    if "well" in columns:
        wells = samples.names(columns["well"])
        if "plate" not in columns:
            return wells
        both = zip(samples.names(columns["plate"]), wells, strict=True)
        return [f"{plate}:{well}" if plate and well else well for plate, well in both]
    names = samples.names(0)
    first = names[:_LOOKED_AT]
    are_wells = np.mean([parse_plate_and_well(name, plates) is not None for name in first])
    return names if are_wells > _MOST_ARE_WELLS else None


def _by_well(
    matrix: SampleMatrix, file: AssayFile, gene_column: int, wells: list[str], notes: tuple[str, ...]
) -> Counts | Profiles:
    key_of = {well: parse_plate_and_well(well, file.plates) or ("", well) for well in dict.fromkeys(wells)}
    claims = claims_of(matrix.samples, sample_columns(matrix.samples), [key_of[well] for well in wells])
    known = {key: number for number, key in enumerate(filter(_is_named, dict.fromkeys(key_of.values())))}
    of_sample = np.array([known.get(key_of[well], -1) for well in wells])
    lost = int((of_sample < 0).sum())
    if lost:
        notes = (*notes, f"{lost} of {len(wells)} samples are in no well and left out")
    if not known:
        raise AssayError(f"{file.path}: names no well in any sample; fill in the column of wells")
    if len(known) < len(wells) - lost:
        names = [f"{plate}:{well}" if plate else well for plate, well in known]
        values = matrix.sums(of_sample, len(known))
        cells = np.bincount(of_sample[of_sample >= 0])
        notes = (*notes, _sum_note(cells, "wells"))
    else:
        kept = np.flatnonzero(of_sample >= 0)
        names, values = [wells[place] for place in kept], matrix.values()[kept]
    contents = contents_of(_wide(matrix, gene_column, names, values), file.plates)
    return replace(_noted(contents, notes), claims=claims)


def _is_named(key: tuple[str, str]) -> bool:
    return bool(key[1])


def names_of_samples(samples: Sheet, plates: Collection[str]) -> list[str]:
    """Return the drug of every sample, or else its well, or else its own name.

    Raises
    ------
    AssayError
        A sample has none.
    """
    columns = sample_columns(samples)
    names = samples.names(columns["drug"]) if "drug" in columns else _wells(samples, columns, plates)
    names = samples.names(0) if names is None else names
    if "" in names:
        place = samples.row_place(names.index(""))
        raise AssayError(f"{samples.path}: {place} names no drug; fill it in or remove it")
    return names


def _profiles(
    matrix: SampleMatrix, file: AssayFile, gene_column: int, notes: tuple[str, ...]
) -> Counts | Profiles:
    names = names_of_samples(matrix.samples, file.plates)
    wide = _wide(matrix, gene_column, names, matrix.values(), matrix.samples.row_place)
    contents = _noted(contents_of(wide, file.plates), notes)
    return replace(contents, claims=claims_of_profiles(matrix.samples, names))


def claims_of_profiles(samples: Sheet, names: list[str]) -> pd.DataFrame:
    """Return the statements of a table of samples; `names` are those of `names_of_samples`."""
    columns = sample_columns(samples)
    wells = [parse_plate_and_well(name) or ("", "") for name in names]
    if "drug" not in columns and any(well for _, well in wells):
        return claims_of(samples, columns, wells)
    return claims_of_drugs(samples, columns, names)


def _wide(
    matrix: SampleMatrix,
    gene_column: int,
    names: list[str],
    values: np.ndarray,
    place: Callable[[int], str] | None = None,
) -> WideTable:
    """Return `values` [samples, genes] under the samples' `names`."""
    return WideTable(
        matrix.path,
        matrix.genes.names(gene_column),
        names,
        np.ascontiguousarray(values.T),
        matrix.genes.row_place,
        place or (lambda sample: f"sample '{names[sample]}'"),
    )


def _noted(contents: Counts | Profiles, notes: tuple[str, ...]) -> Counts | Profiles:
    return replace(contents, notes=(*notes, *contents.notes))


def _as_read(matrix: SampleMatrix, gene_column: int, columns: dict[str, int]) -> str:
    """Return the notes on the matrix and the columns that were used."""
    shown = [f"genes by {_column(matrix.genes, gene_column)}"]
    shown += [f"{role} by {_column(matrix.samples, columns[role])}" for role in ROLES if role in columns]
    return (
        f"read {matrix.name} of {matrix.shape[0]:,} samples x {matrix.shape[1]:,} genes; {', '.join(shown)}"
    )


def _column(sheet: Sheet, column: int) -> str:
    return f"'{sheet.header[column][:40]}'" if sheet.header[column] else "their names"


def _summed(groups: Groups) -> tuple[str, ...]:
    lost = int((groups.of_sample < 0).sum())
    roles = [name.replace("_", " ") for name in _GROUPED_BY if (groups.table[name] != "").any()]
    notes = (f"{_sum_note(groups.table['cells'].to_numpy(), 'samples')} by {', '.join(roles) or 'control'}",)
    return (*notes, f"{lost:,} cells name no drug and are left out") if lost else notes


def _sum_note(cells: np.ndarray, noun: str) -> str:
    return (
        f"{int(cells.sum()):,} cells are added up to {len(cells)} {noun} of {cells.min():,} to "
        f"{cells.max():,} cells"
    )
