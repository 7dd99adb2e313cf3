"""The tables of earlier stages on all targets and seeds, as the report reads them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.evaluation.summary import BUDGET
from anchordrug.project.project import Project


@dataclass(frozen=True)
class Tables:
    """The tables of earlier stages on all targets and seeds."""

    headline: pd.DataFrame
    scores: pd.DataFrame
    drugs: pd.DataFrame
    genes: pd.DataFrame
    curves: pd.DataFrame
    hidden: pd.DataFrame

    @property
    def ours(self) -> str:
        """The predictor with the largest budget, whose score is the headline."""
        own = self.headline[self.headline["predictor"].str.startswith(BUDGET)]
        return str(own.sort_values("drugs")["predictor"].iloc[-1])


def load_tables(project: Project) -> Tables:
    """Return the tables of every target and seed, checked; `curves` has the compared strategies too."""
    curves = project.read_campaigns("rounds", schemas.LEARNING_CURVE)
    others = project.read_campaigns("compared", schemas.LEARNING_CURVE)
    others = others[others["strategy"] != project.settings.select.strategy]
    return Tables(
        project.read(project.metrics / "headline.csv", schemas.HEADLINE),
        project.read_campaigns("scores", schemas.SCORES),
        project.read_campaigns("test_drugs", schemas.TEST_DRUGS),
        project.read_campaigns("test_genes", schemas.TEST_GENES),
        pd.concat([curves, others], ignore_index=True),
        pd.concat(
            [
                project.read(project.metrics / "hidden" / f"{target}.csv", schemas.HIDDEN)
                for target in project.settings.targets
            ],
            ignore_index=True,
        ),
    )


def rows_of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the rows in which every named column has the value given."""
    keep = np.ones(len(table), bool)
    for name, value in values.items():
        keep &= (table[name] == value).to_numpy()
    return table[keep]
