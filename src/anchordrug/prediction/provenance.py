"""Entries of a card on a model's sources: genes, assays, dose, time, sources, packages."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pandas as pd
from packaging.version import Version

from anchordrug.atlas.conditions import Conditions, conditions_of
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import SettingsError, printable
from anchordrug.evidence_group import GROUPS

# The packages that compute a model or write its file.
PACKAGES = ("numpy", "onnx", "onnxruntime", "rdkit", "scipy", "torch")
EPOCH = "SOURCE_DATE_EPOCH"


def provenance(
    atlas: ResponseAtlas, experiments: Sequence[ResponseAtlas], own: Conditions | None = None
) -> dict[str, object]:
    """Return the entries of a model that learned from some experiments of `atlas`.

    Parameters
    ----------
    experiments
        Those of the source cell lines, and those of the anchors where the atlas has them.
    own
        Conditions of anchors that are not in the atlas.

    Raises
    ------
    SettingsError
        SOURCE_DATE_EPOCH is not a number of seconds.
    """
    conditions = [conditions_of(*experiments), *([] if own is None else [own])]
    return {
        "gene_ids": {
            "ensembl": _or_none(atlas.gene_table["ensembl_id"]),
            "entrez": _or_none(atlas.gene_table["gene_id"]),
        },
        **{
            name: sorted({value for part in conditions for value in getattr(part, name)})
            for name in Conditions._fields
        },
        "sources": list(atlas.published),
        "packages": _packages(),
        **_date(),
    }


def _or_none(ids: pd.Series) -> list[str | None]:
    return [None if pd.isna(text) else str(text) for text in ids]


def _packages() -> dict[str, str]:
    """Return the public versions; the build of a package (`+cpu`) is not a part of them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = Version(version(name)).public
        except PackageNotFoundError:
            continue
    return found


def _date() -> dict[str, str]:
    """Return the day of SOURCE_DATE_EPOCH; without it no date, so that the same input gives the same file."""
    seconds = os.environ.get(EPOCH)
    if seconds is None:
        return {}
    try:
        return {"date": datetime.fromtimestamp(int(seconds), UTC).date().isoformat()}
    except (ValueError, OverflowError, OSError) as error:
        raise SettingsError(
            f"{EPOCH}: '{printable(seconds, 40)}' is not a number of seconds since 1970; correct or unset it"
        ) from error


def evidence_entry(
    measured: Mapping[str, Mapping[str, float]], expected: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, object]]:
    """Return the card's `evidence_groups`: per group, the measured and the expected macro-F1."""
    return {
        group: {**measured.get(group, {}), **({"expected": expected[group]} if group in expected else {})}
        for group in GROUPS
        if group in measured or group in expected
    }
