"""AnnData files and folders of matrices, written from tables."""

import gzip
import io
from pathlib import Path

import anndata
import pandas as pd
import scipy.io
import scipy.sparse


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts are of types that every version of anndata writes."""
    texts = {
        name: column
        for name, column in table.items()
        if pd.api.types.is_string_dtype(column) and not isinstance(column.dtype, pd.CategoricalDtype)
    }
    types = {
        name: pd.StringDtype("python") if column.isna().any() else object for name, column in texts.items()
    }
    return table.astype(types).set_axis(table.index.astype(object))


def write_h5ad(path: Path, x, obs: pd.DataFrame, var: pd.DataFrame, *, raw=None, **layers) -> Path:
    """Write [samples, genes] `x`, perhaps with `raw` values of the same shape and layers."""
    with (
        anndata.settings.override(allow_write_nullable_strings=True),
        pd.option_context("mode.string_storage", "python"),
    ):
        data = anndata.AnnData(x, plain(obs), plain(var), layers=layers)
        if raw is not None:
            data.raw = anndata.AnnData(raw, plain(obs), plain(var))
        data.write_h5ad(path, convert_strings_to_categoricals=False)
    return path


def write_folder(folder: Path, counts: pd.DataFrame, *, packed: bool = False, name: str = "matrix") -> Path:
    """Write counts, genes x barcodes, as STARsolo (or, `packed`, CellRanger) does."""
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    scipy.io.mmwrite(buffer, scipy.sparse.coo_array(counts.to_numpy()))
    files = {
        f"{name}.mtx": buffer.getvalue(),
        "barcodes.tsv": "".join(f"{barcode}\n" for barcode in counts.columns).encode(),
        "features.tsv": "".join(
            f"id_{n}\t{g}\tGene Expression\n" for n, g in enumerate(counts.index)
        ).encode(),
    }
    for file, content in files.items():
        path = folder / (f"{file}.gz" if packed else file)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder
