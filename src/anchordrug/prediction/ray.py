"""anchordrug predict --engine ray: the same predictions on a Ray cluster, from and to partitioned parquet.

Ray spreads the portions of the library over actors and starts a lost actor again; a batch is treated
as `anchordrug.prediction.engine` treats a block. Other batches are unknown to it, so duplicates are
predicted each, and rows that cannot be predicted stay in the table with a `reason`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from os.path import realpath
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import typer

import anchordrug
from anchordrug.chem.fingerprints import packed_fingerprints
from anchordrug.chem.structures import standardise
from anchordrug.chem.workers import Fingerprinted, Fingerprinter
from anchordrug.errors import AnchorDrugError, OutputError, WorkerError, require_packages
from anchordrug.files.digests import digest_of, sha256
from anchordrug.prediction.engine import load_predictors, predict_each, require_possible
from anchordrug.prediction.inference import OnnxPredictor, opened
from anchordrug.prediction.portions import Library, Output, library_at
from anchordrug.prediction.tables import TableShape, columns_of, drugs_table, identity_columns, tables
from anchordrug.raw.compound_columns import Identity
from anchordrug.raw.molecule_text import ColumnNames, Compound, compound_of
from anchordrug.raw.molecules import checked, text_of

DRUGS_A_BATCH = 1024
# A portion that ends its actor so often is not tried again; other programs may have taken the memory once.
TRIES = 3


class _Columns(NamedTuple):
    """Columns of the library by name, and the names of the ids in the predictions."""

    structure: str
    key: str | None
    name: str | None
    further: tuple[str, ...]
    identity: list[str]

    def read(self) -> list[str]:
        """Return the columns to be read, each once."""
        names = (self.structure, self.key, self.name, *self.further)
        return list(dict.fromkeys(name for name in names if name is not None))


class _Worker:
    """Predicts and writes portions: an actor of the cluster, with a process of its own for rdkit."""

    def __init__(
        self,
        models: Sequence[tuple[str, bytes]],
        shape: TableShape,
        columns: "_Columns",
        library: Library,
        output: Output,
    ):
        self.predictors = [opened(model, Path(name), threads=1) for name, model in models]
        self.kinds = _kinds(self.predictors)
        self.shape, self.columns, self.library, self.output = shape, columns, library, output
        self.fingerprinting = Fingerprinter(self.kinds, workers=1, smiles=False).__enter__()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Predict portions by their numbers; return in words why one is not predicted or written.

        Ray would show its own words, and a trace, of an error that is raised.
        """
        reasons = []
        for number in batch.column("portion").to_pylist():
            try:
                self.output.write(number, self._predicted(number))
                reasons.append("")
            except AnchorDrugError as error:
                reasons.append(str(error))
        return pa.table({"reason": pa.array(reasons, pa.string())})

    def _predicted(self, number: int) -> Iterator[pa.Table]:
        portion = self.library.read(number, self.columns.read())
        for first in range(0, len(portion), DRUGS_A_BATCH):
            yield self._table(portion.slice(first, DRUGS_A_BATCH))

    def _table(self, batch: pa.Table) -> pa.Table:
        compounds = self._compounds(batch)
        structures = ["" if compound.problem else compound.structure for compound in compounds]
        (results,) = self.fingerprinting.of([structures], ahead=1)
        rows = [place for place, result in enumerate(results) if not isinstance(result, str)]
        drugs = [result for result in results if not isinstance(result, str)]
        predictions = predict_each(self.predictors, self.kinds, drugs)
        identity = self.columns.identity
        good = drugs_table((compounds[row] for row in rows), identity)
        table = tables(self.shape, self.predictors, good, predictions)
        bad = [(compounds[place], result) for place, result in enumerate(results) if isinstance(result, str)]
        rejects = drugs_table((compound for compound, _ in bad), identity)
        return _with_reasons(table, rejects, [compound.problem or reason for compound, reason in bad])

    def _compounds(self, batch: pa.Table) -> list[Compound]:
        structure, key, name, further, _ = self.columns
        read = self.columns.read()
        place: dict[str | None, int] = {column: number for number, column in enumerate(read)}
        identity = Identity(place.get(key), place.get(name), tuple(place[column] for column in further))
        rows = zip(*(map(text_of, batch.column(column).to_pylist()) for column in read), strict=True)
        # Without an id, a drug is called by its structure: a batch does not know which row it starts with.
        found = ((row[place[structure]], row) for row in rows)
        return [checked(compound_of("", text[:200], text, row, identity)) for text, row in found]


