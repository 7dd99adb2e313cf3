"""Parquet: small files, read by column."""

from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from anchordrug.prediction.writers import FORMATS, TableWriter


def open_parquet(path: Path, schema: pa.Schema) -> TableWriter:
    """Return a writer of a parquet file."""
    # Without Arrow's own schema, every reader sees the names of drugs, genes and labels as text.
    return ParquetWriter(path, schema, compression="zstd", store_schema=False)


FORMATS.register(".parquet", open_parquet)
