"""A table of predictions drug by drug: how many genes go up and down, the strongest, how far to trust it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from anchordrug.errors import TableError
from anchordrug.labels import DOWN, UP
from anchordrug.prediction.tables import ANSWERS

OF_DRUG = ("drug_id", "name", "evidence", "similarity", "nearest_drug", "source_lines", "confidence")
_OF_GENE = ("label", "p_down", "p_up", "z")
# Few distinct texts, which as numbers take a tenth of the memory.
_TEXTS = ["drug_id", "name", "evidence", "nearest_drug", "gene", "label"]
# Genes named of a drug in each direction.
STRONGEST = 4


@dataclass(frozen=True)
class Strongest:
    """The genes of n drugs that change most in one direction, strongest first.

    Attributes
    ----------
    genes
        int64 [n, STRONGEST] positions of genes, -1 where a drug has fewer.
    scores
        float32 [n, STRONGEST], NaN where a drug has fewer.
    """

    genes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Responses:
    """The responses of n drugs: how many genes go down and up, and the strongest of them."""

    down: np.ndarray
    up: np.ndarray
    strongest_down: Strongest
    strongest_up: Strongest

    @property
    def changed(self) -> np.ndarray:
        """int64 [n] number of genes that go down or up."""
        return self.down + self.up


def responses_of(labels: np.ndarray, scores: np.ndarray) -> Responses:
    """Return the responses of drugs.

    Parameters
    ----------
    labels
        [n, genes]: 0 down, 1 none, 2 up; any other number where nobody can tell.
    scores
        [n, genes], the larger the further up.
    """
    return Responses(
        (labels == DOWN).sum(axis=1),
        (labels == UP).sum(axis=1),
        _strongest(labels == DOWN, scores, -1),
        _strongest(labels == UP, scores, 1),
    )


def _strongest(chosen: np.ndarray, scores: np.ndarray, sign: int) -> Strongest:
    ranked = np.where(chosen, sign * scores, -np.inf)
    genes = np.argsort(-ranked, axis=1, kind="stable")[:, :STRONGEST]
    there = np.take_along_axis(chosen, genes, axis=1)
    values = np.take_along_axis(scores, genes, axis=1)
    return Strongest(np.where(there, genes, -1), np.where(there, values, np.nan).astype(np.float32))


@dataclass(frozen=True)
class Predictions:
    """A table of predictions of one target.

    Attributes
    ----------
    drugs
        `OF_DRUG`, one row per drug in the order of the table.
    responses
        Their predicted responses; labels that are "unknown" count as neither.
    right
        float64 [drugs], how many of a drug's genes called down or up are expected to be so.
    score
        The name of a gene's strength: "z", or "p(up) - p(down)" of a predictor without z.
    """

    path: Path
    genes: Sequence[str]
    drugs: pd.DataFrame
    responses: Responses
    right: np.ndarray
    score: str

    def scores_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores of some drugs, float32 [rows, genes]."""
        found = np.empty((len(rows), len(self.genes)), np.float32)
        start = 0
        for table in _whole_drugs(self.path, ("p_down", "p_up", "z"), len(self.genes)):
            scores = _scores(table, len(self.genes))[0]
            here = (rows >= start) & (rows < start + len(scores))
            found[here] = scores[rows[here] - start]
            start += len(scores)
        return found


def read_predictions(path: Path, genes: Sequence[str]) -> Predictions:
    """Read a long table of one target, which has all `genes` for every drug, some drugs at a time.

    Raises
    ------
    TableError
        The table has another layout or other genes.
    """
    n = len(genes)
    drugs, parts, right, score = [], [], [], "z"
    for table in _whole_drugs(path, (*OF_DRUG, "gene", *_OF_GENE), n):
        if not drugs and table["gene"][:n].to_pylist() != list(genes):
            raise _other(path)
        scores, score = _scores(table, n)
        labels = pd.Index(ANSWERS).get_indexer(table["label"].to_pandas().astype(object)).reshape(-1, n)
        parts.append(responses_of(labels, scores))
        p_down, p_up = (table[name].to_numpy().reshape(-1, n) for name in ("p_down", "p_up"))
        called = np.where(labels == DOWN, p_down, np.where(labels == UP, p_up, 0))
        right.append(called.sum(axis=1, dtype=np.float64))
        drugs.append(table.select(OF_DRUG).take(np.arange(0, len(table), n)).to_pandas())
    if not drugs:
        raise _other(path)
    of_drug = pd.concat(drugs, ignore_index=True)
    texts = {name: object for name in OF_DRUG if name in _TEXTS}
    return Predictions(path, genes, of_drug.astype(texts), _joined(parts), np.concatenate(right), score)


def _other(path: Path) -> TableError:
    return TableError(
        f"{path}: is not a table of every drug and gene of a target; make it again with 'anchordrug predict'"
    )


def _whole_drugs(path: Path, columns: Sequence[str], genes: int) -> Iterator[pa.Table]:
    """Yield the rows of whole drugs, some at a time; groups of rows in the file may end within a drug."""
    try:
        if set(columns) - set(pq.read_schema(path).names):
            raise _other(path)
        rest = None
        with pq.ParquetFile(path, read_dictionary=[name for name in columns if name in _TEXTS]) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=list(columns))
                if rest is not None:
                    table = pa.concat_tables([rest, table]).unify_dictionaries()
                whole = len(table) // genes * genes
                rest = table[whole:]
                if whole:
                    yield table[:whole]
    except pa.ArrowException as error:
        raise _other(path) from error
    if rest is not None and len(rest):
        raise _other(path)


def _scores(table: pa.Table, genes: int) -> tuple[np.ndarray, str]:
    z = table["z"]
    if z.null_count < len(z):
        return z.to_numpy().astype(np.float32).reshape(-1, genes), "z"
    difference = table["p_up"].to_numpy() - table["p_down"].to_numpy()
    return difference.astype(np.float32).reshape(-1, genes), "p(up) - p(down)"


def _joined(parts: Sequence[Responses]) -> Responses:
    def together(name: str) -> Strongest:
        found = [getattr(part, name) for part in parts]
        return Strongest(
            np.concatenate([part.genes for part in found]), np.concatenate([part.scores for part in found])
        )

    return Responses(
        np.concatenate([part.down for part in parts]),
        np.concatenate([part.up for part in parts]),
        together("strongest_down"),
        together("strongest_up"),
    )
