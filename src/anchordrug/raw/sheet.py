"""Tables as people keep them: text with any separator, spreadsheets, parquet; cell by cell, with places."""

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, counted
from anchordrug.files.formulas import unescaped
from anchordrug.files.kinds import PARQUET, WORKBOOK
from anchordrug.raw.delimited import Header, cells_of, header_of, holds_cells
from anchordrug.raw.text import kind_of_file, one_line, open_text, require_readable
from anchordrug.raw.unpacked import require_sane_size
from anchordrug.raw.workbook import rows_of_workbook

# Column names without case and punctuation (`Sheet.columns_named`), the preferred first.
GENE_HEADERS = (
    *("gene", "genes", "genesymbol", "symbol", "geneid", "genename", "genesymbols", "hgncsymbol", "hgnc"),
    *("ensembl", "ensemblid", "ensemblgeneid", "ensemblgene", "ensgene", "entrez", "entrezid", "entrezgene"),
    *("entrezgeneid", "ncbigeneid", "prgenesymbol", "prgeneid", "names", "feature", "featureid"),
    *("featurename", "rowname", "rownames", "row", "id", "rid", "name"),
)
# Columns of tables of genes, and of tables of samples, besides names and values.
GENE_DESCRIPTIONS = (
    *("chr", "chrom", "chromosome", "start", "end", "strand", "length", "effectivelength", "width"),
    *("description", "genetype", "genebiotype", "biotype", "genetitle", "featurespace", "transcriptid"),
    "transcriptids",
)
SAMPLE_DESCRIPTIONS = (
    *("cellline", "cell", "cellid", "celliname", "sample", "sampleid", "batch", "replicate", "barcode"),
    *("dose", "concentration", "unit", "time", "perttype", "pertdose", "pertidose", "pertdoseunit"),
    *("perttime", "pertitime", "smiles", "inchikey"),
)

# Of a value of parquet in memory, at the least.
_BYTES_PER_VALUE = 8
_MISSING = frozenset(("", "na", "nan", "n/a", "#n/a", "null", "none", "<na>", "nat"))


@dataclass(frozen=True)
class Sheet:
    """The cells of one table.

    Attributes
    ----------
    path
        The file.
    header
        Column names as written, "" where there is none; a name may occur twice.
    cells
        One column per name, labelled 0, 1, ...; text as written, or numbers where the file types them.
    numbers_of_rows, row_noun
        How the user counts the rows: 'line' of a text file, 'row' of a spreadsheet, 'data row' of parquet.
    decimal_comma
        Whether 1,5 may be a number: a text file that is not separated by commas.
    """

    path: Path
    header: list[str]
    cells: pd.DataFrame
    numbers_of_rows: np.ndarray
    row_noun: str
    decimal_comma: bool

    def row_place(self, row: int) -> str:
        """Return where row number `row` (from 0) of `cells` is in the file, as in 'line 2'."""
        return f"{self.row_noun} {self.numbers_of_rows[row]}"

    def column_place(self, column: int) -> str:
        """Return how to find a column: its name, or its number if it has none."""
        name = self.header[column]
        return f"column '{name[:60]}'" if name else f"column {column + 1}"

    def columns_named(self, names: Sequence[str]) -> list[int]:
        """Return the columns with a header of `names`, without case and punctuation, in their order."""
        keys = [plain_header(name) for name in self.header]
        return [column for name in names for column, key in enumerate(keys) if key == name]

    def names(self, column: int) -> list[str]:
        """Return a column as names: stripped text, whole numbers without decimals, "" where empty."""
        return [_name(value) for value in self.cells[column].tolist()]

    def distinct(self, column: int) -> tuple[np.ndarray, list[str]]:
        """Return a column as int64 [rows] positions among its distinct names, and these names."""
        codes, cells = pd.factorize(self.cells[column], use_na_sentinel=False)
        positions: dict[str, int] = {}
        of_cell = [positions.setdefault(_name(cell), len(positions)) for cell in cells.tolist()]
        return np.array(of_cell, np.int64)[codes], list(positions)

    def numbers(self, column: int) -> np.ndarray:
        """Return a column as float64 [rows], NaN where a cell is empty or says that it has no value.

        Raises
        ------
        RawDataError
            A cell holds text or an infinite number.
        """
        cells = self.cells[column]
        values = self._parsed(cells)
        wrong = np.flatnonzero(~np.isfinite(values))
        wrong = wrong[[not _is_missing(value) for value in cells.iloc[wrong]]]
        if len(wrong):
            raise RawDataError(
                f"{self.path}: {self.row_place(wrong[0])}, {self.column_place(column)}: "
                f"'{str(cells.iloc[wrong[0]])[:40]}' is not a number; correct it or remove the row or column"
            )
        return values

    def finite_numbers(self, column: int) -> np.ndarray:
        """Return a column as float64 [rows], all finite.

        Raises
        ------
        RawDataError
            A cell is empty, says that it has no value, or holds text or an infinite number.
        """
        values = self.numbers(column)
        empty = np.flatnonzero(np.isnan(values))
        if len(empty):
            written = _name(self.cells[column].iloc[empty[0]])
            raise RawDataError(
                f"{self.path}: {self.row_place(empty[0])}, {self.column_place(column)} has no value "
                f"('{written}'); fill it or remove the row or column"
            )
        return values

    def is_text(self, column: int) -> bool:
        """Return whether the first cell that is not empty holds text that is not a number."""
        filled = (value for value in self.cells[column].tolist() if not _is_missing(value))
        first = next(filled, None)
        return first is not None and not np.isfinite(self._parsed(pd.Series([first]))[0])

    def _parsed(self, cells: pd.Series) -> np.ndarray:
        values = np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
        if self.decimal_comma and np.isnan(values).any():
            dotted = cells.str.replace(",", ".", regex=False)  # 1.234,5 stays no number
            values = np.where(
                np.isnan(values), np.asarray(pd.to_numeric(dotted, errors="coerce"), dtype=np.float64), values
            )
        return values


