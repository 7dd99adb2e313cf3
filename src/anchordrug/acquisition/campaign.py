"""A campaign: rounds of choosing drugs, revealing their responses and fitting again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anchordrug.acquisition import Catalogue, PoolView, Strategy
from anchordrug.errors import SettingsError, counted
from anchordrug.predictors.base import FittedPredictor, Learner

# Given drug rows, returns their measured z [drugs, genes] in the target: an atlas, or an assay.
Oracle = Callable[[np.ndarray], np.ndarray]
# Given a drug row and those chosen before it in its round, returns whether it may join them.
Limit = Callable[[int, np.ndarray], bool]


@dataclass(frozen=True)
class Choice:
    """The drugs of a round: int64 rows in order of choice, their scores float64, and a reason for each."""

    drugs: np.ndarray
    scores: np.ndarray
    reasons: tuple[str, ...]

    @classmethod
    def none(cls) -> "Choice":
        """Return the choice of no drug."""
        return cls(np.zeros(0, np.int64), np.zeros(0), ())

    def then(self, other: "Choice") -> "Choice":
        """Return these drugs, followed by those of `other`."""
        return Choice(
            np.concatenate([self.drugs, other.drugs]),
            np.concatenate([self.scores, other.scores]),
            self.reasons + other.reasons,
        )


@dataclass(frozen=True)
class Round(Choice):
    """One round: the drugs chosen, and the predictor fitted to all anchors so far.

    `query_seconds` is the time the choice took, `train_seconds` that of the fit.
    """

    number: int
    fitted: FittedPredictor
    query_seconds: float
    train_seconds: float


@dataclass(frozen=True)
class Campaign:
    """The pool of a campaign, its strategy and its number of drugs.

    Attributes
    ----------
    pool
        int64 rows of the drug table, ordered by InChIKey (which settles ties).
    catalogue
        The facts about every drug of the table that are known before it is measured.
    budget
        Number of drugs to choose in all.
    batch
        Number of drugs per round.
    """

    pool: np.ndarray
    catalogue: Catalogue
    strategy: Strategy
    budget: int
    batch: int
    seed: int


def require_budget(budget: int, pool: int, source: str | None = None) -> None:
    """Check that a pool of `pool` drugs suffices for `budget`; errors begin with `source`, the setting.

    Raises
    ------
    SettingsError
        The budget exceeds the pool.
    """
    if budget > pool:
        setting = "" if source is None else f"{source}: "
        raise SettingsError(
            f"{setting}a budget of {counted(budget, 'drug')} exceeds the pool of {pool}; lower the budget"
        )


def play(
    campaign: Campaign, predictor: Learner, reveal: Oracle, played: Sequence[np.ndarray] = ()
) -> Iterator[Round]:
    """Play rounds until the budget is spent, one at a time as the caller asks.

    Every round draws from (seed, round) alone, so a campaign that resumes after `played` rounds chooses as it
    would have without the interruption.

    Parameters
    ----------
    reveal
        Returns the responses of chosen drugs; no other response of the target is ever seen.
    played
        Drugs of the rounds that are already done, in order.

    Raises
    ------
    SettingsError
        The budget exceeds the pool, or the strategy lacks an input.
    StrategyError
        The strategy returned no batch of distinct free drugs.
    """
    require_budget(campaign.budget, len(campaign.pool))
    anchors = np.concatenate([np.zeros(0, np.int64), *played])

    def fit() -> FittedPredictor:
        return predictor.fit(anchors, reveal(anchors), seed=fit_seed(campaign.seed, len(anchors)))

    number = len(played)
    fitted = fit()
    while len(anchors) < campaign.budget:
        number += 1
        free = campaign.pool[~np.isin(campaign.pool, anchors)]
        count = min(campaign.batch, campaign.budget - len(anchors))
        start = time.perf_counter()
        view = PoolView(fitted, free, anchors, campaign.catalogue)
        choice = choose(view, campaign.strategy, count, round_seed(campaign.seed, number))
        queried = time.perf_counter()
        anchors = np.concatenate([anchors, choice.drugs])
        fitted = fit()
        trained = time.perf_counter()
        drawn = choice.drugs, choice.scores, choice.reasons
        yield Round(*drawn, number, fitted, queried - start, trained - queried)


def choose(
    view: PoolView, strategy: Strategy, count: int, seed: tuple[int, int], allows: Limit | None = None
) -> Choice:
    """Return the next `count` drugs of a round.

    Where `allows` refuses a drug, the strategy is asked again without it, given those before it. With a limit
    there may be fewer than `count`, where no more drugs are allowed.

    Parameters
    ----------
    seed
        That of the round, as `round_seed` returns it.
    allows
        Whether a drug may join those chosen so far in this round.

    Raises
    ------
    SettingsError
        There is no limit and fewer than `count` drugs are free, or the strategy lacks an input.
    StrategyError
        The strategy returned no batch of distinct free drugs.
    """
    made = Choice.none()
    free = view.drugs
    while len(made.drugs) < count:
        batch = count - len(made.drugs)
        if allows is not None:
            free = free[[allows(drug, made.drugs) for drug in free]]
            batch = min(batch, len(free))
            if not batch:
                break
        asked = replace(view, drugs=free, anchors=np.concatenate([view.anchors, made.drugs]))
        selection = strategy(asked, batch, np.random.default_rng(seed))
        drugs = free[selection.positions]
        take = len(drugs) if allows is None else _allowed_together(drugs, made.drugs, allows)
        made = made.then(Choice(drugs[:take], selection.scores[:take], tuple(selection.reasons[:take])))
        free = free[~np.isin(free, made.drugs)]
    return made


def _allowed_together(drugs: np.ndarray, chosen: np.ndarray, allows: Limit) -> int:
    """Return how many of `drugs` may join those chosen before, one after the other."""
    for place, drug in enumerate(drugs):
        if not allows(drug, np.concatenate([chosen, drugs[:place]])):
            return place
    return len(drugs)


def round_seed(seed: int, number: int) -> tuple[int, int]:
    """Return the seed of round `number` in the campaign with `seed`."""
    return seed, number


def fit_seed(seed: int, anchors: int) -> int:
    """Return the seed of the fit to so many anchors in the campaign with `seed`."""
    return int(np.random.SeedSequence([seed, anchors]).generate_state(1)[0])
