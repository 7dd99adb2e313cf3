"""The anchors measured so far in a campaign, read from its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.bench import folder as files
from anchordrug.errors import TableError
from anchordrug.files.tables import read_table

# Brings the atlas, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.bench.world import World


@dataclass(frozen=True)
class Measurements:
    """Anchors of every target in order of measurement, and every drug asked for.

    Attributes
    ----------
    drugs, z
        One entry a target: int64 [anchors] rows of the drug table, float32 [anchors, genes], NaN where an
        assay did not measure a gene.
    asked
        int64 rows in order, those of the campaign's rounds, with or without a result.
    """

    drugs: list[np.ndarray]
    z: list[np.ndarray]
    asked: np.ndarray

    @property
    def anchors(self) -> np.ndarray:
        """The drugs measured in any target, in order of measurement."""
        together = np.concatenate(self.drugs)
        return together[np.sort(np.unique(together, return_index=True)[1])]

    def spent(self) -> int:
        """Return how much of the budget is spent: the drugs asked for that gave a result in some target."""
        return int(np.isin(np.unique(self.asked), self.anchors).sum())


def read_selection(folder: Path, number: int) -> pd.DataFrame:
    """Return the drugs that a round asks for, in order."""
    path = files.round_of(folder, number) / files.SELECTION
    table = read_table(path, files.TEXT)
    # Rounds of earlier versions give no reasons.
    table = table if "reason" in table else table.assign(reason=None)
    return schemas.validate(table, schemas.BENCH_SELECTION, path, files.RESTORE)


def read_outcome(folder: Path, number: int) -> pd.DataFrame:
    """Return the outcome of every drug of an ingested round, in every target."""
    path = files.round_of(folder, number) / files.OUTCOME
    return schemas.validate(read_table(path, files.TEXT), schemas.OUTCOME, path, files.RESTORE)


def measured_so_far(world: "World") -> Measurements:
    """Read the accepted responses of all rounds, after those that the atlas has of a target."""
    parts = {target: [world.measured_before(target)] for target in world.campaign.targets}
    asked = [np.zeros(0, np.int64)]
    for number in files.round_numbers(world.folder):
        asked.append(world.rows_of(read_selection(world.folder, number)["drug_id"]))
        if not files.is_ingested(world.folder, number):
            continue
        path = files.round_of(world.folder, number) / files.RESPONSES
        table = read_table(path, files.TEXT)
        if table.columns.tolist() != ["cell_line", "drug_id", *world.atlas.genes]:
            raise TableError(
                f"{path}: its genes are not those of the project's atlas; delete "
                f"{path.parent / files.INGEST} and run 'anchordrug campaign ingest' again"
            )
        for target, taken in parts.items():
            own = table[table["cell_line"] == target]
            values = own[world.atlas.genes].to_numpy(np.float32)
            taken.append((world.rows_of(own["drug_id"]), values))
    drugs, z = [], []
    for taken in parts.values():
        rows, values = zip(*taken, strict=True)
        # A drug that was asked for again counts with its last result.
        together, measured = np.concatenate(rows), np.concatenate(values)
        last = len(together) - 1 - np.unique(together[::-1], return_index=True)[1]
        drugs.append(together[np.sort(last)])
        z.append(measured[np.sort(last)])
    return Measurements(drugs, z, np.concatenate(asked))
