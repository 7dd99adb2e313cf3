"""Predictions as AnnData: drugs x genes, with a layer for each value; for scanpy and its kin."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

import anchordrug
from anchordrug.prediction.tables import ANSWERS
from anchordrug.prediction.writers import Contents
from anchordrug.raw.compound_columns import free_names

if TYPE_CHECKING:
    from anndata import AnnData

NUMBERS = ("z", "p_down", "p_none", "p_up")
# A label where a model of several does not have the gene.
NO_GENE = -1
# All other texts of `obs` are there for every drug.
_ALWAYS = ("drug_id", "smiles", "inchikey")


class Annotated:
    """Collects long tables, drug by drug with all genes, and makes AnnData of them.

    Parameters
    ----------
    contents
        Of the tables; `schema`, `of_drug` and `cards` are used, and the rejects.
    """

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.genes = [card["genes"] for card in contents.cards]
        self.firsts = np.cumsum([0, *map(len, self.genes)])
        self.rows = 0
        self.drugs: list[pa.Table] = []
        self.values: dict[str, list[np.ndarray]] = {name: [] for name in (*NUMBERS, "label")}

    def add(self, table: pa.Table) -> None:
        """Take the rows that follow."""
        places = (self.rows + np.arange(len(table))) % self.firsts[-1]
        begins = np.flatnonzero(np.isin(places, self.firsts[:-1]))
        self.drugs.append(table.select(self.contents.of_drug).take(pa.array(begins)))
        for name in NUMBERS:
            self.values[name].append(table.column(name).to_numpy().astype(np.float32, copy=False))
        self.values["label"].extend(_codes(table.column("label")))
        self.rows += len(table)

    def anndata(self) -> "AnnData":
        """Return the predictions taken: one observation per drug and target, one variable per gene.

        X is z if every model gives one, else p_up - p_down; `uns["anchordrug"]` says which.
        """
        from anndata import AnnData

        names = self.contents.of_drug
        nobody = self.contents.schema.empty_table().select(names)
        obs = _obs(pa.concat_tables([nobody, *self.drugs]), names)
        var = _var(self.contents.cards)
        layers = {name: self._layer(name, len(obs), var.index) for name in (*NUMBERS, "label")}
        has_z = bool(np.isfinite(layers["z"][layers["label"] != NO_GENE]).all())
        X = layers["z"] if has_z else layers["p_up"] - layers["p_down"]
        if not has_z and not np.isfinite(layers["z"]).any():
            del layers["z"]
        about = {
            "X": "z" if has_z else "p_up - p_down",
            "labels": np.array(ANSWERS, object),
            "targets": np.array([card["target"] for card in self.contents.cards], object),
            "thresholds": np.array([card["threshold"] for card in self.contents.cards], np.float64),
            "package_version": anchordrug.__version__,
        }
        uns = {"anchordrug": about, "rejects": _rejects(self.contents)}
        found = AnnData(X=X, obs=obs, var=var, layers=layers, uns=uns)
        found.obs_names_make_unique()
        for table in (found.obs, found.var):
            # Texts of Arrow, which pandas 3 makes of an index, are not written by every anndata.
            table.index = table.index.astype(object)
        return found

    def _layer(self, name: str, observations: int, genes: pd.Index) -> np.ndarray:
        """Return the values called `name`, [observations, genes], and release their memory."""
        kind = np.int8 if name == "label" else np.float32
        values = np.concatenate([np.zeros(0, kind), *self.values.pop(name)]).reshape(-1, self.firsts[-1])
        if all(own == self.genes[0] for own in self.genes):
            return values.reshape(observations, len(genes))
        missing = NO_GENE if name == "label" else np.nan
        layer = np.full((len(values), len(self.genes), len(genes)), missing, kind)
        for target, own in enumerate(self.genes):
            first = self.firsts[target]
            layer[:, target, genes.get_indexer(pd.Index(own))] = values[:, first : first + len(own)]
        return layer.reshape(observations, len(genes))


def _codes(labels: pa.ChunkedArray) -> Iterator[np.ndarray]:
    """Yield labels as int8 places in `ANSWERS`."""
    for chunk in labels.chunks:
        codes = np.array([ANSWERS.index(answer) for answer in chunk.dictionary.to_pylist()], np.int8)
        yield codes[chunk.indices.to_numpy()]


def _obs(drugs: pa.Table, names: Sequence[str]) -> pd.DataFrame:
    columns = {}
    for name, shown in zip(names, _names(names), strict=True):
        values = drugs.column(name).to_pylist()
        if pa.types.is_floating(drugs.schema.field(name).type):
            columns[shown] = np.array(values, np.float32)
        elif pa.types.is_integer(drugs.schema.field(name).type):
            columns[shown] = np.array(values, np.int64)
        else:
            columns[shown] = _texts(values, always=name in _ALWAYS)
    ids, targets = columns["drug_id"].tolist(), columns["target"].tolist()
    several = len(set(targets)) > 1
    index = [f"{drug} in {target}" if several else drug for drug, target in zip(ids, targets, strict=True)]
    return pd.DataFrame(columns).set_axis(pd.Index(index, dtype=object))


def _var(cards: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the genes of all models by symbol, with the ids that the first card with the gene has."""
    ids: dict[str, tuple[str | None, str | None]] = {}
    for card in cards:
        given = card.get("gene_ids", {})
        nothing = [None] * len(card["genes"])
        of_genes = zip(given.get("ensembl", nothing), given.get("entrez", nothing), strict=True)
        for gene, pair in zip(card["genes"], of_genes, strict=True):
            ids.setdefault(gene, pair)
    symbols = _texts(list(ids), always=True)
    columns = {"symbol": symbols}
    for place, name in enumerate(("ensembl", "entrez")):
        columns[name] = _texts([pair[place] for pair in ids.values()], always=False)
    return pd.DataFrame(columns).set_axis(pd.Index(symbols, dtype=object))


def _texts(values: Iterable[str | None], *, always: bool) -> pd.Series:
    """Return texts that HDF5 can hold; those that may be missing as categories, whose gaps it keeps."""
    texts = [None if text is None else text.replace("\0", "\ufffd") for text in values]
    if always:
        return pd.Series(texts, dtype=object)
    known = sorted({text for text in texts if text is not None})
    return pd.Series(pd.Categorical(texts, categories=pd.Index(known, dtype=object)))


def _rejects(contents: Contents) -> pd.DataFrame:
    header, rows = contents.rejects
    cells = list(rows())
    names = _names(header)
    columns = zip(*cells, strict=True) if cells else ([] for _ in names)
    texts = {name: _texts(column, always=True) for name, column in zip(names, columns, strict=True)}
    return pd.DataFrame(texts).set_axis(pd.Index([str(row) for row in range(len(cells))], dtype=object))


def _names(columns: Iterable[str]) -> list[str]:
    # HDF5 takes a slash for a folder.
    return free_names((name.replace("/", "_") for name in columns), ())
