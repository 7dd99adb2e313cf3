"""How many of the drugs to be predicted are seen, near and far, and how well each group is predicted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.chem.similarity import nearest_similarity
from anchordrug.errors import counted
from anchordrug.evidence_group import GROUPS, evidence_groups
from anchordrug.predictors.expectations import expected_at

# Brings torch and scipy, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.bench.model import Model
    from anchordrug.bench.world import World


def evidence_table(model: "Model", anchors: Sequence[np.ndarray]) -> pd.DataFrame:
    """Return the evidence groups of every target's drugs to be predicted, in schema EVIDENCE.

    The expected macro-F1 is that of source lines used as the target, with as many anchors or the next
    smaller number that was tried; NaN where the predictor does not tell.

    Parameters
    ----------
    anchors
        One entry per target: int64 rows of the drugs measured in it.
    """
    world = model.world
    tables = []
    for target, predictor, measured in zip(world.campaign.targets, model.predictors, anchors, strict=True):
        groups = groups_to_predict(world, measured)
        for group in GROUPS:
            row = {"cell_line": target, "group": group, "drugs": int((groups == group).sum())}
            expected = expected_at(predictor.expectations(), group, len(measured))
            about = {name: getattr(expected, name, np.nan) for name in ("macro_f1", "low", "high")}
            tables.append({**row, "anchors": len(measured), **about})
    return pd.DataFrame(tables)[list(schemas.EVIDENCE.columns)]


def groups_to_predict(world: "World", measured: np.ndarray) -> np.ndarray:
    """Return the evidence group of each drug to be predicted that is not `measured`, object [drugs]."""
    queries = world.queries[~np.isin(world.queries, measured)]
    seen = np.isin(queries, world.sources.measured_drugs())
    known = np.union1d(world.sources.measured_drugs(), measured)
    return evidence_groups(seen, nearest_similarity(world.features.drugs, queries, known))


def evidence_in_words(table: pd.DataFrame) -> list[str]:
    """Return a line for every target and group that has drugs."""
    about = {
        "seen": "seen in a source line",
        "near": "unseen, but like a known drug",
        "far": "unseen, and like no known drug",
    }
    lines = []
    for target, own in table.groupby("cell_line", sort=False):
        lines.append(f"{target}: {counted(int(own['drugs'].sum()), 'drug')} to be predicted")
        for row in own[own["drugs"] > 0].to_dict("records"):
            said = f"  {row['drugs']:>6} {about[row['group']]}"
            if row["macro_f1"] == row["macro_f1"]:
                said += (
                    f": macro-F1 of about {row['macro_f1']:.2f} "
                    f"({row['low']:.2f} to {row['high']:.2f} in eight of ten source lines)"
                )
            lines.append(said)
    return lines