def plain_header(name: str) -> str:
    """Return the name of a column without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_sheet(path: Path) -> bool:
    """Return whether a file is text, a workbook or parquet, by its first bytes."""
    return kind_of_file(path) in {None, WORKBOOK, PARQUET}


def read_sheet(path: Path, fewest_columns: int = 2, *, row_names: bool = True) -> Sheet:
    """Read CSV, TSV or other text (comma, semicolon or tab; also gzip), the first sheet of .xlsx, or parquet.

    The first bytes of the file tell which it is. Empty rows and columns are left out, as are leading lines
    of text that start with '#' or '!' or state the separator ('sep=;'). An index of parquet becomes columns.

    Parameters
    ----------
    fewest_columns
        Fewer columns of text are an error, because the separator was not found then.
    row_names
        Whether a header that is one name short, as R writes it, gets an empty first name.

    Raises
    ------
    RawDataError
        The file is missing, of another kind, damaged or empty, a row has more cells than the header, or a
        quotation mark is not closed.
    """
    kind = require_readable(path, (WORKBOOK, PARQUET))
    if kind is WORKBOOK:
        return _read_workbook(path)
    if kind is PARQUET:
        return _read_parquet(path)
    return _read_text(path, fewest_columns, row_names)


def _read_text(path: Path, fewest_columns: int, row_names: bool) -> Sheet:
    with open_text(path) as text:
        (header_line, header_text, separator), first_text = _first_lines(path, text)
        header = cells_of(header_text, separator)
        first = cells_of(first_text, separator)
        if len(header) < fewest_columns:
            raise RawDataError(
                f"{path}: line {header_line} is '{header_text.strip()[:60]}', expected names separated by "
                "commas, semicolons or tabs; export it again"
            )
        if row_names and len(first) == len(header) + 1 and first[-1]:
            header = ["", *header]
        places = _Places(path, separator, header_line, len(header))
        cells, numbers = _cells(text, places, width=max(len(header), len(first)))
    return _trimmed(Sheet(path, header, cells, numbers, "line", decimal_comma=separator != ","))


class _Places(NamedTuple):
    """Where a text has its cells: separator, line of the header, number of columns."""

    path: Path
    separator: str
    header_line: int
    columns: int


def _cells(text: TextIO, places: _Places, width: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the cells below the header and the line of every row, each of up to `width` cells."""
    text.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that it would leave out
            cells = pd.read_csv(
                text,
                sep=places.separator,
                header=None,
                names=list(range(width)),
                index_col=False,
                skiprows=places.header_line,
                dtype="str",
                na_filter=False,
                skip_blank_lines=False,
            )
    except (ValueError, csv.Error, pd.errors.ParserWarning):
        return _cells_row_by_row(text, places)
    text.seek(0)
    spans_lines = sum(1 for _ in text) != places.header_line + len(cells)
    if spans_lines or any(_filled(cells[column]).any() for column in range(places.columns, width)):
        return _cells_row_by_row(text, places)
    return cells[list(range(places.columns))], places.header_line + 1 + np.arange(len(cells))


