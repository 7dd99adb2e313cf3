"""anchordrug predict --engine ray: the same predictions on a Ray cluster, from and to partitioned parquet.

Ray Data reads, spreads the record batches over actors, starts a lost actor again, and writes; what is done
to a batch is what `anchordrug.prediction.engine` does to a block. Nothing is known of other batches, so
duplicates are predicted each, and rows that cannot be predicted stay in the table with a `reason`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path

import numpy as np
import pyarrow as pa
import typer

from anchordrug.chem.workers import Fingerprinter
from anchordrug.errors import AnchorDrugError, LibraryError, OutputError
from anchordrug.prediction.engine import load_predictors, predict_each
from anchordrug.prediction.inference import opened
from anchordrug.prediction.tables import TableShape, tables
from anchordrug.raw.molecule_text import ColumnNames
from anchordrug.raw.text import one_line

DRUGS_A_BATCH = 1024
_OURS = re.compile(r"^anchordrug\.errors\.\w+: (.+)$", re.MULTILINE)


class _Worker:
    """Predicts record batches: an actor of the cluster, with a process of its own for what rdkit may do."""

    def __init__(
        self, models: Sequence[tuple[str, bytes]], shape: TableShape, columns: tuple[str, str | None]
    ):
        self.predictors = [opened(model, Path(name), threads=1) for name, model in models]
        self.kinds = list(dict.fromkeys(predictor.fingerprint for predictor in self.predictors))
        self.shape, self.columns = shape, columns
        self.fingerprinting = Fingerprinter(self.kinds, workers=1).__enter__()

    def __call__(self, batch: pa.Table) -> pa.Table:
        smiles, key = self.columns
        structures = [
            "" if value is None else str(value).strip() for value in batch.column(smiles).to_pylist()
        ]
        given = [None] * len(batch) if key is None else batch.column(key).to_pylist()
        ids = [None if value is None else str(value).strip() for value in given]
        (results,) = self.fingerprinting.of([structures], ahead=1)
        rows = [place for place, result in enumerate(results) if not isinstance(result, str)]
        drugs = [result for result in results if not isinstance(result, str)]
        predictions = predict_each(self.predictors, self.kinds, drugs)
        # Without an id, a drug is called by its structure: a batch does not know which row it starts with.
        names = [drug_id or structure[:200] for drug_id, structure in zip(ids, structures, strict=True)]
        table = tables(self.shape, self.predictors, [names[row] for row in rows], predictions)
        bad = [(names[place], result) for place, result in enumerate(results) if isinstance(result, str)]
        return _with_reasons(table, bad)


def _with_reasons(table: pa.Table, bad: list[tuple[str, str]]) -> pa.Table:
    """Return `table` as plain text and numbers, with a column `reason` and a row for each bad structure."""
    schema = pa.schema(
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in table.schema
    ).append(pa.field("reason", pa.string()))
    good = table.append_column("reason", pa.nulls(len(table), pa.string())).cast(schema)
    rejects = {name: pa.nulls(len(bad), kind) for name, kind in zip(schema.names, schema.types, strict=True)}
    rejects["drug_id"] = pa.array([name for name, _ in bad], pa.string())
    rejects["reason"] = pa.array([reason for _, reason in bad], pa.string())
    return pa.concat_tables([good, pa.table(rejects, schema=schema)])


def run(
    models: Sequence[Path],
    library: str,
    out: str,
    shape: TableShape,
    smiles_column: str | None,
    id_column: str | None,
) -> None:
    """Predict `library`, a parquet file or folder, into the folder `out`; both may be URLs that fsspec knows.

    Raises
    ------
    LibraryError
        A model or the library cannot be used, or `out` is not empty.
    OutputError
        `out` is in the library.
    AnchorDrugError
        Ray is not installed.
    """
    try:
        import fsspec
        import ray
    except ImportError as error:
        raise AnchorDrugError(
            "--engine ray needs ray, which is not installed; run: pip install 'anchordrug[ray]'"
        ) from error
    predictors = load_predictors(models)
    for predictor in predictors:
        # A model that always fails does so before workers start.
        predictor.predict(np.zeros((1, predictor.fingerprint[1]), np.uint8), [""])
    source, path = fsspec.core.url_to_fs(library)
    target, folder = fsspec.core.url_to_fs(out)
    if not source.exists(path):
        raise LibraryError(f"{library}: no such file or folder; name parquet files with a SMILES column")
    if type(source) is type(target) and f"{realpath(folder)}/".startswith(f"{realpath(path)}/"):
        raise OutputError(f"{out}: is in the library, and would be read as a part of it; name another --out")
    if target.exists(folder) and target.ls(folder):
        raise LibraryError(f"{out}: is not empty; give another folder")
    # An existing cluster, by RAY_ADDRESS or on this machine, or else one of this machine alone.
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    with _said_shortly(library):
        cores = int(ray.cluster_resources()["CPU"])
        data = ray.data.read_parquet(path, filesystem=source)
        header = data.columns() or []
        names = ColumnNames(Path(library), smiles_column, id_column)
        smiles, key = names.found_in(header, called="by structure")
        for note in names.notes:
            typer.echo(f"{library}: {note}")
        columns = header[smiles], None if key is None else header[key]
        predicted = data.select_columns([name for name in columns if name is not None]).map_batches(
            _Worker,
            fn_constructor_args=([(str(path), path.read_bytes()) for path in models], shape, columns),
            batch_format="pyarrow",
            batch_size=DRUGS_A_BATCH,
            # One core is left for reading and writing.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, cores - 1)),
        )
        predicted.write_parquet(folder, filesystem=target)
    targets = ", ".join(predictor.card["target"] for predictor in predictors)
    typer.echo(f"{out}: {len(predictors[0].genes)} genes in {targets}; rows that have a 'reason' are rejects")


@contextmanager
def _said_shortly(library: str) -> Iterator[None]:
    """Turn errors of Ray and of what it reads into one line."""
    import ray

    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise LibraryError(f"{library}: cannot be read as parquet ({one_line(error)})") from error
    except ray.exceptions.RayError as error:
        # Of an error in a worker, Ray keeps the text alone.
        if ours := _OURS.search(str(error)):
            raise LibraryError(ours[1]) from error
        raise
