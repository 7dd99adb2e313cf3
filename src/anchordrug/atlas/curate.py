"""From a raw bundle to an atlas: which signatures, drugs, genes and cell lines are usable, and why not.

Two kinds of loss are told apart. Data that the settings do not ask for (another dose, time or quality) is
counted in the funnel. Data asked for that cannot be used (no structure, no untreated expression, no
annotation, damaged values) is counted there and also named, with its reason, in the rejects.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.atlas import nothing_left as empty
from anchordrug.atlas.conditions import is_dose, is_gold, is_time
from anchordrug.atlas.funnel import Funnel
from anchordrug.atlas.usable_genes import usable_genes
from anchordrug.atlas.usable_lines import of_usable_lines, one_spelling
from anchordrug.chem.workers import Fingerprinted, standardising
from anchordrug.errors import RawDataError
from anchordrug.files.disk import allocated
from anchordrug.files.progress import track
from anchordrug.raw.bundle import RawBundle, no_file
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.reading_ahead import reading_ahead
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.spool import spooled
from anchordrug.raw.tables import L1000, canonical_signatures, read_compounds, read_signatures

_VALUES_AT_ONCE = 2**24


class Rules(NamedTuple):
    """Dose in uM, time in hours, and 'gold' or 'any' quality."""

    dose_um: float
    time_h: float
    quality: str


class Curated(NamedTuple):
    """The curated tables; `z` float32 [responses, genes] belongs to the rows of `responses`.

    `notes` says which files the bundle lacks, and which names of cell lines were taken for one another.
    """

    responses: pd.DataFrame
    z: np.ndarray
    drugs: pd.DataFrame
    genes: pd.DataFrame
    cell_lines: pd.DataFrame
    funnel: pd.DataFrame
    rejects: pd.DataFrame
    notes: list[str]


def curate(bundle: RawBundle, rules: Rules, work: Path | None = None) -> Curated:
    """Curate a raw bundle by `rules` (DESIGN, Curation rules).

    The matrix is streamed; memory grows with the kept rows, not with the file. With a folder `work`, not even
    with that: z-scores are in files there (`Curated.z` is mapped from one), and the rows that a killed
    process has read is not read again. The caller removes the folder in the end.

    Raises
    ------
    RawDataError
        A file is missing or damaged, the panel names unknown genes, or nothing is left.
    """
    funnel = Funnel()
    with open_matrix(bundle.matrix) as matrix, reading_ahead(bundle.matrix):
        genes = usable_genes(bundle, matrix, funnel)
        signatures = _wanted_signatures(bundle, matrix, rules, funnel)
        signatures = signatures.sort_values("position", ignore_index=True)
        compounds = _compounds(bundle, signatures)
        signatures, described, notes = one_spelling(bundle, signatures)
        # Processors standardise structures while the disk is read.
        with standardising(compounds["smiles"].dropna().tolist()) as structures:
            z = _read(matrix, signatures["position"].to_numpy(), genes.pop("column").to_numpy(), work)
            signatures, drugs = _with_structures(bundle, signatures, compounds, structures, funnel)
    signatures = of_usable_lines(bundle, signatures, described, funnel)
    signatures = _with_values(bundle, signatures, z, genes["gene"].tolist(), funnel)
    responses, z = _merge_replicates(signatures, z, work)
    funnel.steps.append(
        (
            "replicates of a drug and cell line merged",
            "experiments",
            len(responses),
            len(signatures) - len(responses),
        )
    )
    responses = responses.assign(
        assay=_assays(signatures),
        dose_um=float(rules.dose_um),
        time_h=float(rules.time_h),
        origin=_stem(bundle.matrix),
    )
    drugs = drugs[drugs["drug_id"].isin(responses["drug_id"])].reset_index(drop=True)
    lines = pd.DataFrame({"cell_line": sorted(responses["cell_line"].unique())})
    return Curated(
        responses,
        z,
        drugs,
        genes,
        lines,
        pd.DataFrame(funnel.steps, columns=["step", "unit", "kept", "dropped"]),
        pd.DataFrame(funnel.rejects, columns=["kind", "id", "reason", "detail"]),
        [*_absent(bundle), *notes],
    )


def _absent(bundle: RawBundle) -> list[str]:
    """Return the files that the bundle lacks, and the features that need them."""
    needed = {
        "annotation": "the predictors of the paper's network (mlp, mlp_response) need it",
        "expression": "all predictors but response_gp need it",
    }
    return [
        f"{no_file(bundle.matrix.parent, role)}; {why}"
        for role, why in needed.items()
        if getattr(bundle, role) is None
    ]


def _stem(matrix: Path) -> str:
    """Return the name of a matrix without the suffix of its format."""
    return re.sub(r"\.(gctx|gct|gct\.gz)$", "", matrix.name)


def _wanted_signatures(
    bundle: RawBundle, matrix: SignatureMatrix, rules: Rules, funnel: Funnel
) -> pd.DataFrame:
    """Return the signatures that the rules ask for, with `position`: their row in the matrix."""
    if bundle.siginfo:
        table = read_signatures(bundle.siginfo)
    elif len(matrix.signatures.columns) == 1:
        raise RawDataError(
            f"{bundle.matrix.parent}: no siginfo_beta.txt, and {bundle.matrix.name} carries no metadata "
            "of its signatures; add the file"
        )
    else:
        table = canonical_signatures(matrix.signatures, bundle.matrix)
    source, every, rows = bundle.source, table["sig_id"], matrix.signature_ids
    dose, time = rules.dose_um, rules.time_h
    of_compound = table["pert_type"] == "trt_cp"
    table = funnel.keep(
        table,
        of_compound,
        "signatures of compounds (trt_cp)",
        lambda before: empty.no_compounds(source, before),
    )
    table = funnel.keep(
        table,
        is_dose(table["dose_um"], dose),
        f"dose {dose:g} uM",
        lambda before: empty.no_quantity(source, "dose", before["dose_um"], dose, "uM"),
    )
    table = funnel.keep(
        table,
        is_time(table["time_h"], time),
        f"time {time:g} h",
        lambda before: empty.no_quantity(source, "time", before["time_h"], time, "h"),
    )
    if rules.quality == "gold":
        table = _gold(table, source, funnel)
    position = table["sig_id"].map(pd.Series(np.arange(len(rows)), index=rows))
    found = position.notna()
    funnel.reject("signature", table.loc[~found, "sig_id"], f"no row in {bundle.matrix.name}")
    table = funnel.keep(
        table,
        found,
        "row in the matrix",
        lambda before: empty.no_rows(source, every, before["sig_id"], bundle.matrix, rows),
    )
    return table.assign(position=position[found].astype(np.int64))


def _gold(table: pd.DataFrame, source: Path, funnel: Funnel) -> pd.DataFrame:
    """Return the signatures that are gold, and those that do not tell their quality."""
    untold = _without_quality(table)
    step = f"quality gold (kept without a quality: {untold.sum()})" if untold.any() else "quality gold"
    kept = is_gold(table) | untold
    return funnel.keep(table, kept, step, lambda before: empty.no_quality(source, before))


def _without_quality(table: pd.DataFrame) -> np.ndarray:
    """Return which signatures are of an assay without CMap's measures of quality, bool [signatures]."""
    told = table[list(empty.QUALITY)].notna().any(axis=1)
    return ((table["assay"] != L1000) & ~told).to_numpy()


