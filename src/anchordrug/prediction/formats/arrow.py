"""Arrow's file format: large tables that other programs map into memory."""

from pathlib import Path

from pyarrow import ipc

from anchordrug.prediction.writers import FORMATS, Contents, Format, TableWriter


def open_arrow(path: Path, contents: Contents) -> TableWriter:
    """Return a writer of an Arrow file."""
    return ipc.new_file(str(path), contents.schema)


FORMATS.register(".arrow", Format(open_arrow))
