"""Curated tables as an atlas, and positions of names in them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import EXPERIMENT_COLUMNS, GENE_COLUMNS, ResponseAtlas


def positions(values: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Return int64 positions of `values` among the unique names `known`; -1 where one is not there."""
    return pd.Index(list(known)).get_indexer(pd.Index(list(values))).astype(np.int64)


def atlas_of(
    responses: pd.DataFrame, z: np.ndarray, drugs: pd.DataFrame, genes: pd.DataFrame, lines: pd.DataFrame
) -> ResponseAtlas:
    """Return tables as an atlas; `z` float32 [responses, genes] has the rows of `responses`."""
    return ResponseAtlas(
        z,
        positions(responses["drug_id"], drugs["drug_id"]),
        positions(responses["cell_line"], lines["cell_line"]),
        drugs,
        lines["cell_line"].tolist(),
        genes["gene"].tolist(),
        genes[list(GENE_COLUMNS)],
        responses[list(EXPERIMENT_COLUMNS)].reset_index(drop=True),
    )
