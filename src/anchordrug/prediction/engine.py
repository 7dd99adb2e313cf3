"""Stage predict: every drug of a library x every gene, from exported predictors alone, in flat memory."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import typer

import anchordrug
from anchordrug.chem.workers import Fingerprinted, Fingerprinter, Fingerprinting
from anchordrug.errors import LibraryError, counted
from anchordrug.evidence_group import GROUPS
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.outputs import require_outputs, side_files
from anchordrug.files.progress import stream
from anchordrug.prediction.inference import OnnxPredictor, Prediction, load_onnx
from anchordrug.prediction.ledger import Ledger
from anchordrug.prediction.rest import REJECTS, write_rest
from anchordrug.prediction.tables import (
    STRUCTURES,
    TableShape,
    drugs_table,
    gene_columns,
    identity_columns,
    tables,
    with_structures,
)
from anchordrug.prediction.writers import Contents, Format, require_format, write_tables
from anchordrug.raw.molecule_text import Compound
from anchordrug.raw.molecules import STDIN, CompoundFile, open_compounds

DRUGS_A_BLOCK = 2048
BLOCKS_AHEAD = 2
# Makes a block's table from who the drugs are and, for each predictor, predictions.
TableOf = Callable[[pa.Table, list[Prediction]], pa.Table]


def run(
    models: Sequence[Path],
    library: Path,
    out: Path,
    shape: TableShape | None = None,
    smiles_column: str | None = None,
    id_column: str | None = None,
    also: Sequence[Path] = (),
) -> None:
    """Predict every drug of `library` once; an interrupted run resumes.

    The same predictions are written to `out` and to the files `also`, each in the format of its suffix.

    OUT.rejects.csv holds the rows that cannot be predicted with reasons, OUT.duplicates.csv those whose
    structure is that of an earlier row. Until all is done, OUT.part holds the finished part.

    Raises
    ------
    LibraryError
        A model or the library cannot be used, no structure can be read, or `out` is of another kind or
        being made by another command.
    OutputError
        `out` or a side file is an input, or cannot be written.
    """
    outs = [out, *also]
    kinds = [require_out(path, library, models) for path in outs]
    shape = replace(shape or TableShape(), certain=max(kind.certain for kind in kinds))
    predictors = load_predictors(models)
    require_possible(shape, predictors)
    for path, kind in zip(outs, kinds, strict=True):
        _require_fitting(path, kind, shape, predictors)

    def table_of(drugs: pa.Table, predictions: list[Prediction]) -> pa.Table:
        return tables(shape, predictors, drugs, predictions)

    about = ["predict", [sha256(model) for model in models], asdict(shape)]
    rows = sum(map(shape.rows_of, predictors))
    columns = smiles_column, id_column
    ledger = predicted(outs, about, predictors, library, columns, table_of, rows)
    groups: Counter[tuple[str, str]] = Counter()
    genes = len(dict.fromkeys(gene for predictor in predictors for gene in predictor.genes))
    targets = ", ".join(predictor.card["target"] for predictor in predictors)
    columns_made = ledger.schema()
    for path, kind in zip(outs, kinds, strict=True):
        drugs = write_rest(ledger, library, path)
        told = [*ledger.identity, *(STRUCTURES if kind.structures else ())]
        own, who = replace(shape, certain=kind.certain), pa.schema([(name, pa.string()) for name in told])
        # The tables have whatever one of the formats asks for.
        names = own.schema(predictors, who).names
        schema = pa.schema([columns_made.field(name) for name in names])
        contents = contents_of(ledger, schema, own.of_drug(who).names, predictors)
        groups.clear()
        parts = (table.select(names) for table in ledger.tables())
        write_tables(path, contents, _counted(parts, own, predictors, groups))
        typer.echo(f"{path}: {counted(drugs, 'drug')} x {counted(genes, 'gene')} in {targets}")
    ledger.remove()
    for predictor in predictors:
        target = predictor.card["target"]
        counts = ", ".join(f"{groups[target, group]:,} {group}" for group in GROUPS)
        typer.echo(f"{target}: {counts} (drugs by evidence)")


def contents_of(
    ledger: Ledger, schema: pa.Schema, of_drug: Sequence[str], predictors: Sequence[OnnxPredictor]
) -> Contents:
    """Return the contents of an output file: tables of a schema, and the rejects of a ledger."""
    cards = [predictor.card for predictor in predictors]
    header = (*REJECTS, *ledger.identity[1:])
    return Contents(schema, tuple(of_drug), cards, (header, lambda: ledger.rows("rejects")))


def _counted(
    parts: Iterable[pa.Table],
    shape: TableShape,
    predictors: Sequence[OnnxPredictor],
    groups: Counter[tuple[str, str]],
) -> Iterator[pa.Table]:
    """Yield the tables; add the number of drugs of every target and evidence group to `groups`."""
    rows = [shape.rows_of(predictor) for predictor in predictors]
    firsts = [sum(rows[:place]) for place in range(len(rows))]
    for part in parts:
        for predictor, first in zip(predictors, firsts, strict=True):
            own = part["evidence"].take(pa.array(np.arange(first, len(part), sum(rows))))
            groups.update((predictor.card["target"], group) for group in own.to_pylist())
        yield part


def predicted(
    outs: Sequence[Path],
    about: Sequence[object],
    predictors: Sequence[OnnxPredictor],
    library: Path,
    columns: tuple[str | None, str | None],
    table_of: TableOf,
    rows_a_drug: int = 1,
) -> Ledger:
    """Predict every drug of `library`, or those that an interrupted run has left.

    Parameters
    ----------
    outs
        The files to be made in the end; the ledger is next to the first.
    about
        Whatever the tables depend on next to the library: if it has changed, the work starts over.
    columns
        Names of the columns of SMILES and ids, None to find them.
    table_of
        As `TableOf` says.
    rows_a_drug
        Rows per drug in the tables.

    Raises
    ------
    LibraryError
        The library cannot be used, has more drugs than a file of this format can hold, or `out` is being made
        by another command.
    """
    limits = [_Limit(out, library, require_format(out), rows_a_drug) for out in outs]
    suffixes = [out.suffix for out in outs]
    key = digest_of(anchordrug.__version__, about, suffixes, library.as_posix(), columns, DRUGS_A_BLOCK)
    # First of all, so that a wrong name costs nothing that an earlier run has done.
    with open_compounds(library, *columns) as source:
        _tell(library, source.notes)
        ledger = Ledger(outs[0].with_name(f"{outs[0].name}.part"), key)
        if _went_on(ledger, source, predictors, table_of, limits):
            _tell(library, source.notes_on_ids())
            return ledger
    if library == STDIN:
        ledger.leave()
        raise LibraryError(f"{ledger.folder}: was begun with another input; remove it and run again")
    typer.echo(f"{library}: the library has changed since the interrupted run; starting again", err=True)
    ledger.start_over(key)
    with open_compounds(library, *columns) as source:
        _went_on(ledger, source, predictors, table_of, limits)
        _tell(library, source.notes_on_ids())
    return ledger


def _tell(library: Path, notes: Iterable[str]) -> None:
    for note in notes:
        typer.echo(f"{library}: {note}")


class _TooManyError(LibraryError):
    """A library that has more drugs than its output can hold."""


class _Limit(NamedTuple):
    """How much a file of a format can hold of a library."""

    out: Path
    library: Path
    kind: Format
    rows_a_drug: int

    def require(self, drugs: int) -> None:
        """Check that so many drugs can be written."""
        most = self.kind.most_rows
        if most is not None and drugs * self.rows_a_drug > most:
            raise _TooManyError(
                f"{self.out}: holds at most {most:,} rows, and {self.library} has more than "
                f"{most // self.rows_a_drug:,} drugs, of {self.rows_a_drug:,} rows each; {self.kind.remedy}"
            )


def require_out(out: Path, library: Path, others: Iterable[Path | None]) -> Format:
    """Check, before any work, that a table can be written to `out`, with its side files; return its format.

    Parameters
    ----------
    others
        The inputs besides the library; None for an input without a file.

    Raises
    ------
    LibraryError
        No format has the suffix of `out`.
    AnchorDrugError
        A package that the format needs is not installed.
    OutputError
        As `anchordrug.files.outputs.require_outputs`.
    """
    kind = require_format(out)
    # Standard input may come from a file, too.
    inputs = [0 if library == STDIN else library, *(path for path in others if path is not None)]
    require_outputs([("--out", out)], inputs, side_files(out))
    return kind


def _require_fitting(out: Path, kind: Format, shape: TableShape, predictors: Sequence[OnnxPredictor]) -> None:
    """Check that the options of a table go with the format of `out`."""
    if kind.whole and (shape.layout == "wide" or shape.top is not None):
        raise LibraryError(
            f"{out}: holds every value of every drug and gene; leave out --layout wide and --top"
        )
    genes = len(gene_columns(predictors, ()))
    if kind.most_genes is not None and shape.layout == "wide" and genes > kind.most_genes:
        raise LibraryError(
            f"{out}: holds at most {kind.most_genes:,} columns of genes, and there are {genes:,}; use "
            "--layout long, or write .parquet instead"
        )


def load_predictors(models: Sequence[Path]) -> list[OnnxPredictor]:
    """Open models of different targets, and print their notes.

    Raises
    ------
    LibraryError
        A model cannot be used, or two are of one target.
    """
    predictors = [load_onnx(model) for model in models]
    targets = [predictor.card["target"] for predictor in predictors]
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if targets.count(target) > 1)
        raise LibraryError(f"two models are of '{twice}'; predict them one at a time")
    for path, predictor in zip(models, predictors, strict=True):
        if predictor.remark:
            typer.echo(f"{path}: {predictor.remark}", err=True)
    return predictors


def require_possible(shape: TableShape, predictors: Sequence[OnnxPredictor]) -> None:
    """Check that the options of a table go together and that the predictors have its values.

    Raises
    ------
    LibraryError
        They do not.
    """
    if shape.layout == "wide" and shape.top is not None:
        raise LibraryError("--top: a wide table has a column for every gene; use it with --layout long")
    if shape.layout == "long" and shape.values != "label":
        raise LibraryError(f"--values {shape.values}: a long table holds all of them; use --layout wide")
    if shape.values == "z" and all("z" not in _outputs(predictor) for predictor in predictors):
        raise LibraryError("--values z: this predictor gives none; use label or p_down, p_none, p_up")


def _outputs(predictor: OnnxPredictor) -> list[str]:
    return [output.name for output in predictor.session.get_outputs()]


def _went_on(
    ledger: Ledger,
    source: CompoundFile,
    predictors: Sequence[OnnxPredictor],
    table_of: TableOf,
    limits: Sequence[_Limit],
) -> bool:
    """Predict the remaining drugs; return False if the library has changed since the run began."""
    kinds = list(dict.fromkeys(predictor.fingerprint for predictor in predictors))
    blocks = _blocks(source.rows)
    structures = any(limit.kind.structures for limit in limits)
    try:
        ledger.begin(identity_columns(source.further))
        for block in islice(blocks, ledger.blocks):
            ledger.has_read(block)
        if ledger.blocks and not ledger.is_same_input():
            return False
        if ledger.blocks:
            typer.echo(f"{ledger.folder}: resuming after row {ledger.blocks * DRUGS_A_BLOCK:,}", err=True)
        with Fingerprinter(kinds, smiles=structures) as fingerprinting:
            results = _fingerprinted(fingerprinting, blocks)
            done = ledger.count("structures")
            for block, found in stream(results, "predicting", source.share_read):
                chosen = ledger.sort(block, found)
                predictions = predict_each(predictors, kinds, [drug for _, drug in chosen], done)
                done += len(chosen)
                for limit in limits:
                    limit.require(done)
                ledger.has_read(block)
                drugs = drugs_table((row for row, _ in chosen), ledger.identity)
                if structures:
                    drugs = with_structures(drugs, (drug for _, drug in chosen))
                ledger.add(table_of(drugs, predictions))
    except _TooManyError:
        ledger.remove()
        raise
    except BaseException:
        ledger.leave()
        raise
    return True


def _blocks(rows: Iterator[Compound]) -> Iterator[list[Compound]]:
    while block := list(islice(rows, DRUGS_A_BLOCK)):
        yield block


def _fingerprinted(
    fingerprinting: Fingerprinting, blocks: Iterable[list[Compound]]
) -> Iterator[tuple[list[Compound], list[Fingerprinted | str]]]:
    waiting: deque[list[Compound]] = deque()

    def structures() -> Iterator[list[str]]:
        for block in blocks:
            waiting.append(block)
            yield ["" if row.problem else row.structure for row in block]

    for results in fingerprinting.of(structures(), BLOCKS_AHEAD):
        yield waiting.popleft(), results


def predict_each(
    predictors: Sequence[OnnxPredictor],
    kinds: Sequence[tuple[int, int]],
    drugs: Sequence[Fingerprinted],
    done: int = 0,
) -> list[Prediction]:
    """Return the predictions of `drugs` by each predictor; `kinds` are the fingerprints that they have.

    `done` is the number of drugs before these. The place of a drug's numbers in memory decides the last digit
    of sums over them (onnxruntime's ReduceSum). So every drug gets the place that it has if all are predicted
    at once.
    """
    keys = [drug.inchikey for drug in drugs]
    bits = {}
    for place, kind in enumerate(kinds):
        packed = np.frombuffer(b"".join(drug.packed[place] for drug in drugs), np.uint8)
        bits[kind] = np.unpackbits(packed.reshape(len(drugs), (kind[1] + 7) // 8), axis=1, count=kind[1])
    return [
        _predicted(predictor, bits[predictor.fingerprint], keys, done % predictor.card["drugs_a_run"])
        for predictor in predictors
    ]


def _predicted(predictor: OnnxPredictor, bits: np.ndarray, keys: list[str], before: int) -> Prediction:
    """Predict drugs with so many places before them left empty."""
    padded = np.concatenate([np.zeros((before, bits.shape[1]), bits.dtype), bits])
    found = predictor.predict(padded, [*[""] * before, *keys])
    return replace(
        found, **{name: values[before:] for name, values in vars(found).items() if values is not None}
    )
