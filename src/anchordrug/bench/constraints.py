"""Which drugs of the library may be chosen."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.plates.volumes import problem_with
from anchordrug.bench.settings import CampaignSettings, Plates
from anchordrug.chem.scaffolds import scaffold
from anchordrug.errors import SettingsError, near, shortlist

# Bring the predictors, which who only reads a campaign's folder need not wait for.
if TYPE_CHECKING:
    from anchordrug.acquisition.campaign import Limit
    from anchordrug.bench.world import World

_UNFIT = "a stock too weak or too strong for the plates' concentration"


def require_constraints(campaign: CampaignSettings, library: pd.DataFrame, path: Path) -> None:
    """Check the drugs that campaign.yaml, which is `path`, includes or excludes.

    Raises
    ------
    SettingsError
        `path` includes or excludes a drug that the library does not have; or it includes a drug that
        is out of stock, has a stock that cannot be pipetted or, under a cost ceiling, has no cost.
    """
    constraints, known = campaign.constraints, library["drug_id"].tolist()
    for name, ids in (("include", constraints.include), ("exclude", constraints.exclude)):
        for drug_id in ids:
            if drug_id not in known:
                raise SettingsError(
                    f"{path}: constraints.{name}: '{drug_id}' is not a drug_id of {files.LIBRARY}"
                    f"{near(drug_id, known)}; correct it"
                )
    chosen = library[library["drug_id"].isin(constraints.include)]
    for problem, drugs in (
        ("is out of stock", chosen[chosen["stock"].eq(0)]),
        (f"has {_UNFIT}", chosen[_unfit(chosen, campaign.plates)]),
        (
            "has no cost, which a cost ceiling needs",
            chosen[(constraints.cost is not None) & chosen["cost"].isna()],
        ),
    ):
        if len(drugs):
            raise SettingsError(
                f"{path}: constraints.include: '{drugs['drug_id'].iloc[0]}' {problem}; correct "
                f"{files.LIBRARY} or leave it out"
            )


def required(world: "World", anchors: np.ndarray) -> np.ndarray:
    """Return the drugs that must be in and are not measured yet, int64 rows in the order of the settings."""
    rows = world.rows_of(pd.Series(world.campaign.constraints.include, dtype=object))
    return rows[~np.isin(rows, anchors)]


def allowed(world: "World", asked: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Return the drugs that may be chosen, by InChIKey, and for every reason how many may not."""
    library, constraints = world.library, world.campaign.constraints
    rows = library["row"]
    reasons = {
        "excluded": library["drug_id"].isin(constraints.exclude),
        "out of stock": library["stock"].eq(0),
        _UNFIT: _unfit(library, world.campaign.plates),
        "no cost given, which a cost ceiling needs": (constraints.cost is not None) & library["cost"].isna(),
    }
    free = ~rows.isin([*asked, *anchors])
    counts = {}
    for reason, hit in reasons.items():
        counts[reason] = int((hit & free).sum())
        free &= ~hit
    return world.by_inchikey(rows[free].to_numpy(np.int64)), {k: n for k, n in counts.items() if n}


def _unfit(library: pd.DataFrame, plates: Plates) -> pd.Series:
    """Return which drugs have a stock of their own that cannot bring a well to the plates' concentration."""
    if "stock_mm" not in library:
        return pd.Series(False, index=library.index)
    own = library["stock_mm"]
    wrong = [stock for stock in own.dropna().unique() if problem_with(plates.concentration_um, stock, plates)]
    return own.isin(wrong)


def limit(world: "World", asked: np.ndarray) -> "Limit | None":
    """Return whether a drug may join its round, given those `asked` for before; None without limits."""
    constraints = world.campaign.constraints
    library = world.library.drop_duplicates("row").set_index("row")
    kinds: list[tuple[dict, int]] = []
    if constraints.per_mechanism is not None:
        moa = library["moa"].dropna()
        kinds.append((moa.to_dict(), constraints.per_mechanism))
    if constraints.per_scaffold is not None:
        scaffolds = {row: scaffold(smiles) for row, smiles in library["smiles"].items()}
        kinds.append(({row: group for row, group in scaffolds.items() if group}, constraints.per_scaffold))
    ceiling = constraints.cost
    if not kinds and ceiling is None:
        return None
    cost = library["cost"].fillna(0.0).to_dict()
    spent = sum(cost.get(row, 0.0) for row in asked)

    def allows(drug: int, chosen: Sequence[int] | np.ndarray) -> bool:
        if ceiling is not None and spent + sum(cost.get(row, 0.0) for row in (*chosen, drug)) > ceiling:
            return False
        for kind_of, most in kinds:
            counts = Counter(kind_of.get(row) for row in (*asked, *chosen))
            if drug in kind_of and counts[kind_of[drug]] >= most:
                return False
        return True

    return allows


def require_affordable(world: "World", asked: np.ndarray, must: np.ndarray) -> None:
    """Check that the drugs that must be in do not break the cost ceiling.

    Raises
    ------
    SettingsError
        They do.
    """
    ceiling = world.campaign.constraints.cost
    if ceiling is None:
        return
    cost = world.library.drop_duplicates("row").set_index("row")["cost"]
    total = float(cost.reindex([*asked, *must]).fillna(0).sum())
    if total > ceiling:
        names = shortlist(world.atlas.drugs["drug_id"].iloc[must])
        raise SettingsError(
            f"{world.folder / files.SETTINGS}: constraints.cost: {ceiling:g} is not enough for the drugs "
            f"that must be in ({names}), which bring it to {total:g}; raise it or include fewer"
        )
