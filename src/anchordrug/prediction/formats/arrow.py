"""Arrow's file format: large tables that other programs map into memory."""

from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from anchordrug.prediction.writers import FORMATS, TableWriter


def open_arrow(path: Path, schema: pa.Schema) -> TableWriter:
    """Return a writer of an Arrow file."""
    return ipc.new_file(str(path), schema)


FORMATS.register(".arrow", open_arrow)
