"""A campaign: rounds of choosing drugs, revealing their responses and fitting again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anchordrug.acquisition import Catalogue, PoolView, Strategy
from anchordrug.errors import SettingsError
from anchordrug.predictors.base import FittedPredictor, Learner

# Given drug rows, their measured z [drugs, genes] in the target: an atlas, or an assay.
Oracle = Callable[[np.ndarray], np.ndarray]
# Given a drug row and those chosen before it in its round: whether it may join them.
Limit = Callable[[int, np.ndarray], bool]


@dataclass(frozen=True)
class Round:
    """One round: the drugs chosen in order, their scores, and the predictor fitted to all anchors so far.

    `query_seconds` is the time the choice took, `train_seconds` that of the fit.
    """

    number: int
    drugs: np.ndarray
    scores: np.ndarray
    fitted: FittedPredictor
    query_seconds: float
    train_seconds: float


def play(
    predictor: Learner,
    reveal: Oracle,
    pool: np.ndarray,
    catalogue: Catalogue,
    strategy: Strategy,
    *,
    budget: int,
    batch: int,
    seed: int,
    played: Sequence[np.ndarray] = (),
) -> Iterator[Round]:
    """Play rounds of `batch` drugs until `budget` drugs are chosen, one at a time as the caller asks.

    Every round draws from (seed, round) alone, so a campaign that goes on after `played` rounds
    chooses what an uninterrupted one would have chosen.

    Parameters
    ----------
    reveal
        Returns the responses of chosen drugs; no other response of the target is ever seen.
    pool
        int64 rows of the drug table, ordered by InChIKey (which settles ties).
    catalogue
        What is known of every drug of the table before it is measured.
    played
        Drugs of the rounds that are already done, in order.

    Raises
    ------
    SettingsError
        The budget exceeds the pool.
    """
    if budget > len(pool):
        raise SettingsError(
            f"select.budget: {budget} drugs are asked for, but the pool holds {len(pool)}; lower the budget"
        )
    anchors = np.concatenate([np.zeros(0, np.int64), *played])

    def fit() -> FittedPredictor:
        return predictor.fit(anchors, reveal(anchors), seed=fit_seed(seed, len(anchors)))

    number = len(played)
    fitted = fit()
    while len(anchors) < budget:
        number += 1
        free = pool[~np.isin(pool, anchors)]
        start = time.perf_counter()
        view = PoolView(fitted, free, anchors, catalogue)
        chosen, scores = choose(view, strategy, min(batch, budget - len(anchors)), seed=seed, number=number)
        queried = time.perf_counter()
        anchors = np.concatenate([anchors, chosen])
        fitted = fit()
        trained = time.perf_counter()
        yield Round(number, chosen, scores, fitted, queried - start, trained - queried)


def choose(
    view: PoolView,
    strategy: Strategy,
    count: int,
    *,
    seed: int,
    number: int,
    allows: Limit | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the next `count` drugs of round `number`, int64 rows in order of choice, and their scores.

    Where `allows` refuses a drug, the strategy is asked again without it, given those before it. With a limit
    there may be fewer than `count`, where no more drugs are allowed.

    Parameters
    ----------
    allows
        Whether a drug may join those chosen so far in this round.
    """
    chosen, scores = np.zeros(0, np.int64), np.zeros(0)
    free = view.drugs
    while len(chosen) < count:
        if allows is not None:
            free = free[[allows(drug, chosen) for drug in free]]
            if not len(free):
                break
        asked = replace(view, drugs=free, anchors=np.concatenate([view.anchors, chosen]))
        batch = count - len(chosen) if allows is None else min(count - len(chosen), len(free))
        selection = strategy(asked, batch, np.random.default_rng([seed, number]))
        drugs = free[selection.positions]
        take = len(drugs)
        if allows is not None:
            together = [allows(drug, np.concatenate([chosen, drugs[:k]])) for k, drug in enumerate(drugs)]
            take = together.index(False) if False in together else take
        chosen = np.concatenate([chosen, drugs[:take]])
        scores = np.concatenate([scores, selection.scores[:take]])
        free = free[~np.isin(free, chosen)]
    return chosen, scores


def fit_seed(seed: int, anchors: int) -> int:
    """Return the seed of the fit to so many anchors in the campaign with `seed`."""
    return int(np.random.SeedSequence([seed, anchors]).generate_state(1)[0])
