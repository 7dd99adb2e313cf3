"""The view of a strategy: the pool drugs still free, and the predictor fitted so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from anchordrug.errors import SettingsError

if TYPE_CHECKING:  # predictors need scipy and more, a strategy's view none of it
    from anchordrug.predictors.base import FittedNetwork, FittedPredictor, Task
    from anchordrug.predictors.response.prior import ResponsePrior


@dataclass(frozen=True)
class Catalogue:
    """The facts about every drug that are known before it is measured; rows are those of the drug table.

    Attributes
    ----------
    fingerprints
        [drugs, bits], non-zero where a bit is set.
    mechanisms
        Each drug's mechanism of action, or None.
    prior
        Every drug's prior response from the source lines, for the strategies that need it.
    queries
        int64 rows of the drugs that the campaign is for, those one wants predicted; None for the pool itself.
        Of them too only structure and prior are known.
    """

    fingerprints: np.ndarray
    mechanisms: list[str | None]
    prior: "ResponsePrior | None" = None
    queries: np.ndarray | None = None

    @classmethod
    def of(cls, task: "Task", queries: np.ndarray | None = None) -> "Catalogue":
        """Return the facts about every drug of the atlas before anything is measured in the target."""
        from anchordrug.predictors.response.prior import mechanisms_of, prior_of

        return cls(task.features.drugs, mechanisms_of(task.sources.drugs), prior_of(task), queries)


@dataclass(frozen=True)
class PoolView:
    """The free pool drugs, int64 rows of the drug table in the order of their InChIKeys.

    It has no measured response of the target, so that no strategy can peek. Costly values are computed once,
    when they are first asked for. In scenario `common` the predictor is one of several targets, whose genes
    are side by side.

    Attributes
    ----------
    anchors
        The drugs chosen in earlier rounds, in order.
    """

    predictor: "FittedPredictor"
    drugs: np.ndarray
    anchors: np.ndarray
    catalogue: Catalogue

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [pool, genes, 3]."""
        return self.predictor.probabilities(self.drugs)

    @property
    def network(self) -> "FittedNetwork":
        """The predictor, for strategies that look inside it.

        Raises
        ------
        SettingsError
            It has no dropout, embeddings or gradients.
        """
        from anchordrug.predictors.base import network_of

        network = network_of(self.predictor)
        if network is None:
            raise SettingsError(
                "needs a network's dropout, embeddings or gradients, which this predictor does not offer; "
                "choose predictor mlp, or strategy a_optimal, facility_location or random"
            )
        return network

    @property
    def prior(self) -> "ResponsePrior":
        """The catalogue's prior responses, for strategies that need nothing measured in the target.

        Raises
        ------
        SettingsError
            It has none.
        """
        if self.catalogue.prior is None:
            raise SettingsError(
                "needs prior responses, but the catalogue has none; give it some, or choose strategy random"
            )
        return self.catalogue.prior

    @property
    def queries(self) -> np.ndarray:
        """The catalogue's `queries`, or else pool and anchors, int64 rows of the drug table."""
        queries = self.catalogue.queries
        return np.concatenate([self.drugs, self.anchors]) if queries is None else queries

    def dropout_probabilities(self, passes: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield `passes` arrays like `probabilities` under dropout noise."""
        return self.network.dropout_probabilities(self.drugs, passes, rng)
