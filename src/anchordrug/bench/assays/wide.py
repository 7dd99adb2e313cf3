"""Wide tables of assay results, genes x samples: counts of wells or z-scores of drugs, by their values."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.gene_columns import require_no_dates
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.errors import AssayError, shortlist
from anchordrug.raw.no_genes import is_no_gene, left_out_note
from anchordrug.raw.text import MISSING_TEXT

_WHOLE_IN_COUNTS = 0.5  # share of the values other than 0; real counts have all, log values next to none
_NEGATIVE_IN_Z = 0.1  # share of the values other than 0; z-scores have about half
_SMALLEST_MEDIAN_Z = 0.15  # CMap's weakest profiles have 0.24, log fold changes of expressed genes about 0.1
_EXACT_IN_FLOAT = 2.0**53


class WideTable(NamedTuple):
    """Values float64 [genes, samples], NaN where missing, with names, and with places for messages.

    `gene_place` and `sample_place` return where the gene or sample of a number (from 0) is in the file.
    """

    path: Path
    genes: list[str]
    samples: list[str]
    values: np.ndarray
    gene_place: Callable[[int], str]
    sample_place: Callable[[int], str]


def contents_of(wide: WideTable, plates: Collection[str]) -> Counts | Profiles:
    """Return counts if all values are whole numbers and none is negative, else z-scores.

    Rows that are not genes (`raw.no_genes`) or have no name are left out. Of counts, so are wells without any
    value, and then genes that some well has no value of.

    Raises
    ------
    AssayError
        The values are neither; there is none; a gene has become a date; a well is on no 96- or 384-well
        plate; a well or a drug occurs twice.
    """
    wide, notes = genes_only(wide)
    if not np.isfinite(wide.values).any():
        raise AssayError(f"{wide.path}: holds no value; export it again")
    if _are_counts(wide):
        table = pd.DataFrame(wide.values, pd.Index(wide.genes, name="gene"), _wells(wide, plates))
        complete, more = _complete(wide.path, table)
        return Counts(wide.path, complete.astype(np.int64), (*notes, *more))
    first: dict[str, int] = {}
    for position, name in enumerate(wide.samples):
        if first.setdefault(name, position) != position:
            raise AssayError(
                f"{wide.path}: '{name}' is in {wide.sample_place(first[name])} and in "
                f"{wide.sample_place(position)}; give one profile per drug"
            )
    names, genes = pd.Index(wide.samples, name="name"), pd.Index(wide.genes, name="gene")
    return Profiles(wide.path, pd.DataFrame(wide.values.T, names, genes), "z", notes=notes)


def genes_only(wide: WideTable) -> tuple[WideTable, tuple[str, ...]]:
    """Return `wide` without the rows that are not genes or have no name, and notes on them.

    Raises
    ------
    AssayError
        A gene has become a date.
    """
    unnamed = np.array([name in MISSING_TEXT for name in wide.genes], dtype=bool)
    others = np.array([is_no_gene(name) for name in wide.genes], dtype=bool)
    kept = np.flatnonzero(~others & ~unnamed)
    notes = []
    if others.any():
        notes.append(left_out_note([wide.genes[row] for row in np.flatnonzero(others)]))
    if unnamed.any():
        notes.append(f"{int(unnamed.sum())} rows without the name of a gene are left out")
    only = wide._replace(
        genes=[wide.genes[row] for row in kept],
        values=wide.values[kept],
        gene_place=lambda row: wide.gene_place(int(kept[row])),
    )
    require_no_dates(only.path, only.genes, only.gene_place)
    return only, tuple(notes)


def _complete(path: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return counts [genes x wells] without empty wells and incomplete genes, and notes on them."""
    empty = table.isna().all(axis=0)
    counts = table.loc[:, ~empty]
    missing = counts.isna()
    gaps = missing.any(axis=1)
    notes = []
    if empty.any():
        wells = shortlist([" ".join(filter(None, well)) for well in table.columns[empty]], 3)
        notes.append(f"{int(empty.sum())} wells have no value ({wells}); they count as wells without results")
    if gaps.any():
        notes.append(
            f"{int(gaps.sum())} of {len(counts)} genes ({shortlist(counts.index[gaps], 3)}) have missing "
            f"values in some wells ({missing.to_numpy().mean():.1%} of all) and are left out; write 0 where "
            "no read was counted"
        )
    if gaps.all():
        raise AssayError(
            f"{path}: every gene has missing values in some wells; write 0 where no read was counted"
        )
    return counts[~gaps], tuple(notes)


def _are_counts(wide: WideTable) -> bool:
    """Return True for counts, False for z-scores; missing values are neither.

    Raises
    ------
    AssayError
        The values are neither: some counts are negative or fractional, or all are as normalised values are.
    """
    known = np.isfinite(wide.values)
    values = wide.values[known]
    usable = (values >= 0) & (values == np.floor(values)) & (values < _EXACT_IN_FLOAT)
    if usable.all():
        return True
    nonzero = values[values != 0]
    meant_as_counts = np.mean(nonzero == np.floor(nonzero)) >= _WHOLE_IN_COUNTS
    if not meant_as_counts and np.mean(nonzero < 0) >= _NEGATIVE_IN_Z:
        median = float(np.median(np.abs(values)))
        if median < _SMALLEST_MEDIAN_Z:
            raise AssayError(
                f"{wide.path}: half of the values are within {median:.3g} of 0, so they are not z-scores but "
                "look like log fold changes; give raw counts, z-scores, or a table of differential "
                "expression with p-values"
            )
        return False
    row, column = np.argwhere(known)[np.flatnonzero(~usable)[0]]
    value = wide.values[row, column]
    fault = (
        "is negative"
        if value < 0
        else "is too large"
        if value >= _EXACT_IN_FLOAT
        else "is not a whole number"
    )
    raise AssayError(
        f"{wide.path}: gene '{wide.genes[row]}', well '{wide.samples[column]}': {value:.6g} {fault}; these "
        "look like normalised values or log values: give raw counts, or z-scores of every drug"
    )


def _wells(wide: WideTable, plates: Collection[str]) -> pd.MultiIndex:
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
                f"{wide.path}: well {' '.join(filter(None, well))} is in {wide.sample_place(other)} "
                f"('{wide.samples[other]}') and in {wide.sample_place(position)} ('{name}'); keep one, or "
                "put the plate's name before the well"
            )
        first[well] = position
    return pd.MultiIndex.from_tuples(list(first), names=["plate", "well_position"])
