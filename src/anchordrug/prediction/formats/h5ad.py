"""AnnData in HDF5: drugs x genes with layers, as scanpy reads it."""

from pathlib import Path

import pyarrow as pa

from anchordrug.prediction.annotated import Annotated
from anchordrug.prediction.writers import FORMATS, Contents, Format

# anndata writes from memory, where a row takes some 40 bytes at the peak: 2.5 GiB in all.
MOST_ROWS = 2**26


class H5adWriter:
    """Holds all rows, and writes the file when it is closed."""

    def __init__(self, path: Path, contents: Contents) -> None:
        self.path, self.found = path, Annotated(contents)

    def write_table(self, table: pa.Table) -> None:
        """Take the rows of `table`."""
        self.found.add(table)

    def close(self) -> None:
        """Write the file."""
        # HDF5 locks a file that it writes, and this one is locked already: it gets a new one of this name.
        self.path.unlink()
        self.found.anndata().write_h5ad(self.path, convert_strings_to_categoricals=False)


FORMATS.register(
    ".h5ad", Format(H5adWriter, structures=True, whole=True, most_rows=MOST_ROWS, packages=("anndata",))
)