def _kinds(predictors: Sequence[OnnxPredictor]) -> list[tuple[int, int]]:
    return list(dict.fromkeys(predictor.fingerprint for predictor in predictors))


def _with_reasons(table: pa.Table, bad: pa.Table, reasons: list[str]) -> pa.Table:
    """Return `table` as plain text and numbers, with a column `reason` and a row for each `bad` drug."""
    schema = pa.schema(
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in table.schema
    ).append(pa.field("reason", pa.string()))
    good = table.append_column("reason", pa.nulls(len(table), pa.string())).cast(schema)
    rejects = {name: pa.nulls(len(bad), kind) for name, kind in zip(schema.names, schema.types, strict=True)}
    rejects |= columns_of(bad) | {"reason": pa.array(reasons, pa.string())}
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

    A run that was broken off resumes with the missing portions.

    Raises
    ------
    LibraryError
        A model or the library cannot be used, or `out` holds something else or cannot be written to.
    OutputError
        `out` is in the library.
    WorkerError
        Workers are killed again and again.
    AnchorDrugError
        Ray is not installed.
    """
    require_packages(("ray",), "--engine ray", "ray")
    import fsspec

    predictors = load_predictors(models)
    require_possible(shape, predictors)
    _try(predictors, shape)
    (source_system, path), (target, folder) = map(fsspec.core.url_to_fs, (library, out))
    if type(source_system) is type(target) and f"{realpath(folder)}/".startswith(f"{realpath(path)}/"):
        raise OutputError(f"{out}: is in the library, and would be read as a part of it; name another --out")
    source = library_at(source_system, path, library)
    names = ColumnNames(Path(library), smiles_column, id_column)
    header = source.headers[0]
    structure, identity = names.found_in(header, called="by structure")
    for note in names.notes:
        typer.echo(f"{library}: {note}")
    key, name = (None if column is None else header[column] for column in identity[:2])
    further = tuple(names.further)
    columns = _Columns(header[structure], key, name, further, identity_columns(further))
    source.require(columns.read())
    output = Output(target, folder, out)
    about = [sha256(model) for model in models], asdict(shape), columns, source.digest()
    done = output.begun(digest_of(anchordrug.__version__, about))
    if done:
        typer.echo(f"{out}: resuming, {len(done)} of {len(source.portions)} portions are done", err=True)
    left = [number for number in range(len(source.portions)) if number not in done]
    files = [(str(path), path.read_bytes()) for path in models]
    if left:
        _spread(left, (files, shape, columns, source, output))
    output.finish()
    targets = ", ".join(predictor.card["target"] for predictor in predictors)
    typer.echo(f"{out}: {len(predictors[0].genes)} genes in {targets}; rows that have a 'reason' are rejects")


def _try(predictors: Sequence[OnnxPredictor], shape: TableShape) -> None:
    """Predict a drug, so that the faults of a model are found before any worker starts."""
    kinds, drug = _kinds(predictors), standardise("CCO")
    packed = packed_fingerprints(drug.molecule, kinds)
    predictions = predict_each(predictors, kinds, [Fingerprinted(drug.inchikey, drug.smiles, packed)])
    tables(
        shape, predictors, drugs_table([Compound("", "ethanol", "CCO")], identity_columns([])), predictions
    )


def _spread(numbers: list[int], arguments: tuple) -> None:
    """Have the portions with these numbers predicted by workers that are made with `arguments`.

    Raises
    ------
    AnchorDrugError
        A worker gives a reason why a portion cannot be predicted.
    WorkerError
        Workers are killed again and again.
    """
    import ray
    from ray.exceptions import OutOfMemoryError, RayActorError

    # An existing cluster, by RAY_ADDRESS or on this machine, or else one of this machine alone.
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    cores = int(ray.cluster_resources()["CPU"])
    portions = ray.data.from_items(
        [{"portion": number} for number in numbers], override_num_blocks=len(numbers)
    )
    reasons = portions.map_batches(
        _Worker,
        fn_constructor_args=arguments,
        batch_format="pyarrow",
        batch_size=1,
        # One core is left for reading and writing.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, cores - 1)),
        max_task_retries=TRIES,
    )
    try:
        for row in reasons.iter_rows():
            if row["reason"]:
                raise AnchorDrugError(row["reason"])
    except (RayActorError, OutOfMemoryError) as error:
        raise WorkerError(
            "Ray's workers were killed again and again, as the system does where memory is short; free "
            "memory or use fewer processes (a cluster of fewer CPUs), then run it again"
        ) from error
