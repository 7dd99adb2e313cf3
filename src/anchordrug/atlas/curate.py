"""From a raw bundle to an atlas: which signatures, drugs, genes and cell lines are usable, and why not.

Two kinds of loss are told apart. What the settings do not ask for (another dose, time or quality) is
counted in the funnel. What is asked for but cannot be used (no structure, no untreated expression, no
annotation, damaged values) is counted there and also named, with its reason, in the rejects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.chem.workers import Fingerprinted, standardising
from anchordrug.errors import RawDataError, near, shortlist
from anchordrug.files.disk import allocated
from anchordrug.files.progress import track
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import RawBundle, read_panel
from anchordrug.raw.expression import read_expression
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.spool import spooled
from anchordrug.raw.tables import canonical_signatures, read_compounds, read_genes, read_signatures

DOSE_TOLERANCE = 0.1  # relative: 9.99999 and 10.05 uM are 10 uM
GOLD_CC_Q75 = 0.2
ASSAY = "L1000"
GOLD_RANK_Q25 = 5.0
_VALUES_AT_ONCE = 2**24


class Rules(NamedTuple):
    """Dose in uM, time in hours, and 'gold' or 'any' quality."""

    dose_um: float
    time_h: float
    quality: str


class Curated(NamedTuple):
    """The curated tables; `z` float32 [responses, genes] belongs to the rows of `responses`."""

    responses: pd.DataFrame
    z: np.ndarray
    drugs: pd.DataFrame
    genes: pd.DataFrame
    cell_lines: pd.DataFrame
    funnel: pd.DataFrame
    rejects: pd.DataFrame


@dataclass
class _Funnel:
    """The steps of a curation with their counts, and the rejects with their reasons, in order."""

    steps: list[tuple[str, str, int, int]] = field(default_factory=list)
    rejects: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    def keep(self, table: pd.DataFrame, mask: pd.Series | np.ndarray, step: str, unit: str = "signatures"):
        kept = table[np.asarray(mask, dtype=bool)]
        self.steps.append((step, unit, len(kept), len(table) - len(kept)))
        return kept

    def reject(self, kind: str, ids: pd.Series, reason: str) -> None:
        self.rejects += [(kind, str(name), reason, None) for name in ids]

    def reject_unnamed(self, kind: str, sig_ids: pd.Series) -> None:
        if len(sig_ids):
            self.rejects.append((kind, "unnamed", "signatures that name none", shortlist(sig_ids)))


def curate(bundle: RawBundle, rules: Rules, work: Path | None = None) -> Curated:
    """Curate a raw bundle by `rules` (DESIGN, Curation rules).

    The matrix is streamed; memory grows with what is kept, not with the file. With a folder `work`, not even
    with that: z-scores lie in files there (`Curated.z` is mapped from one), and what a killed process has
    read is not read again. The caller removes the folder in the end.

    Raises
    ------
    RawDataError
        A file is missing or damaged, the panel names unknown genes, or nothing is left.
    """
    funnel = _Funnel()
    with open_matrix(bundle.matrix) as matrix:
        genes = _genes(bundle, matrix, funnel)
        signatures = _wanted_signatures(bundle, matrix, rules, funnel)
        signatures = signatures.sort_values("position", ignore_index=True)
        compounds = _compounds(bundle.compoundinfo, signatures)
        # Processors standardise structures while the disk is read.
        with standardising(compounds["smiles"].dropna().tolist()) as structures:
            z = _read(matrix, signatures["position"].to_numpy(), genes.pop("column").to_numpy(), work)
            unlisted = f"not in {bundle.compoundinfo.name}"
            signatures, drugs = _with_structures(signatures, compounds, structures, unlisted, funnel)
    signatures = _with_expression(signatures, bundle.expression, funnel)
    finite = np.concatenate([np.isfinite(z[rows]).all(axis=1) for rows in _slices(z)] or [[]])
    finite = finite[signatures.index].astype(bool)
    funnel.reject("signature", signatures.loc[~finite, "sig_id"], "z-scores missing or not finite")
    signatures = funnel.keep(signatures, finite, "all z-scores finite")
    if signatures.empty:
        raise RawDataError(f"{bundle.matrix}: no signature is left after curation; {_bottleneck(funnel)}")
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
        assay=ASSAY, dose_um=float(rules.dose_um), time_h=float(rules.time_h), origin=_stem(bundle.matrix)
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
    )


def _stem(matrix: Path) -> str:
    """Return the name of a matrix without the suffix of its format."""
    return re.sub(r"\.(gctx|gct|gct\.gz)$", "", matrix.name)


def _genes(bundle: RawBundle, matrix: SignatureMatrix, funnel: _Funnel) -> pd.DataFrame:
    """Return the schema's columns and column (the position in the matrix), one row per usable gene."""
    table = read_genes(bundle.geneinfo)
    column = pd.Series(np.arange(len(matrix.gene_ids)), index=matrix.gene_ids)
    table = table[table["gene_id"].isin(column.index)]
    symbols = table["gene"].dropna()
    twice = symbols[symbols.duplicated()]
    if len(twice):
        ids = shortlist(table.loc[table["gene"] == twice.iloc[0], "gene_id"])
        raise RawDataError(
            f"{bundle.geneinfo}: symbol '{twice.iloc[0]}' belongs to gene ids {ids} of the matrix; "
            "keep it for one of them"
        )
    if table.empty:
        raise RawDataError(
            f"{bundle.geneinfo}: names none of the gene ids of {bundle.matrix} "
            f"(such as {shortlist(matrix.gene_ids, 3)}); use the tables of the same release"
        )
    if bundle.panel:
        measured = resolve(read_panel(bundle.panel), symbols.tolist())
        _require_panel(bundle.panel, measured, symbols.tolist())
        names = {name: gene for gene, name in measured.items()}
        table = table[table["gene"].isin(names)].assign(gene=lambda t: t["gene"].map(names))
    named = table["gene"].notna()
    annotated = resolve(table.loc[named, "gene"].tolist(), read_annotation(bundle.annotation)[0])
    has_terms = table["gene"].isin(annotated)
    funnel.reject("gene", table.loc[~named, "gene_id"], f"no symbol in {bundle.geneinfo.name}")
    funnel.reject("gene", table.loc[named & ~has_terms, "gene"], f"no annotation in {bundle.annotation.name}")
    table = funnel.keep(table, has_terms, "genes of the panel with annotation", "genes")
    if table.empty:
        raise RawDataError(
            f"{bundle.annotation}: annotates none of the measured genes; check its gene symbols"
        )
    unknown = pd.Series(None, index=table.index, dtype="str")
    return pd.DataFrame(
        {
            "gene": table["gene"],
            "gene_id": table["gene_id"],
            "ensembl_id": table.get("ensembl_id", unknown),
            "annotated_as": table["gene"].map(annotated),
            "column": table["gene_id"].map(column),
        }
    ).reset_index(drop=True)


