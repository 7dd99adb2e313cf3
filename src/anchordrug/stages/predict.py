"""Stage predict: every drug of a library x every gene, from an exported predictor alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import typer
from pyarrow import csv, parquet

from anchordrug.atlas import LABELS
from anchordrug.errors import LibraryError
from anchordrug.inference import OnnxPredictor, Parsed, load_onnx, parse
from anchordrug.io import atomic_path, write_table
from anchordrug.progress import track
from anchordrug.raw.library import read_library

DRUGS_A_BATCH = 256
SCHEMA = pa.schema(
    [
        ("drug_id", pa.string()),
        ("gene", pa.string()),
        ("label", pa.string()),
        *((f"p_{name}", pa.float32()) for name in LABELS),
        ("z", pa.float32()),
    ]
)


def run(model: Path, library: Path, out: Path) -> None:
    """Predict every readable drug of `library`; the others go to a rejects table beside `out`.

    Raises
    ------
    LibraryError
        Model or library cannot be used, no structure can be read, or `out` is neither parquet nor CSV.
    """
    if out.suffix not in {".parquet", ".csv"}:
        raise LibraryError(f"{out}: cannot write '{out.suffix}' files; use .parquet or .csv")
    predictor, drugs = load_onnx(model), read_library(library)
    reasons: dict[int, str] = {}
    with atomic_path(out) as temporary, _writer(temporary) as writer:
        for rows in _batches(predictor, drugs, reasons):
            writer.write_table(rows)
        rejects = _rejects(drugs, reasons)
        path = out.with_suffix(".rejects.csv")
        write_table(rejects, path)
        if len(rejects) == len(drugs):
            raise LibraryError(f"{library}: none of its {len(drugs)} structures can be read; see {path}")
    genes = len(predictor.genes)
    typer.echo(f"{out}: {len(drugs) - len(rejects)} drugs x {genes} genes in {predictor.card['target']}")
    if len(rejects):
        typer.echo(f"{path}: {len(rejects)} drugs rejected ({rejects['reason'].iloc[0]}, ...)")


def _writer(path: Path) -> parquet.ParquetWriter | csv.CSVWriter:
    if path.suffix == ".parquet":
        return parquet.ParquetWriter(path, SCHEMA)
    return csv.CSVWriter(path, SCHEMA)


def _batches(predictor: OnnxPredictor, drugs: pd.DataFrame, reasons: dict[int, str]) -> Iterator[pa.Table]:
    """Yield the predictions of a batch of drugs at a time; fill `reasons` with the rejected rows."""
    starts = range(0, len(drugs), DRUGS_A_BATCH)
    for start in track(starts, f"predicting {len(drugs)} drugs", len(starts)):
        batch = drugs.iloc[start : start + DRUGS_A_BATCH]
        parsed = parse(predictor, batch["smiles"].tolist())
        reasons |= {start + position: reason for position, reason in parsed.reasons.items()}
        if parsed.positions:
            yield _long(predictor, batch["drug_id"].iloc[parsed.positions], parsed)


def _long(predictor: OnnxPredictor, drug_ids: pd.Series, parsed: Parsed) -> pa.Table:
    prediction = predictor.predict(parsed.bits, parsed.inchikeys)
    genes = len(predictor.genes)
    flat = prediction.probabilities.reshape(-1, len(LABELS))
    z = pa.nulls(len(flat), pa.float32()) if prediction.z is None else prediction.z.ravel()
    columns = [
        np.repeat(drug_ids.to_numpy(dtype=object), genes),
        np.tile(predictor.genes, len(drug_ids)),
        np.array(LABELS)[prediction.labels].ravel(),
    ]
    return pa.table([*columns, *flat.T.copy(), z], schema=SCHEMA)


def _rejects(drugs: pd.DataFrame, reasons: dict[int, str]) -> pd.DataFrame:
    positions = sorted(reasons)
    return drugs.iloc[positions].assign(
        row=[p + 1 for p in positions], reason=[reasons[p] for p in positions]
    )
