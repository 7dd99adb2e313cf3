"""Folders with a Matrix Market matrix and the names of its rows and columns, as STARsolo and 10x write."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted, near, shortlist
from anchordrug.files.kinds import MARKET, MARKET_FOLDER
from anchordrug.raw.sample_columns import BARCODE_HEADERS, sample_columns
from anchordrug.raw.sample_matrix import SampleMatrix
from anchordrug.raw.sheet import Sheet, is_sheet, read_sheet
from anchordrug.raw.text import kind_of_file, one_line, open_text, text_lines

_MATRIX = "matrix"
_BARCODES = ("barcodes.tsv", "barcodes.tsv.gz")
_GENES = ("features.tsv", "features.tsv.gz", "genes.tsv", "genes.tsv.gz")
_GENE_COLUMNS: tuple[str, ...] = ("gene_id", "gene_name", "feature_type")
_EXPRESSION = "Gene Expression"
_FIELDS = ("integer", "real", "unsigned-integer")
_MOST_ENTRIES, _CHUNK = 2**26, 2**20  # 1.5 GiB in memory
_LONGEST_LINE = 1000
# STARsolo shares reads that map to several genes among these, so its counts have fractions.
_SHARED = "UniqueAndMult"
_REMEDY = "export the folder again"


class _Files(NamedTuple):
    """A matrix of a folder by its name, and the files of its names; `tables` may describe the barcodes."""

    name: str
    matrix: Path
    barcodes: Path
    genes: Path
    tables: tuple[Path, ...]


def is_matrix_folder(path: Path) -> bool:
    """Return whether a path is a folder with a Matrix Market matrix."""
    return path.is_dir() and kind_of_file(path) is MARKET_FOLDER


def read_matrix_folder(path: Path, layer: str | None = None) -> SampleMatrix:
    """Read a matrix of genes x barcodes, and the table in its folder that describes the barcodes, if any.

    That table has a column of barcodes, and at least one of wells or drugs; a barcode's suffix, as in
    'ACGT-1', is left out. Samples have the barcode in their first column, then the columns of the table;
    None where the table does not have the barcode. Genes have the columns gene_id, gene_name and feature_type
    as far as the file has them; other features than genes get the prefix 'adt-'.

    Parameters
    ----------
    layer
        Which matrix, by the name of its file without .mtx; by default 'matrix', or the only one.

    Raises
    ------
    RawDataError
        A file is missing, damaged or absurdly large, or the files contradict each other.
    """
    files = _files(path, layer)
    genes = _genes(path, files.genes)
    barcodes = [cells[0] for cells in _rows(files.barcodes)]
    samples = _described(path, barcodes, files.tables)
    values = _values(files, (len(genes.cells), len(barcodes)))

    def blocks() -> Iterator[tuple[slice, slice, Any]]:
        yield slice(0, values.shape[0]), slice(0, values.shape[1]), values

    return SampleMatrix(path, files.name, samples, genes, blocks)


def is_shared(matrix: SampleMatrix) -> bool:
    """Return whether the counts have fractions, because reads are shared among genes."""
    return matrix.name.startswith(_SHARED)


def _files(path: Path, layer: str | None) -> _Files:
    entries = sorted(entry for entry in path.iterdir() if entry.is_file() and entry.name[0] != ".")
    matrices: dict[str, Path] = {}
    for entry in entries:
        name = entry.name.removesuffix(".gz")
        if not name.endswith(".mtx"):
            continue
        other = matrices.setdefault(name.removesuffix(".mtx"), entry)
        if other != entry:
            raise RawDataError(f"{path}: has {other.name} and {entry.name}; remove one of them")
    name = layer or (_MATRIX if _MATRIX in matrices or len(matrices) != 1 else next(iter(matrices)))
    if name not in matrices:
        raise RawDataError(
            f"{path}: has no {name}.mtx (matrices: {shortlist(matrices)}){near(name, matrices)}; name one of "
            "them with --layer"
        )
    names = {entry.name: entry for entry in entries}
    barcodes, genes = (_only(path, names, known) for known in (_BARCODES, _GENES))
    others = tuple(entry for entry in entries if entry not in (barcodes, genes, *matrices.values()))
    return _Files(name, matrices[name], barcodes, genes, others)


def _only(path: Path, names: dict[str, Path], known: tuple[str, ...]) -> Path:
    found = [names[name] for name in known if name in names]
    if len(found) != 1:
        problem = f"has {shortlist(file.name for file in found)}" if found else f"has no {known[0]}"
        remedy = "keep one of them" if found else "add it next to the matrix"
        raise RawDataError(f"{path}: {problem}; {remedy}")
    return found[0]


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of every line of a text separated by tabs, without header."""
    rows = [[cell.strip() for cell in line.rstrip("\r\n").split("\t")] for _, line in text_lines(path)]
    empty = next((number for number, cells in enumerate(rows, start=1) if not cells[0]), None)
    if empty is not None:
        raise RawDataError(f"{path}: line {empty} has no name; {_REMEDY}")
    if not rows:
        raise RawDataError(f"{path}: is empty; {_REMEDY}")
    return rows


def _genes(folder: Path, path: Path) -> Sheet:
    rows = _rows(path)
    width = min(len(_GENE_COLUMNS), max(map(len, rows)))
    padded = [[*cells, *[""] * width][:width] for cells in rows]
    for cells in padded:
        if len(cells) == len(_GENE_COLUMNS) and cells[2] not in ("", _EXPRESSION):
            cells[:2] = [f"adt-{name}" for name in cells[:2]]
    numbers = np.arange(1, len(rows) + 1)
    header = list(_GENE_COLUMNS[:width])
    return Sheet(folder, header, pd.DataFrame(padded, dtype=object), numbers, f"{path.name} line", False)


def _described(path: Path, barcodes: list[str], tables: tuple[Path, ...]) -> Sheet:
    """Return the barcodes with the further columns of the folder's table of barcodes."""
    found = [sheet for table in tables if (sheet := _table_of_barcodes(table)) is not None]
    if len(found) > 1:
        names = shortlist(sheet.path.name for sheet in found)
        raise RawDataError(f"{path}: {names} both describe barcodes; keep one of them in the folder")
    numbers = np.arange(1, len(barcodes) + 1)
    if not found:
        cells = pd.DataFrame({0: pd.Series(barcodes, dtype=object)})
        return Sheet(path, ["barcode"], cells, numbers, "barcode", False)
    (sheet,) = found
    column = sheet.columns_named(BARCODE_HEADERS)[0]
    row_of: dict[str, int] = {}
    for row, barcode in enumerate(sheet.names(column)):
        if row_of.setdefault(_plain(barcode), row) != row:
            first = sheet.row_place(row_of[_plain(barcode)])
            raise RawDataError(
                f"{sheet.path}: {sheet.row_place(row)}: barcode '{barcode[:40]}' is in {first}, too; give "
                "each barcode one row"
            )
    rows = np.array([row_of.get(_plain(barcode), -1) for barcode in barcodes])
    if (rows < 0).all():
        raise RawDataError(
            f"{sheet.path}: has none of the barcodes of the matrix ({shortlist(barcodes, 3)}); write them as "
            "there"
        )
    others = [place for place in range(len(sheet.header)) if place != column]
    cells = {0: pd.Series(barcodes, dtype=object)}
    for number, other in enumerate(others, start=1):
        known = np.array([*sheet.cells[other].astype(object), None], dtype=object)
        cells[number] = pd.Series(known[rows], dtype=object)
    header = ["barcode", *(sheet.header[other] for other in others)]
    return Sheet(path, header, pd.DataFrame(cells), numbers, "barcode", sheet.decimal_comma)


def _table_of_barcodes(path: Path) -> Sheet | None:
    if not is_sheet(path):
        return None
    try:
        sheet = read_sheet(path, row_names=False)
    except RawDataError:
        return None  # a log or a list that happens to be next to the matrix
    roles = sample_columns(sheet)
    return sheet if sheet.columns_named(BARCODE_HEADERS) and roles.keys() & {"well", "drug"} else None


def _plain(barcode: str) -> str:
    return barcode.partition("-")[0].upper()


def _values(files: _Files, shape: tuple[int, int]) -> Any:
    """Return the matrix as scipy's csr array float64 [barcodes, genes]; `shape` is genes x barcodes."""
    from scipy.sparse import coo_array

    path = files.matrix
    with open_text(path, (MARKET,)) as text:
        size, entries = _header(path, text)
        across = size == shape[::-1] and size != shape
        if size != shape and not across:
            raise RawDataError(
                f"{path}: is {size[0]} x {size[1]}, but there are {counted(shape[0], 'gene')} and "
                f"{counted(shape[1], 'barcode')}; {_REMEDY}"
            )
        found = _entries(path, text)
    if len(found) != entries:
        has = counted(len(found), "entry", "entries")
        raise RawDataError(f"{path}: has {has}, but its header states {entries:,}; {_REMEDY}")
    places = found[["row", "column"]].to_numpy() - 1
    outside = ((places < 0) | (places >= size)).any(axis=1)
    if outside.any():
        row, column = places[outside.argmax()] + 1
        raise RawDataError(
            f"{path}: has an entry in row {row} and column {column} of {size[0]} x {size[1]}; {_REMEDY}"
        )
    matrix = coo_array((found["value"].to_numpy(), (places[:, 0], places[:, 1])), shape=size)
    return (matrix if across else matrix.T).tocsr()


def _header(path: Path, text: TextIO) -> tuple[tuple[int, int], int]:
    """Read the lines before the entries; return the numbers of rows and columns, and of entries."""
    kind = text.readline(_LONGEST_LINE).lower().split()[1:]
    if kind[:2] != ["matrix", "coordinate"] or kind[2:] not in ([field, "general"] for field in _FIELDS):
        raise RawDataError(
            f"{path}: is a matrix of kind '{' '.join(kind)[:60]}', expected 'matrix coordinate integer "
            f"general'; {_REMEDY}"
        )
    line = next((line for line in text if line.strip() and not line.startswith("%")), "")
    numbers = line.split()
    if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise RawDataError(f"{path}: has no line with the numbers of rows, columns and entries; {_REMEDY}")
    rows, columns, entries = map(int, numbers)
    return (rows, columns), entries


def _entries(path: Path, text: TextIO) -> pd.DataFrame:
    """Return row and column (from 1) and value of every entry."""
    parts, count = [], 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that it would leave out
            reader = pd.read_csv(
                text,
                sep=r"\s+",
                header=None,
                names=["row", "column", "value"],
                index_col=False,
                dtype={"row": np.int64, "column": np.int64, "value": np.float64},
                na_filter=False,
                chunksize=_CHUNK,
            )
            for part in reader:
                parts.append(part)
                count += len(part)
                if count > _MOST_ENTRIES:
                    raise RawDataError(f"{path}: has more than {_MOST_ENTRIES:,} entries; write .h5ad")
    except pd.errors.EmptyDataError:
        return pd.DataFrame({"row": [], "column": [], "value": []}, dtype=np.int64)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise RawDataError(f"{path}: cannot be read ({one_line(error)}); {_REMEDY}") from error
    return pd.concat(parts, ignore_index=True)
