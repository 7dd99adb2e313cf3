"""Source cell lines, test drugs and pool of a target cell line."""

import numpy as np

from anchordrug.atlas import ResponseAtlas
from anchordrug.errors import SettingsError, near


def require_targets(targets: tuple[str, ...], atlas: ResponseAtlas) -> None:
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
                f"targets: '{target}' has no response in the atlas{near(target, measured)} "
                f"(cell lines: {', '.join(measured)})"
            )
    if len(measured) < 2:
        raise SettingsError(
            f"targets: {measured[0]} is the only cell line of the atlas; add data of another one"
        )


def sources_of(atlas: ResponseAtlas, target: str) -> ResponseAtlas:
    """Return what is known before anything is measured in `target`: the responses of all other cell lines."""
    return atlas.without([target])


def split_drugs(
    atlas: ResponseAtlas, target: str, *, by: str, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (test drugs, pool) of `target` as rows of the drug table, each ordered by InChIKey.

    `test_fraction` of the target's drugs is set aside before anything else. The pool is what remains
    and also occurs in a source cell line (PAPER, scenario S2).

    Raises
    ------
    SettingsError
        Test set or pool would be empty.
    """
    inchikeys = atlas.drugs["inchikey"].to_numpy()
    measured = atlas.of(target).measured_drugs()
    measured = measured[np.argsort(inchikeys[measured], kind="stable")]
    size = round(test_fraction * len(measured))
    if by == "scaffold":
        test = _scaffold_test(atlas.drugs["smiles"].iloc[measured].tolist(), size)
    else:
        test = np.random.default_rng(seed).permutation(len(measured))[:size]
    is_test = np.isin(np.arange(len(measured)), test)
    pool = measured[~is_test & np.isin(measured, sources_of(atlas, target).measured_drugs())]
    if not is_test.any() or not len(pool):
        raise SettingsError(
            f"split: {target} has {len(measured)} drugs, of which {int(is_test.sum())} would be test drugs "
            f"and {len(pool)} pool drugs seen in source lines; choose another target or test_fraction"
        )
    return measured[is_test], pool


def _scaffold_test(smiles: list[str], size: int) -> np.ndarray:
    from anchordrug.features.deepchem_scaffolds import scaffold_order

    return scaffold_order(smiles)[len(smiles) - size :]
