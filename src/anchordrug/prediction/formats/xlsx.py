"""Excel workbooks for people: a sheet of drugs, one of all predictions, one of rejects."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from anchordrug.files.workbooks import safe_text, save_workbook
from anchordrug.prediction.writers import FORMATS, Contents, Format

# Excel's own limits; the header is a row too.
MOST_ROWS, MOST_COLUMNS = 2**20 - 1, 2**14
# Columns in front of the genes of a wide table, further ids among them.
_NOT_GENES = 100
CERTAIN_GENES = 10
DECIMALS = 6
_KEYS = ("target", "drug_id", "name")


class XlsxWriter:
    """Writes each row as it comes; the columns of a drug go to the sheet of drugs, once for each."""

    def __init__(self, path: Path, contents: Contents) -> None:
        from openpyxl import Workbook

        self.path, self.contents = path, contents
        self.book = Workbook(write_only=True)
        self.columns = {"drugs": list(contents.of_drug)}
        rest = [name for name in contents.schema.names if name not in contents.of_drug]
        if rest:
            self.columns["predictions"] = [*(name for name in _KEYS if name in contents.of_drug), *rest]
        self.sheets = {}
        for title, names in [*self.columns.items(), ("rejects", contents.rejects[0])]:
            self.sheets[title] = sheet = self.book.create_sheet(title)
            sheet.freeze_panes = "A2"
            sheet.append([safe_text(name) for name in names])
        self.last: tuple[object, ...] | None = None

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        if "predictions" in self.columns:
            self._append("predictions", table)
            table = table.take(pa.array(self._first_rows(table)))
        self._append("drugs", table)

    def _first_rows(self, table: pa.Table) -> np.ndarray:
        """Return the rows with which a drug of a target begins, int64."""
        keys = [table.column(name).to_numpy() for name in ("target", "drug_id")]
        begins = np.ones(len(table), bool)
        begins[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        first = tuple(key[0] for key in keys)
        begins[0] = first != self.last
        self.last = tuple(key[-1] for key in keys)
        return np.flatnonzero(begins)

    def _append(self, title: str, table: pa.Table) -> None:
        sheet = self.sheets[title]
        columns = [_cells(table.column(name)) for name in self.columns[title]]
        for row in zip(*columns, strict=True):
            sheet.append(row)

    def close(self) -> None:
        """Add the rejects, and complete the file."""
        try:
            self._complete()
        except BaseException:
            # A sheet that is left open complains on the screen when Python ends.
            for sheet in self.sheets.values():
                with suppress(Exception):
                    sheet.close()
            raise

    def _complete(self) -> None:
        rows = iter(self.contents.rejects[1]())
        for row in islice(rows, MOST_ROWS - 1):
            self.sheets["rejects"].append([safe_text(cell) for cell in row])
        if next(rows, None) is not None:
            self.sheets["rejects"].append(["and more, in the file of rejects next to this file"])
        save_workbook(self.book, self.path)


def _cells(column: pa.ChunkedArray) -> Iterable[Any]:
    """Return the cells of a column: safe texts, rounded numbers, None where there is no value."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy().astype(np.float64)
        if column.type == pa.float32():
            values = np.round(values, DECIMALS)
        return [None if value != value else value for value in values.tolist()]
    if pa.types.is_integer(column.type):
        return column.to_pylist()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    coded = column.combine_chunks().dictionary_encode()
    texts = [*map(safe_text, coded.dictionary.to_pylist()), None]
    return [texts[code] for code in coded.indices.fill_null(len(texts) - 1).to_pylist()]


FORMATS.register(
    ".xlsx",
    Format(
        XlsxWriter,
        structures=True,
        certain=CERTAIN_GENES,
        most_rows=MOST_ROWS,
        most_genes=MOST_COLUMNS - _NOT_GENES,
        remedy="give predict --layout wide or --top, or write .parquet instead",
        packages=("openpyxl",),
    ),
)
