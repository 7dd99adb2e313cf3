"""AnnData in HDF5: drugs x genes with layers, as scanpy reads it."""

from pathlib import Path

import pyarrow as pa

from anchordrug.prediction.annotated import Annotated
from anchordrug.prediction.writers import FORMATS, Contents, Format

# Rows and the image of the file are in memory, about 60 bytes per row at the peak: 2.2 GiB in all.
MOST_ROWS = 2**25


class H5adWriter:
    """Holds all rows, and writes the file when it is closed."""

    def __init__(self, path: Path, contents: Contents) -> None:
        self.path, self.found = path, Annotated(contents)

    def write_table(self, table: pa.Table) -> None:
        """Take the rows of `table`."""
        self.found.add(table)

    def close(self) -> None:
        """Write the file."""
        import h5py
        from anndata.io import write_elem

        # HDF5 crashes where it cannot write, so it writes to memory.
        with h5py.File(self.path.name, "w", driver="core", backing_store=False) as file:
            write_elem(file, "/", self.found.anndata())
            file.flush()
            image = file.id.get_file_image()
        self.path.write_bytes(image)


FORMATS.register(
    ".h5ad",
    Format(H5adWriter, structures=True, whole=True, most_rows=MOST_ROWS, packages=("anndata", "h5py")),
)
