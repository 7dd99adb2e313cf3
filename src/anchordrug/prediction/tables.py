"""Predictions as Arrow tables: a row per drug and gene, or a row per drug with a column per gene."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from anchordrug.chem.workers import Fingerprinted
from anchordrug.evidence_group import GROUPS
from anchordrug.prediction.inference import OnnxPredictor, Prediction
from anchordrug.raw.compound_columns import free_names
from anchordrug.raw.molecule_text import Compound

Layout = Literal["long", "wide"]
Values = Literal["label", "z", "p_down", "p_none", "p_up"]
LAYOUTS: tuple[Layout, ...] = ("long", "wide")
VALUES: tuple[Values, ...] = ("label", "z", "p_down", "p_none", "p_up")
ANSWERS = ("down", "none", "up", "unknown")
# Few distinct texts, stored as numbers.
CODED, FEW = pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string())
# Of a drug, whatever the gene.
OF_DRUG = (
    ("confidence", pa.float32()),
    ("strength", pa.float32()),
    ("nearest_drug", pa.string()),
    ("similarity", pa.float32()),
    ("source_lines", pa.int64()),
    ("evidence", FEW),
)
STRUCTURES = ("smiles", "inchikey")
CERTAIN = ("up", "down")
OF_PAIR = (
    ("label", FEW),
    *((f"p_{name}", pa.float32()) for name in ANSWERS[:3]),
    ("z", pa.float32()),
)


@dataclass(frozen=True)
class TableShape:
    """How predictions are laid out.

    Attributes
    ----------
    layout
        "long", a row per drug and gene, or "wide", a column per gene.
    values
        The values of a wide table's columns.
    top
        Of each drug only so many genes, those most likely to change, in that order; None for all. Long only.
    coverage
        The share of labels to be answered; the least certain labels are "unknown".
    certain
        So many of the most certain genes that go up, and that go down, are columns of the drug.
    """

    layout: Layout = "long"
    values: Values = "label"
    top: int | None = None
    coverage: float = 0.8
    certain: int = 0

    def of_drug(self, drugs: pa.Schema) -> pa.Schema:
        """Return the columns that say something of a drug, whatever the gene; `drugs` tell who they are."""
        certain = ((name, pa.string()) for name in CERTAIN if self.certain)
        return pa.schema([("target", CODED), *drugs, *OF_DRUG, *certain])

    def rows_of(self, predictor: OnnxPredictor) -> int:
        """Return the number of rows that `predictor` gives per drug."""
        genes = len(predictor.genes)
        if self.layout == "wide":
            return 1
        return genes if self.top is None else min(self.top, genes)

    def schema(self, predictors: Sequence[OnnxPredictor], drugs: pa.Schema) -> pa.Schema:
        """Return the columns of the table that several predictors give together of such `drugs`."""
        of_drug = self.of_drug(drugs)
        if self.layout == "long":
            place = 1 + len(drugs)
            columns = list(of_drug)
            return pa.schema([*columns[:place], ("gene", CODED), *OF_PAIR, *columns[place:]])
        kind = dict(OF_PAIR)[self.values]
        genes = gene_columns(predictors, of_drug.names).values()
        return pa.schema([*of_drug, *((name, kind) for name in genes)])


def gene_columns(predictors: Sequence[OnnxPredictor], taken: Sequence[str]) -> dict[str, str]:
    """Return the column of every gene in a wide table: its name, marked where another column has that."""
    genes = dict.fromkeys(gene for predictor in predictors for gene in predictor.genes)
    return {gene: f"{gene} (gene)" if gene in taken else gene for gene in genes}


def identity_columns(further: Sequence[str]) -> list[str]:
    """Return the columns that tell drugs apart: drug_id, name, `further` ids as the user calls them."""
    return free_names(["drug_id", "name", *further], ())


def drugs_table(compounds: Iterable[Compound], names: Sequence[str]) -> pa.Table:
    """Return the `identity_columns`, called `names`, of compounds; null where a compound lacks it."""
    rows = [(row.drug_id, row.name or None, *(cell or None for cell in row.further)) for row in compounds]
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pa.table([pa.array(column, pa.string()) for column in columns], names)


def with_structures(drugs: pa.Table, found: Iterable[Fingerprinted]) -> pa.Table:
    """Return the table of drugs with the columns `STRUCTURES`, of the standardised structures."""
    pairs = [(drug.smiles, drug.inchikey) for drug in found]
    for place, name in enumerate(STRUCTURES):
        drugs = drugs.append_column(name, pa.array([pair[place] for pair in pairs], pa.string()))
    return drugs


def tables(
    shape: TableShape,
    predictors: Sequence[OnnxPredictor],
    drugs: pa.Table,
    predictions: Sequence[Prediction],
) -> pa.Table:
    """Return the predictions of n drugs by each predictor, drug by drug in the order given.

    Parameters
    ----------
    drugs
        Columns of text that tell who the drugs are, as `drugs_table` gives them.
    """
    schema = shape.schema(predictors, drugs.schema)
    names = gene_columns(predictors, shape.of_drug(drugs.schema).names)
    parts = [
        _long(shape, predictor, drugs, prediction)
        if shape.layout == "long"
        else _wide(shape, predictor, drugs, prediction, names)
        for predictor, prediction in zip(predictors, predictions, strict=True)
    ]
    if len(parts) == 1:
        return parts[0].select(schema.names).cast(schema)
    rows_of = [shape.rows_of(predictor) for predictor in predictors]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    order = [
        np.arange(len(drugs))[:, None] * rows + np.arange(rows) + start
        for rows, start in zip(rows_of, starts[:-1], strict=True)
    ]
    whole = pa.concat_tables(parts, promote_options="default").unify_dictionaries().combine_chunks()
    return whole.take(pa.array(np.concatenate(order, axis=1).ravel())).select(schema.names).cast(schema)


def of_drugs(shape: TableShape, predictor: OnnxPredictor, prediction: Prediction) -> dict[str, pa.Array]:
    """Return the columns `OF_DRUG` of n drugs: how far to trust their predictions.

    If `shape` asks for their most certain genes, those are columns too.
    """
    learned = pa.array(predictor.card["learned_drugs"], pa.string())
    return {
        "confidence": pa.array(prediction.confidence),
        "strength": pa.array(prediction.strength),
        "nearest_drug": learned.take(pa.array(prediction.nearest)),
        "similarity": pa.array(prediction.similarity),
        "source_lines": pa.array(prediction.source_lines),
        "evidence": _grouped(prediction.evidence),
        **(_certain(shape, predictor, prediction) if shape.certain else {}),
    }


def _certain(shape: TableShape, predictor: OnnxPredictor, prediction: Prediction) -> dict[str, pa.Array]:
    """Return for n drugs the genes that are most certain to go up, and down, each with its probability."""
    answers = _answers(shape, predictor, prediction)
    columns = {}
    for name in CERTAIN:
        label = ANSWERS.index(name)
        chance = np.where(answers == label, prediction.probabilities[..., label], 0)
        best = np.argsort(-chance, axis=1, kind="stable")[:, : shape.certain]
        columns[name] = pa.array(
            [
                ", ".join(f"{predictor.genes[gene]} {own[gene]:.2f}" for gene in places if own[gene])
                for own, places in zip(chance, best, strict=True)
            ],
            pa.string(),
        )
    return columns


def _grouped(evidence: np.ndarray) -> pa.Array:
    codes = pa.array([GROUPS.index(group) for group in evidence], pa.int8())
    return pa.DictionaryArray.from_arrays(codes, pa.array(GROUPS))


def _answers(shape: TableShape, predictor: OnnxPredictor, prediction: Prediction) -> np.ndarray:
    return prediction.answers(predictor.least_margin(shape.coverage))


def _text(codes: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(ANSWERS))


def _long(shape: TableShape, predictor: OnnxPredictor, drugs: pa.Table, prediction: Prediction) -> pa.Table:
    n, genes = prediction.labels.shape
    chosen = np.broadcast_to(np.arange(genes), (n, genes))
    if shape.top is not None and shape.top < genes:
        chosen = np.argsort(prediction.probabilities[..., 1], axis=1, kind="stable")[:, : shape.top]
    drug = pa.array(np.repeat(np.arange(n), chosen.shape[1]))

    def of_pair(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, chosen, axis=1).ravel()

    z = prediction.z
    columns = {
        "target": _repeated(predictor.card["target"], len(drug)),
        **columns_of(drugs.take(drug)),
        "gene": pa.DictionaryArray.from_arrays(
            pa.array(chosen.astype(np.int32).ravel()), pa.array(predictor.genes)
        ),
        "label": _text(of_pair(_answers(shape, predictor, prediction))),
        **{
            f"p_{name}": pa.array(of_pair(prediction.probabilities[..., label]))
            for label, name in enumerate(ANSWERS[:3])
        },
        "z": pa.nulls(len(drug), pa.float32()) if z is None else pa.array(of_pair(z)),
        **{name: values.take(drug) for name, values in of_drugs(shape, predictor, prediction).items()},
    }
    return pa.table(columns)


def _wide(
    shape: TableShape,
    predictor: OnnxPredictor,
    drugs: pa.Table,
    prediction: Prediction,
    names: Mapping[str, str],
) -> pa.Table:
    columns = {
        "target": _repeated(predictor.card["target"], len(drugs)),
        **columns_of(drugs),
        **of_drugs(shape, predictor, prediction),
    }
    if shape.values == "label":
        codes = np.asfortranarray(_answers(shape, predictor, prediction))
        of_genes = (_text(codes[:, gene]) for gene in range(codes.shape[1]))
    elif shape.values == "z":
        z = prediction.z
        values = np.full(prediction.labels.shape, np.nan, np.float32) if z is None else z
        of_genes = (pa.array(column, from_pandas=True) for column in np.asfortranarray(values).T)
    else:
        label = VALUES.index(shape.values) - 2
        of_genes = (pa.array(column) for column in np.asfortranarray(prediction.probabilities[..., label]).T)
    own = (names[gene] for gene in predictor.genes)
    return pa.table({**columns, **dict(zip(own, of_genes, strict=True))})


def columns_of(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return the columns of a table by name."""
    return dict(zip(table.column_names, table.columns, strict=True))


def _repeated(text: str, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), pa.array([text]))
