"""anchordrug rank: the drugs of a library by how well they reverse, or mimic, a signature."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import typer

from anchordrug.errors import LibraryError, RawDataError, counted, shortlist
from anchordrug.files.digests import sha256
from anchordrug.prediction.connectivity import Signature, expected_change, false_discovery_rate, score
from anchordrug.prediction.engine import contents_of, load_predictors, predicted, require_out
from anchordrug.prediction.inference import OnnxPredictor, Prediction
from anchordrug.prediction.rest import write_rest
from anchordrug.prediction.tables import TableShape, columns_of, of_drugs
from anchordrug.prediction.writers import write_tables
from anchordrug.raw.signature import on_genes, read_gene_list, read_signature

# Genes of a table that make up each side of the connectivity score (CMap queries hold up to 150 of 978).
MOST_GENES_A_SIDE = 50
FEWEST_GENES = 10


def run(
    model: Path,
    library: Path,
    out: Path,
    signature: Path | None,
    column: str | None,
    *,
    lists: tuple[Path | None, Path | None],
    sets: tuple[str | None, str | None],
    mimic: bool,
    permutations: int,
    seed: int,
    columns: tuple[str | None, str | None],
) -> None:
    """Score every drug of `library` against a signature and write them, best first by cosine.

    On real data the cosine finds a drug's class more often than connectivity (benchmarks/reversal.py).

    Parameters
    ----------
    signature, column
        A table of differential expression or GCT, and its column of values; or else
    lists, sets
        lists of genes that go up and down, and the sets to take of those that are GMT files.
    mimic
        Rank the drugs that resemble it first; otherwise those that reverse it.

    Raises
    ------
    LibraryError
        As `anchordrug.prediction.engine.run`; or there is no signature, or too few of its genes are
        predicted.
    """
    kind = require_out(out, library, (model, signature, *lists))
    if kind.whole:
        raise LibraryError(f"{out}: a ranking has no genes; write .csv, .xlsx, .parquet or .arrow instead")
    shape = TableShape(certain=kind.certain)
    (predictor,) = load_predictors([model])
    asked = _signature(predictor, signature, column, lists, sets)

    def table_of(drugs: pa.Table, predictions: list[Prediction]) -> pa.Table:
        (prediction,) = predictions
        expected = expected_change(prediction.probabilities, prediction.z)
        scores = score(expected, asked, permutations, seed, reverse=not mimic)
        return pa.table(
            {
                **columns_of(drugs),
                "connectivity": scores.connectivity,
                "p_connectivity": scores.p_connectivity,
                "cosine": scores.cosine,
                "p_cosine": scores.p_cosine,
                **of_drugs(shape, predictor, prediction),
            }
        )

    about = ["rank", sha256(model), asked.values.tolist(), asked.up.tolist(), asked.down.tolist()]
    ledger = predicted([out], [*about, mimic, permutations, seed], [predictor], library, columns, table_of)
    drugs = write_rest(ledger, library, out)
    table = _ranked(pa.concat_tables(ledger.tables()), mimic=mimic)
    write_tables(out, contents_of(ledger, table.schema, table.column_names, [predictor]), iter([table]))
    ledger.remove()
    verb, genes = "mimics" if mimic else "reverses", f"{len(asked.up)} up and {len(asked.down)} down genes"
    typer.echo(
        f"{out}: {counted(drugs, 'drug')} by how well each {verb} {genes} in {predictor.card['target']}"
    )
    for line in _best(table):
        typer.echo(line)


def _signature(
    predictor: OnnxPredictor,
    table: Path | None,
    column: str | None,
    lists: tuple[Path | None, Path | None],
    sets: tuple[str | None, str | None],
) -> Signature:
    if (table is None) == (lists == (None, None)):
        raise LibraryError("give either --signature (a table or GCT) or gene lists (--up, --down, or both)")
    for option, path, name in zip(("--up", "--down"), lists, sets, strict=True):
        if path is None and name is not None:
            raise LibraryError(f"{option}-set {name}: names a set of a GMT; give the file with {option}")
    try:
        if table is not None:
            return _from_table(predictor, table, column)
        if column is not None:
            raise LibraryError("--column names a column of --signature; gene lists have none")
        return _from_lists(predictor, lists, sets)
    except RawDataError as error:
        raise LibraryError(str(error)) from error


def _from_table(predictor: OnnxPredictor, path: Path, column: str | None) -> Signature:
    genes = predictor.genes
    values, significant = read_signature(
        path, column, genes=genes, tell=lambda note: typer.echo(f"{path}: {note}")
    )
    found = on_genes(list(values), genes, predictor.card.get("gene_ids"))
    _require_enough(path, len(found), genes, list(values))
    vector = np.array([values[found[gene]] if gene in found else 0.0 for gene in genes])
    counts = vector.copy()
    if significant is not None:
        counts[[found.get(gene) not in significant for gene in genes]] = 0
    order = np.argsort(-counts, kind="stable")
    up = [place for place in order[:MOST_GENES_A_SIDE] if counts[place] > 0]
    down = [place for place in order[::-1][:MOST_GENES_A_SIDE] if counts[place] < 0]
    if not up and not down:
        raise LibraryError(f"{path}: no predicted gene changes significantly in it; give gene lists instead")
    return Signature(vector, np.array(up, np.int64), np.array(down, np.int64))


def _from_lists(
    predictor: OnnxPredictor, lists: tuple[Path | None, Path | None], sets: tuple[str | None, str | None]
) -> Signature:
    genes, sides = predictor.genes, []
    for path, set_name in zip(lists, sets, strict=True):
        names = [] if path is None else read_gene_list(path, set_name)
        found = on_genes(names, genes, predictor.card.get("gene_ids"))
        if path is not None:
            typer.echo(f"{path}: the model predicts {len(found)} of {counted(len(names), 'gene')}")
            if not found:
                raise LibraryError(
                    f"{path}: none of its genes is predicted (found {shortlist(names)}); "
                    "name genes by HGNC symbol"
                )
        sides.append(np.array([place for place, gene in enumerate(genes) if gene in found], np.int64))
    both = set(sides[0]) & set(sides[1])
    if both:
        raise LibraryError(
            f"{lists[0]}, {lists[1]}: '{genes[min(both)]}' is in both lists; remove it from one"
        )
    values = np.zeros(len(genes))
    values[sides[0]], values[sides[1]] = 1, -1
    return Signature(values, *sides)


def _require_enough(path: Path, found: int, genes: list[str], names: list[str]) -> None:
    if found < FEWEST_GENES:
        raise LibraryError(
            f"{path}: the model predicts {found} of its {counted(len(names), 'gene')} ({shortlist(names)}), "
            f"and {FEWEST_GENES} are needed; name genes by HGNC symbol, as the model does "
            f"({shortlist(genes, 3)})"
        )
    typer.echo(f"{path}: has {found} of {counted(len(genes), 'gene')} that the model predicts")


def _ranked(table: pa.Table, *, mimic: bool) -> pa.Table:
    """Return the table best first, with ranks and false discovery rates."""
    values = {
        name: table[name].to_numpy() for name in ("connectivity", "cosine", "p_connectivity", "p_cosine")
    }
    sign = -1 if mimic else 1
    order = np.lexsort((sign * values["connectivity"], sign * values["cosine"]))
    places = {name: place for place, name in enumerate(table.schema.names)}
    for name in ("cosine", "connectivity"):
        rates = pa.array(false_discovery_rate(values[f"p_{name}"]))
        table = table.add_column(places[f"p_{name}"] + 1, f"fdr_{name}", rates)
    return table.take(pa.array(order)).add_column(0, "rank", pa.array(np.arange(1, len(order) + 1)))


def _best(table: pa.Table) -> Iterator[str]:
    for row in table.slice(0, 10).to_pylist():
        yield (
            f"{row['rank']:>4}  {_called(row):<24.24}  cosine {row['cosine']:+.3f}  "
            f"FDR {row['fdr_cosine']:.3f}  connectivity {row['connectivity']:+.3f}"
        )


def _called(row: Mapping[str, Any]) -> str:
    """Return a drug's id, and its name if that is another."""
    return row["drug_id"] if row["name"] in (None, row["drug_id"]) else f"{row['drug_id']} {row['name']}"
