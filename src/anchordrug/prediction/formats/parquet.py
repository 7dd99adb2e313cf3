"""Parquet: small files, read by column."""

from pathlib import Path

from pyarrow.parquet import ParquetWriter

from anchordrug.prediction.writers import FORMATS, Contents, Format, TableWriter


def open_parquet(path: Path, contents: Contents) -> TableWriter:
    """Return a writer of a parquet file."""
    # Without Arrow's own schema, every reader sees the names of drugs, genes and labels as text.
    return ParquetWriter(path, contents.schema, compression="zstd", store_schema=False)


FORMATS.register(".parquet", Format(open_parquet))