def _compounds(bundle: RawBundle, signatures: pd.DataFrame) -> pd.DataFrame:
    """Return name, smiles, moa and whether it is listed of every drug of `signatures`, by its id, sorted."""
    table = read_compounds(bundle.compoundinfo)
    ids = signatures["drug_id"].dropna()
    if not ids.isin(table["drug_id"]).any():
        listed = table["drug_id"].tolist()
        raise RawDataError(empty.no_compound_in_table(bundle.source, ids, bundle.compoundinfo, listed))
    return table.set_index("drug_id").assign(listed=True).reindex(sorted(ids.unique()))


def _with_structures(
    bundle: RawBundle,
    signatures: pd.DataFrame,
    compounds: pd.DataFrame,
    structures: Iterator[Fingerprinted | str],
    funnel: Funnel,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the signatures of drugs with a structure, under the id kept for it, and the drug table."""
    unlisted = f"not in {bundle.compoundinfo.name}"
    kept: dict[str, dict[str, str | None]] = {}
    id_of: dict[str, str] = {}
    first_id: dict[str, str] = {}
    funnel.reject_unnamed("drug", signatures.loc[signatures["drug_id"].isna(), "sig_id"])
    structures = track(structures, "standardising structures", int(compounds["smiles"].notna().sum()))
    for drug_id, compound in zip(compounds.index.tolist(), compounds.to_dict("records"), strict=True):
        if pd.isna(compound["smiles"]):
            reason = unlisted if pd.isna(compound["listed"]) else "no SMILES"
            funnel.rejects.append(("drug", drug_id, reason, None))
            continue
        structure = next(structures)
        if isinstance(structure, str):
            funnel.rejects.append(("drug", drug_id, structure, compound["smiles"]))
            continue
        main = first_id.setdefault(structure.inchikey, drug_id)
        id_of[drug_id] = main
        if main == drug_id:
            kept[drug_id] = {
                "drug_id": drug_id,
                "inchikey": structure.inchikey,
                "smiles": structure.smiles,
                "name": compound["name"],
                "moa": compound["moa"],
                "other_ids": None,
            }
        else:
            kept[main]["other_ids"] = "|".join(filter(None, [kept[main]["other_ids"], drug_id]))
    signatures = funnel.keep(
        signatures,
        signatures["drug_id"].isin(id_of),
        "drug with a structure",
        lambda before: empty.no_structures(bundle.source, before, bundle.compoundinfo, funnel.rejects),
    )
    same = len(id_of) - len(kept)
    funnel.steps.append(("drug_ids of one structure merged", "drugs", len(kept), same))
    columns = ["drug_id", "inchikey", "smiles", "name", "moa", "other_ids"]
    return signatures.assign(drug_id=signatures["drug_id"].map(id_of)), pd.DataFrame(
        kept.values(), columns=columns
    )


def _read(matrix: SignatureMatrix, rows: np.ndarray, columns: np.ndarray, work: Path | None) -> np.ndarray:
    if work is not None:
        return spooled(matrix, rows, columns, work)
    z = np.empty((len(rows), len(columns)), np.float32)
    for positions, block in matrix.blocks(rows, columns):
        z[positions] = block
    return z


def _slices(z: np.ndarray) -> list[slice]:
    """Return slices of rows of `z` that are small enough to be copied."""
    step = max(1, _VALUES_AT_ONCE // max(1, z.shape[1]))
    return [slice(start, start + step) for start in range(0, len(z), step)]


def _with_values(
    bundle: RawBundle, signatures: pd.DataFrame, z: np.ndarray, genes: list[str], funnel: Funnel
) -> pd.DataFrame:
    """Return the signatures whose z-scores are finite; the index says which rows of `z` are theirs.

    A gene that L1000 does not tell was damaged. Another assay may not have measured it: its z stays NaN.
    """
    partly = (signatures["assay"] != L1000).to_numpy()
    finite = [np.isfinite(z[rows]) for rows in _slices(z)]
    whole = np.concatenate([block.all(axis=1) for block in finite])
    some = np.concatenate(
        [
            block.any(axis=1) & ~np.isinf(z[rows]).any(axis=1)
            for block, rows in zip(finite, _slices(z), strict=True)
        ]
    )
    usable = np.where(partly, some[signatures.index], whole[signatures.index]).astype(bool)
    funnel.reject("signature", signatures.loc[~usable, "sig_id"], "z-scores missing or not finite")
    return funnel.keep(
        signatures,
        usable,
        "z-scores finite where a gene was measured" if partly.any() else "all z-scores finite",
        lambda before: empty.no_finite(bundle.matrix, z, before, genes),
    )


def _assays(signatures: pd.DataFrame) -> pd.Series | str:
    """Return the assay of every experiment, in the order of `_merge_replicates`."""
    every = signatures["assay"].unique()
    if len(every) == 1:
        return str(every[0])
    experiments = signatures.groupby(["drug_id", "cell_line"], sort=True)["assay"]
    return experiments.agg(lambda assays: " and ".join(sorted(set(assays)))).reset_index(drop=True)


def _merge_replicates(
    signatures: pd.DataFrame, z: np.ndarray, work: Path | None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one row per (drug, cell line), sorted: the median of its signatures (PAPER, Data).

    The index of `signatures` says which rows of `z` are theirs.
    """
    experiments = signatures.groupby(["drug_id", "cell_line"], sort=True)
    counts = experiments.size()
    rows = signatures.index.to_numpy()[np.argsort(experiments.ngroup().to_numpy(), kind="stable")]
    first = np.cumsum(counts.to_numpy()) - counts.to_numpy()
    merged = (
        np.empty((len(counts), z.shape[1]), np.float32)
        if work is None
        else allocated(work / "merged", (len(counts), z.shape[1]))
    )
    for replicates in np.unique(counts):
        which = np.flatnonzero(counts == replicates)
        step = max(1, _VALUES_AT_ONCE // (z.shape[1] * replicates))
        for start in range(0, len(which), step):
            part = which[start : start + step]
            merged[part] = _median(z[rows[first[part, None] + np.arange(replicates)]])
    responses = counts.rename("replicates").reset_index()
    return responses, merged


def _median(z: np.ndarray) -> np.ndarray:
    """Return the medians [experiments, genes] of z [experiments, replicates, genes] that were measured."""
    if not np.isnan(z).any():
        return np.median(z, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of genes that no replicate has
        return np.nanmedian(z, axis=1)
