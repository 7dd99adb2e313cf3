"""What earlier stages wrote about all targets and seeds, as the report reads it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from anchordrug import schemas
from anchordrug.files.tables import read_table
from anchordrug.project import paths
from anchordrug.settings import Settings


@dataclass(frozen=True)
class Tables:
    """What earlier stages wrote about all targets and seeds."""

    headline: pd.DataFrame
    scores: pd.DataFrame
    drugs: pd.DataFrame
    genes: pd.DataFrame
    curves: pd.DataFrame

    @property
    def ours(self) -> str:
        """The predictor with the largest budget, whose score is the headline."""
        own = self.headline[self.headline["predictor"].str.startswith(paths.budget_name(0)[:-1])]
        return str(own.sort_values("drugs")["predictor"].iloc[-1])


def load_tables(settings: Settings) -> Tables:
    """Return the tables of every target and seed, checked; `curves` has the compared strategies too."""
    names = [paths.run_name(target, seed) for target in settings.targets for seed in settings.seeds]

    def read(folder: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
        parts = []
        for name in names:
            path = folder / f"{name}.csv"
            parts.append(schemas.validate(read_table(paths.require(path)), schema, path))
        return pd.concat(parts, ignore_index=True)

    path = paths.METRICS / "headline.csv"
    curves = read(paths.ROUNDS, schemas.LEARNING_CURVE)
    others = read(paths.COMPARED, schemas.LEARNING_CURVE)
    others = others[others["strategy"] != settings.select.strategy]
    return Tables(
        schemas.validate(read_table(paths.require(path)), schemas.HEADLINE, path),
        read(paths.SCORES, schemas.SCORES),
        read(paths.TEST_DRUGS, schemas.TEST_DRUGS),
        read(paths.TEST_GENES, schemas.TEST_GENES),
        pd.concat([curves, others], ignore_index=True),
    )


def rows_of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows in which every named column has the value given."""
    keep = np.ones(len(table), bool)
    for name, value in values.items():
        keep &= (table[name] == value).to_numpy()
    return table[keep]
