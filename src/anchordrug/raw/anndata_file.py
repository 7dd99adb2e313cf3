"""AnnData in .h5ad: tables of samples (obs) and genes (var), and one of its matrices, read in blocks."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from anchordrug.errors import AnchorDrugError, RawDataError, near, shortlist
from anchordrug.files.kinds import HDF5
from anchordrug.raw.anndata_matrix import blocks_of
from anchordrug.raw.hdf5 import DAMAGE, damaged, has_anndata, open_hdf5
from anchordrug.raw.optional import require_anndata
from anchordrug.raw.sample_matrix import SampleMatrix
from anchordrug.raw.sheet import Sheet, plain_header
from anchordrug.raw.text import one_line, require_readable
from anchordrug.raw.unpacked import require_sane_size

# Usual names of a layer of raw counts, or of z-scores, without case and punctuation.
COUNT_LAYERS = ("counts", "rawcounts", "rawcount", "count", "umicounts", "umis", "umi", "raw")
Z_LAYERS = ("z", "zscore", "zscores", "modz")

_REMEDY = "open it with anndata in Python and write it again with adata.write_h5ad"
_MOST_BYTES = 2**29  # of one table of samples or genes


@dataclass(frozen=True)
class AnnDataFile:
    """An open .h5ad.

    Attributes
    ----------
    path
        The file.
    obs
        One row per sample: its name, then the columns of obs.
    names
        Names of its matrices: 'X', 'raw' and the layers, as far as the file has them.
    """

    path: Path
    obs: Sheet
    names: tuple[str, ...]
    file: h5py.File

    def matrix(self, layer: str | None = None, *, of_z: bool = False) -> SampleMatrix:
        """Return one matrix with its genes.

        Without `layer` it is the first of: a layer named as counts are, X or raw if they hold counts, a layer
        named as z-scores are, X, the only layer. With `of_z` the search starts at the layer of z-scores.

        Raises
        ------
        RawDataError
            There is no such matrix, or the first choice is unclear, or it is damaged.
        """
        if layer is not None:
            if layer not in self.names:
                raise RawDataError(
                    f"{self.path}: has no matrix '{layer}' (found: {shortlist(self.names, 10)})"
                    f"{near(layer, self.names)}; name one of them with --layer"
                )
            return self._matrix(layer)
        layers = [name for name in self.names if name not in ("X", "raw")]
        if not of_z:
            counts = _called(layers, COUNT_LAYERS)
            if counts:
                return self._matrix(counts[0])
            for name in ("X", "raw"):
                if name in self.names and (found := self._matrix(name)).looks_like_counts():
                    return found
        z = _called(layers, Z_LAYERS)
        if z:
            return self._matrix(z[0])
        if "X" in self.names:
            return self._matrix("X")
        if len(self.names) == 1:
            return self._matrix(self.names[0])
        problem = f"has several matrices ({shortlist(self.names, 10)})" if self.names else "has no matrix"
        remedy = "name one of them with --layer" if self.names else "write the values as X"
        raise RawDataError(f"{self.path}: {problem} and no X; {remedy}")

    def _matrix(self, name: str) -> SampleMatrix:
        place = {"X": "X", "raw": "raw/X"}.get(name, f"layers/{name}")
        genes = _table(self.path, self.file, "raw/var" if name == "raw" else "var", "gene")
        shape = len(self.obs.cells), len(genes.cells)
        try:
            blocks = blocks_of(self.path, self.file[place], shape)
        except DAMAGE as error:
            raise damaged(self.path, error) from error
        return SampleMatrix(self.path, name, self.obs, genes, blocks)


@contextmanager
def open_anndata(path: Path) -> Iterator[AnnDataFile]:
    """Open an .h5ad file, for as long as the ``with`` block lasts.

    Only the tables of samples and genes are read before values are asked for. No object is unpickled, and
    nothing outside the file is read.

    Raises
    ------
    RawDataError
        The file is missing, cut, no HDF5, shows other files, or is not laid out as AnnData.
    """
    kind = require_readable(path, (HDF5,))
    if kind is not HDF5:
        raise RawDataError(f"{path}: is not an HDF5 file, so no AnnData; {_REMEDY}")
    require_anndata(path)
    with open_hdf5(path) as file:
        try:
            if not has_anndata(file):
                raise RawDataError(f"{path}: has no tables /obs and /var, so it is not AnnData; {_REMEDY}")
            layers = file.get("layers")
            names = [name for name, place in (("X", "X"), ("raw", "raw/X")) if file.get(place) is not None]
            names += list(layers) if isinstance(layers, h5py.Group) else []
        except DAMAGE as error:
            raise damaged(path, error) from error
        yield AnnDataFile(path, _table(path, file, "obs", "observation"), tuple(names), file)


def read_obs(path: Path) -> Sheet:
    """Read the table of samples of an .h5ad: their names, then the columns of obs.

    Raises
    ------
    RawDataError
        As `open_anndata`.
    """
    with open_anndata(path) as opened:
        return opened.obs


def _called(layers: list[str], names: tuple[str, ...]) -> list[str]:
    keys = {plain_header(layer): layer for layer in reversed(layers)}
    return [keys[name] for name in names if name in keys]


def _table(path: Path, file: h5py.File, place: str, noun: str) -> Sheet:
    """Return the table at `place`; `noun` calls one of its rows."""
    try:
        group = file.get(place)
        if not isinstance(group, h5py.Group) or group.attrs.get("encoding-type") != "dataframe":
            raise RawDataError(
                f"{path}: /{place} is not a table as anndata 0.7 and later write it; {_REMEDY}"
            )
        _require_sane(path, group)
    except DAMAGE as error:
        raise damaged(path, error) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that will change
            from anndata.io import read_elem

            table: Any = read_elem(group)
        header = [_header(table.index.name), *(str(name) for name in table.columns)]
        columns = [table.index.to_series(), *(table[name] for name in table.columns)]
        cells = {number: _cells(column) for number, column in enumerate(columns)}
    except (AnchorDrugError, MemoryError):
        raise
    except Exception as error:  # anndata and pandas have errors of many kinds for tables that contradict
        raise RawDataError(f"{path}: /{place} cannot be read ({one_line(error)}); {_REMEDY}") from error
    if not len(table):
        raise RawDataError(f"{path}: /{place} has no rows; write the file again with its {noun}s")
    rows = np.arange(1, len(table) + 1)
    return Sheet(path, header, pd.DataFrame(cells), rows, noun, decimal_comma=False)


def _header(name: object) -> str:
    return "" if name in (None, "_index", "index") else str(name)


def _cells(column: pd.Series) -> pd.Series:
    """Return numbers as they are, and all else as objects, None where missing."""
    values = column.reset_index(drop=True)
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu":
        return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = np.array([*values.cat.categories.astype(object), None], dtype=object)
        return pd.Series(known[values.cat.codes.to_numpy()], dtype=object)
    return values.astype(object).where(values.notna(), None)


def _require_sane(path: Path, group: h5py.Group) -> None:
    """Refuse a table that unpacks to far more than the file."""
    sizes: list[int] = []
    group.visititems(lambda _, thing: sizes.append(thing.nbytes) if isinstance(thing, h5py.Dataset) else None)
    require_sane_size(path, sum(sizes), path.stat().st_size)
    if sum(sizes) > _MOST_BYTES:
        raise RawDataError(
            f"{path}: {group.name} has {sum(sizes) / 2**20:,.0f} MiB, more than {_MOST_BYTES // 2**20} for a "
            "table; keep only the columns that are needed, or fewer rows"
        )