def _require_panel(path: Path, found: dict[str, str], measured: list[str]) -> None:
    panel = read_panel(path)
    unknown = [gene for gene in panel if gene not in found]
    if unknown:
        raise RawDataError(
            f"{path}: {len(unknown)} of {len(panel)} genes are not in the matrix: {shortlist(unknown)}"
            f"{near(unknown[0], measured)}; correct or remove them"
        )


def _wanted_signatures(
    bundle: RawBundle, matrix: SignatureMatrix, rules: Rules, funnel: _Funnel
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
    table = funnel.keep(table, table["pert_type"] == "trt_cp", "signatures of compounds (trt_cp)")
    # The slack lets a dose exactly on the edge in, whatever its rounding error.
    right_dose = (table["dose_um"] - rules.dose_um).abs() <= DOSE_TOLERANCE * rules.dose_um * (1 + 1e-9)
    table = funnel.keep(table, right_dose, f"dose {rules.dose_um:g} uM")
    table = funnel.keep(table, np.isclose(table["time_h"], rules.time_h), f"time {rules.time_h:g} h")
    if rules.quality == "gold":
        measured = (table["cc_q75"] >= GOLD_CC_Q75) & (table["pct_self_rank_q25"] <= GOLD_RANK_Q25)
        gold = np.where(table["is_gold"].notna(), table["is_gold"] == 1, measured)
        table = funnel.keep(table, gold, "quality gold")
    position = pd.Series(np.arange(len(matrix.signature_ids)), index=matrix.signature_ids)
    found = table["sig_id"].isin(position.index)
    funnel.reject("signature", table.loc[~found, "sig_id"], f"no row in {bundle.matrix.name}")
    table = funnel.keep(table, found, "row in the matrix")
    return table.assign(position=table["sig_id"].map(position))


def _compounds(compoundinfo: Path, signatures: pd.DataFrame) -> pd.DataFrame:
    """Return name, smiles, moa and whether it is listed of every drug of `signatures`, by its id, sorted."""
    table = read_compounds(compoundinfo).set_index("drug_id").assign(listed=True)
    return table.reindex(sorted(signatures["drug_id"].dropna().unique()))


def _with_structures(
    signatures: pd.DataFrame,
    compounds: pd.DataFrame,
    structures: Iterator[Fingerprinted | str],
    unlisted: str,
    funnel: _Funnel,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the signatures of drugs with a structure, under the id kept for it, and the drug table."""
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
    signatures = funnel.keep(signatures, signatures["drug_id"].isin(id_of), "drug with a structure")
    same = len(id_of) - len(kept)
    funnel.steps.append(("drug_ids of one structure merged", "drugs", len(kept), same))
    columns = ["drug_id", "inchikey", "smiles", "name", "moa", "other_ids"]
    return signatures.assign(drug_id=signatures["drug_id"].map(id_of)), pd.DataFrame(
        kept.values(), columns=columns
    )


def _with_expression(signatures: pd.DataFrame, expression: Path, funnel: _Funnel) -> pd.DataFrame:
    lines = read_expression(expression)[0]
    nameless = signatures["cell_line"].isna()
    funnel.reject_unnamed("cell_line", signatures.loc[nameless, "sig_id"])
    known = signatures["cell_line"].isin(lines)
    missing = pd.Series(sorted(signatures.loc[~known & ~nameless, "cell_line"].unique()))
    funnel.reject("cell_line", missing, f"no untreated expression in {expression.name}")
    return funnel.keep(signatures, known, "cell line with untreated expression")


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
            merged[part] = np.median(z[rows[first[part, None] + np.arange(replicates)]], axis=1)
    responses = counts.rename("replicates").reset_index()
    return responses, merged


def _bottleneck(funnel: _Funnel) -> str:
    """Name the first step that left no signature, with the remedy a user has."""
    for step, unit, kept, dropped in funnel.steps:
        if unit == "signatures" and kept == 0:
            return f"step '{step}' dropped the last {dropped}; check params.yaml (curate) and the data"
    return "the metadata list none"
