"""Loading what earlier stages wrote, checked against its schema and its keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import require_targets
from anchordrug.errors import TableError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.files.tables import read_matrix, read_table
from anchordrug.project import paths


def positions(values: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Return int64 positions of `values` among the unique names `known`; -1 where one is not there."""
    return pd.Index(list(known)).get_indexer(pd.Index(list(values))).astype(np.int64)


def load_atlas() -> ResponseAtlas:
    """Load the curated tables as an atlas.

    Raises
    ------
    TableError
        A table breaks its schema, or a response names an unknown drug, cell line or gene.
    """
    drugs = schemas.validate(read_table(paths.require(paths.DRUGS)), schemas.DRUGS, paths.DRUGS)
    genes = schemas.validate(read_table(paths.require(paths.GENES)), schemas.GENES, paths.GENES)
    lines = schemas.validate(
        read_table(paths.require(paths.CELL_LINES)), schemas.CELL_LINES, paths.CELL_LINES
    )
    index, columns, z = read_matrix(paths.require(paths.RESPONSES), list(schemas.RESPONSES.columns))
    responses = schemas.validate(index, schemas.RESPONSES, paths.RESPONSES)
    schemas.require_known(responses["drug_id"], drugs["drug_id"].tolist(), paths.RESPONSES, paths.DRUGS)
    schemas.require_known(
        responses["cell_line"], lines["cell_line"].tolist(), paths.RESPONSES, paths.CELL_LINES
    )
    if columns != genes["gene"].tolist():
        raise TableError(
            f"{paths.RESPONSES}: its gene columns are not those of {paths.GENES}; run curate again"
        )
    return atlas_of(responses, z.astype(np.float32), drugs, genes, lines)


def atlas_of(
    responses: pd.DataFrame, z: np.ndarray, drugs: pd.DataFrame, genes: pd.DataFrame, lines: pd.DataFrame
) -> ResponseAtlas:
    """Return curated tables as an atlas; `z` float32 [responses, genes] has the rows of `responses`."""
    return ResponseAtlas(
        z,
        positions(responses["drug_id"], drugs["drug_id"]),
        positions(responses["cell_line"], lines["cell_line"]),
        drugs,
        lines["cell_line"].tolist(),
        genes["gene"].tolist(),
    )


def load_features(atlas: ResponseAtlas) -> FeatureBlocks:
    """Load the feature blocks in the order of `atlas`, each row scaled to unit norm.

    Raises
    ------
    TableError
        A drug, cell line or gene of the atlas has no features.
    """
    return FeatureBlocks(
        _block(paths.DRUG_FEATURES, "drug_id", atlas.drugs["drug_id"].tolist()),
        _block(paths.CELL_FEATURES, "cell_line", atlas.cell_lines),
        _block(paths.GENE_FEATURES, "gene", atlas.genes),
    )


def _block(path: Path, key: str, names: list[str]) -> np.ndarray:
    index, _, matrix = read_matrix(paths.require(path), [key])
    if index[key].tolist() != names:
        raise TableError(f"{path}: its rows are not those of the curated tables; run featurize again")
    return unit_rows(matrix)


@dataclass(frozen=True)
class TargetSplit:
    """Test drugs and pool of a target, int64 rows of the drug table in the order of their InChIKeys."""

    test: np.ndarray
    pool: np.ndarray


def load_split(atlas: ResponseAtlas, target: str) -> TargetSplit:
    """Load the split of `target`.

    Raises
    ------
    SettingsError
        The target has no responses.
    TableError
        The table breaks its schema, names an unknown drug, or lacks the target.
    """
    require_targets((target,), atlas)
    table = schemas.validate(read_table(paths.require(paths.SPLITS)), schemas.SPLITS, paths.SPLITS)
    schemas.require_known(table["drug_id"], atlas.drugs["drug_id"].tolist(), paths.SPLITS, paths.DRUGS)
    own = table[table["target"] == target]
    if own.empty:
        raise TableError(f"{paths.SPLITS}: no row for target '{target}'; run split again")
    row = positions(own["drug_id"], atlas.drugs["drug_id"])
    return TargetSplit(row[own["role"] == "test"], row[own["role"] == "pool"])


def load_selection(atlas: ResponseAtlas, target: str, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Load the anchors of one campaign: the table in order of choice, and their rows of the drug table."""
    path = paths.SELECTIONS / f"{paths.run_name(target, seed)}.csv"
    table = schemas.validate(read_table(paths.require(path)), schemas.SELECTIONS, path).sort_values("rank")
    schemas.require_known(table["drug_id"], atlas.drugs["drug_id"].tolist(), path, paths.DRUGS)
    return table, positions(table["drug_id"], atlas.drugs["drug_id"])