def _cells_row_by_row(text: TextIO, places: _Places) -> tuple[pd.DataFrame, np.ndarray]:
    """Do the same slowly: for rows of several lines, and to name the line of a row that is wrong."""
    path, separator, header_line, columns = places
    text.seek(0)
    reader = csv.reader(islice(text, header_line, None), delimiter=separator, strict=True)
    rows, numbers = [], []
    line = header_line + 1
    try:
        for cells in reader:
            while len(cells) > columns and not _is_filled(cells[-1]):
                cells.pop()
            if len(cells) > columns:
                raise RawDataError(
                    f"{path}: line {line}: has {counted(len(cells), 'cell')}, the header {columns} (the last "
                    f"is '{cells[-1].strip()[:40]}'); put texts and numbers that hold '{separator}' in quotes"
                )
            rows.append(cells + [""] * (columns - len(cells)))
            numbers.append(line)
            line = header_line + reader.line_num + 1
    except csv.Error as error:
        raise RawDataError(
            f"{path}: line {line}: {one_line(error)}; correct its quotation marks or export it again"
        ) from error
    return pd.DataFrame(rows, columns=range(columns), dtype="str"), np.array(numbers)


def _first_lines(path: Path, text: TextIO) -> tuple[Header, str]:
    """Return the header, and the text of the first row after it."""
    header = header_of(text)
    if header is None:
        raise RawDataError(f"{path}: is empty; export it again")
    first = next(filter(holds_cells, text), None)
    if first is None:
        raise RawDataError(f"{path}: has a header but no rows; export it again")
    return header, first


def _read_workbook(path: Path) -> Sheet:
    rows = rows_of_workbook(path)
    top = next((number for number, row in enumerate(rows) if any(map(_is_filled, row))), None)
    if top is None:
        raise RawDataError(f"{path}: its first sheet is empty; put the table there")
    width = max(len(row) for row in rows)
    padded = [row + [None] * (width - len(row)) for row in rows[top:]]
    cells = pd.DataFrame(padded[1:], columns=range(width), dtype=object)
    header = [_name(value) for value in padded[0]]
    return _trimmed(Sheet(path, header, cells, top + 2 + np.arange(len(cells)), "row", decimal_comma=False))


def _read_parquet(path: Path) -> Sheet:
    try:
        require_sane_size(path, _BYTES_PER_VALUE * _values_in(path), path.stat().st_size)
        table = pd.read_parquet(path)
    # The file carries notes of pandas, which may hold anything, also where pandas looks for something else.
    except (ValueError, OSError, LookupError, TypeError, AttributeError) as error:
        raise RawDataError(
            f"{path}: cannot be read as parquet ({one_line(error)}); write it again"
        ) from error
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    header = [_name(name) for name in table.columns]
    cells = table.set_axis(range(table.shape[1]), axis=1)
    return _trimmed(Sheet(path, header, cells, 1 + np.arange(len(cells)), "data row", decimal_comma=False))


def _values_in(path: Path) -> int:
    """Return how many values a parquet file says that it has; equal values take almost no room in it."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        about = file.metadata
        groups = [about.row_group(place) for place in range(about.num_row_groups)]
        return sum(group.column(place).num_values for group in groups for place in range(group.num_columns))


def _trimmed(sheet: Sheet) -> Sheet:
    """Leave out rows without any filled cell, and columns without name and filled cell."""
    filled = np.stack([_filled(sheet.cells[column]) for column in sheet.cells.columns], axis=1)
    rows = np.asarray(filled.any(axis=1))
    columns = [column for column, name in enumerate(sheet.header) if name or filled[:, column].any()]
    if not rows.any():
        raise RawDataError(f"{sheet.path}: has a header but no rows; export it again")
    return Sheet(
        sheet.path,
        [sheet.header[column] for column in columns],
        sheet.cells.loc[rows, columns].set_axis(range(len(columns)), axis=1).reset_index(drop=True),
        sheet.numbers_of_rows[rows],
        sheet.row_noun,
        sheet.decimal_comma,
    )


def _filled(cells: pd.Series) -> np.ndarray:
    if cells.dtype.kind in "fiub":
        return np.asarray(cells.notna())
    if isinstance(cells.dtype, pd.StringDtype):
        return np.asarray(cells.fillna("").str.strip() != "", dtype=bool)
    return np.array([_is_filled(value) for value in cells.tolist()], dtype=bool)


def _is_filled(value: object) -> bool:
    return _name(value) != ""


def _is_missing(value: object) -> bool:
    return _name(value).lower() in _MISSING


def _name(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return unescaped(str(value).strip())
