"""CSV; text that starts like a formula gets an apostrophe."""

from pathlib import Path

import pyarrow as pa
from pyarrow.csv import CSVWriter

from anchordrug.files.formulas import escaped
from anchordrug.prediction.writers import FORMATS, Contents, Format


class SafeCsvWriter:
    """Writes tables as CSV that a spreadsheet does not compute."""

    def __init__(self, path: Path, contents: Contents) -> None:
        self.schema = pa.schema([(field.name, _plain(field.type)) for field in contents.schema])
        self.writer = CSVWriter(path, self.schema)

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        table = table.cast(self.schema)
        for place, field in enumerate(self.schema):
            if pa.types.is_string(field.type):
                table = table.set_column(place, field, _escaped(table.column(place)))
        self.writer.write_table(table)

    def close(self) -> None:
        """Complete the file."""
        self.writer.close()


def _escaped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    coded = column.combine_chunks().dictionary_encode()
    texts = pa.array([escaped(text) for text in coded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(coded.indices, texts).cast(pa.string())])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


FORMATS.register(".csv", Format(SafeCsvWriter))
