"""Source cell lines, test drugs and pool of a target cell line."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import SettingsError, counted
from anchordrug.raw.line_names import near_line

HIDDEN_SHARE = 0.4


def require_targets(targets: Collection[str], atlas: ResponseAtlas, leave_out: Collection[str] = ()) -> None:
    """Check that every target has responses and that there is another cell line to learn from.

    Raises
    ------
    SettingsError
        Naming the target, or saying that no source cell line is left.
    """
    measured = [atlas.cell_lines[line] for line in np.unique(atlas.cell_line)]
    for target in targets:
        if target not in measured:
            raise SettingsError(
                f"targets: '{target}' has no response in the atlas{near_line(target, measured)} "
                f"(cell lines: {', '.join(measured)})"
            )
    for line in leave_out:
        if line not in atlas.cell_lines:
            raise SettingsError(
                f"pretrain.leave_out: '{line}' is not a cell line of the atlas"
                f"{near_line(line, atlas.cell_lines)} (cell lines: {', '.join(atlas.cell_lines)})"
            )
    for target in targets:
        if not set(measured) - {target} - set(leave_out):
            raise SettingsError(
                f"targets: no cell line is left to learn {target} from; "
                "add data of another line, or leave out fewer (pretrain.leave_out)"
            )


def sources_of(atlas: ResponseAtlas, target: str, leave_out: Collection[str] = ()) -> ResponseAtlas:
    """Return the knowledge before anything is measured in `target`: the responses of its source cell lines.

    These are all lines but the target and `leave_out`.
    """
    return atlas.without({target, *leave_out})


def split_targets(
    atlas: ResponseAtlas,
    targets: Sequence[str],
    *,
    by: str,
    test_fraction: float,
    pool: str,
    seed: int,
    leave_out: Collection[str] = (),
    common: bool = False,
) -> pd.DataFrame:
    """Return target, drug_id and role ("test" or "pool") of every drug that is split.

    Parameters
    ----------
    by, test_fraction, pool, seed
        See `split_drugs`.
    common
        Whether the targets share one pool (PAPER, scenario S1).

    Raises
    ------
    SettingsError
        As `require_targets`, `split_drugs` and `common_pool`.
    """
    require_targets(targets, atlas, leave_out)
    tests, pools = {}, {}
    for target in targets:
        tests[target], pools[target] = split_drugs(
            atlas, target, by=by, test_fraction=test_fraction, pool=pool, seed=seed, leave_out=leave_out
        )
    if common:
        pools = dict.fromkeys(pools, common_pool(pools))
    drug_ids = atlas.drugs["drug_id"].to_numpy()
    rows = []
    for target in targets:
        rows += [(target, drug_ids[drug], "test") for drug in tests[target]]
        rows += [(target, drug_ids[drug], "pool") for drug in pools[target]]
    return pd.DataFrame(rows, columns=["target", "drug_id", "role"])


def split_drugs(
    atlas: ResponseAtlas,
    target: str,
    *,
    by: str,
    test_fraction: float,
    pool: str,
    seed: int,
    leave_out: Collection[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Return (test drugs, pool) of `target` as rows of the drug table, each ordered by InChIKey.

    Drugs with a gene that was not measured are in neither, so that every score is over the same genes.

    Parameters
    ----------
    by
        "random", or "scaffold" for test drugs whose scaffolds the pool lacks.
    test_fraction
        The share of the target's drugs set aside before anything else.
    pool
        "all" for a pool of all other drugs of the target; "known" for those of them that a source cell line
        has measured too (PAPER, scenario S2).

    Raises
    ------
    SettingsError
        Test set or pool would be empty.
    """
    inchikeys = atlas.drugs["inchikey"].to_numpy()
    own = atlas.of(target)
    measured = own.restricted_to(np.flatnonzero(np.isfinite(own.z).all(axis=1))).measured_drugs()
    measured = measured[np.argsort(inchikeys[measured], kind="stable")]
    size = round(test_fraction * len(measured))
    if by == "scaffold":
        test = _scaffold_test(atlas.drugs["smiles"].iloc[measured].tolist(), size)
    else:
        test = np.random.default_rng(seed).permutation(len(measured))[:size]
    is_test = np.isin(np.arange(len(measured)), test)
    others, seen = measured[~is_test], ""
    if pool == "known":
        others = others[np.isin(others, sources_of(atlas, target, leave_out).measured_drugs())]
        seen = " seen in source lines"
    if not is_test.any() or not len(others):
        raise SettingsError(
            f"split: {target} has {counted(len(measured), 'drug')}, which make "
            f"{counted(int(is_test.sum()), 'test drug')} and {counted(len(others), 'pool drug')}{seen}; "
            "choose another target or test_fraction"
        )
    return measured[is_test], others


def hidden_drugs(atlas: ResponseAtlas, target: str, seed: int) -> np.ndarray:
    """Return the drugs of `target` that an evaluation hides from its source lines, int64 rows.

    They are a share `HIDDEN_SHARE` of its drugs, both test and pool: as in a lab's library of new compounds.
    """
    drugs = atlas.of(target).measured_drugs()
    drugs = drugs[np.argsort(atlas.drugs["inchikey"].to_numpy()[drugs], kind="stable")]
    # A stream of its own: the split draws from the seed itself.
    rank = np.random.default_rng([seed, 7]).permutation(len(drugs))
    return drugs[rank < HIDDEN_SHARE * len(drugs)]


def common_pool(pools: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the drugs that are in the pool of every target (PAPER, scenario S1), in the pools' order.

    A test drug of any target is in none of them.

    Raises
    ------
    SettingsError
        There is no such drug.
    """
    shared = reduce(lambda kept, pool: kept[np.isin(kept, pool)], pools.values())
    if not len(shared):
        raise SettingsError(
            f"select.scenario: no drug is in the pool of each of {', '.join(pools)}; "
            "choose targets that share drugs, or scenario per_target"
        )
    return shared


def _scaffold_test(smiles: list[str], size: int) -> np.ndarray:
    from anchordrug.chem.scaffolds import scaffold_order

    return scaffold_order(smiles)[len(smiles) - size :]
