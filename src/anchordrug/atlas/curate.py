"""From a raw bundle to an atlas: which signatures, drugs, genes and cell lines are usable, and why not.

Two kinds of loss are told apart. What the settings do not ask for (another dose, time or quality) is
counted in the funnel. What is asked for but cannot be used (no structure, no untreated expression, no
annotation, damaged values) is counted there and also named, with its reason, in the rejects.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.atlas import nothing_left as empty
from anchordrug.atlas.conditions import is_dose, is_gold, is_time
from anchordrug.atlas.funnel import Funnel
from anchordrug.chem.workers import Fingerprinted, standardising
from anchordrug.errors import RawDataError, near, shortlist
from anchordrug.files.disk import allocated
from anchordrug.files.progress import track
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import RawBundle, read_panel
from anchordrug.raw.expression import read_expression
from anchordrug.raw.line_names import LineMatch, match_lines, plain_name
from anchordrug.raw.line_tables import read_identities
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.signature_matrix import SignatureMatrix
from anchordrug.raw.spool import spooled
from anchordrug.raw.tables import canonical_signatures, read_compounds, read_genes, read_signatures

ASSAY = "L1000"
_VALUES_AT_ONCE = 2**24


class Rules(NamedTuple):
    """Dose in uM, time in hours, and 'gold' or 'any' quality."""

    dose_um: float
    time_h: float
    quality: str


class Curated(NamedTuple):
    """The curated tables; `z` float32 [responses, genes] belongs to the rows of `responses`.

    `notes` says which names of cell lines were taken for one another.
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

    The matrix is streamed; memory grows with what is kept, not with the file. With a folder `work`, not even
    with that: z-scores lie in files there (`Curated.z` is mapped from one), and what a killed process has
    read is not read again. The caller removes the folder in the end.

    Raises
    ------
    RawDataError
        A file is missing or damaged, the panel names unknown genes, or nothing is left.
    """
    funnel = Funnel()
    with open_matrix(bundle.matrix) as matrix:
        genes = _genes(bundle, matrix, funnel)
        signatures = _wanted_signatures(bundle, matrix, rules, funnel)
        signatures = signatures.sort_values("position", ignore_index=True)
        compounds = _compounds(bundle, signatures)
        signatures, described, notes = _lines(bundle, signatures)
        # Processors standardise structures while the disk is read.
        with standardising(compounds["smiles"].dropna().tolist()) as structures:
            z = _read(matrix, signatures["position"].to_numpy(), genes.pop("column").to_numpy(), work)
            signatures, drugs = _with_structures(bundle, signatures, compounds, structures, funnel)
    signatures = _with_expression(bundle, signatures, described, funnel)
    finite = np.concatenate([np.isfinite(z[rows]).all(axis=1) for rows in _slices(z)])
    finite = finite[signatures.index].astype(bool)
    funnel.reject("signature", signatures.loc[~finite, "sig_id"], "z-scores missing or not finite")
    signatures = funnel.keep(
        signatures,
        finite,
        "all z-scores finite",
        lambda before: empty.no_finite(bundle.matrix, z, before, genes["gene"].tolist()),
    )
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
        notes,
    )


def _stem(matrix: Path) -> str:
    """Return the name of a matrix without the suffix of its format."""
    return re.sub(r"\.(gctx|gct|gct\.gz)$", "", matrix.name)


def _genes(bundle: RawBundle, matrix: SignatureMatrix, funnel: Funnel) -> pd.DataFrame:
    """Return the schema's columns and column (the position in the matrix), one row per usable gene."""
    listed = read_genes(bundle.geneinfo)
    column = pd.Series(np.arange(len(matrix.gene_ids)), index=matrix.gene_ids)
    table = listed[listed["gene_id"].isin(column.index)]
    if table.empty:
        axes = matrix.gene_ids, matrix.signature_ids
        raise RawDataError(empty.no_genes(bundle.geneinfo, listed["gene_id"].tolist(), bundle.matrix, axes))
    symbols = table["gene"].dropna()
    twice = symbols[symbols.duplicated()]
    if len(twice):
        ids = shortlist(table.loc[table["gene"] == twice.iloc[0], "gene_id"])
        raise RawDataError(
            f"{bundle.geneinfo}: symbol '{twice.iloc[0]}' belongs to gene ids {ids} of the matrix; "
            "keep it for one of them"
        )
    if bundle.panel:
        of_panel = resolve(read_panel(bundle.panel), symbols.tolist())
        _require_panel(bundle.panel, of_panel, symbols.tolist())
        names = {name: gene for gene, name in of_panel.items()}
        table = table[table["gene"].isin(names)].assign(gene=lambda t: t["gene"].map(names))
    named = table["gene"].notna()
    in_annotation, terms, _ = read_annotation(bundle.annotation)
    annotated = resolve(table.loc[named, "gene"].tolist(), in_annotation)
    has_terms = table["gene"].isin(annotated)
    funnel.reject("gene", table.loc[~named, "gene_id"], f"no symbol in {bundle.geneinfo.name}")
    funnel.reject("gene", table.loc[named & ~has_terms, "gene"], f"no annotation in {bundle.annotation.name}")
    table = funnel.keep(
        table,
        has_terms,
        "genes of the panel with annotation",
        lambda before: empty.no_annotation(bundle, in_annotation, terms, before["gene"].dropna()),
        "genes",
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
    source, every, rows = _source(bundle), table["sig_id"], matrix.signature_ids
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
        table = funnel.keep(
            table, is_gold(table), "quality gold", lambda before: empty.no_quality(source, before)
        )
    position = pd.Series(np.arange(len(rows)), index=rows)
    found = table["sig_id"].isin(position.index)
    funnel.reject("signature", table.loc[~found, "sig_id"], f"no row in {bundle.matrix.name}")
    table = funnel.keep(
        table,
        found,
        "row in the matrix",
        lambda before: empty.no_rows(source, every, before["sig_id"], bundle.matrix, rows),
    )
    return table.assign(position=table["sig_id"].map(position))


def _source(bundle: RawBundle) -> Path:
    """Return the file that describes the signatures."""
    return bundle.siginfo or bundle.matrix


def _compounds(bundle: RawBundle, signatures: pd.DataFrame) -> pd.DataFrame:
    """Return name, smiles, moa and whether it is listed of every drug of `signatures`, by its id, sorted."""
    table = read_compounds(bundle.compoundinfo)
    ids = signatures["drug_id"].dropna()
    if not ids.isin(table["drug_id"]).any():
        listed = table["drug_id"].tolist()
        raise RawDataError(empty.no_compound_in_table(_source(bundle), ids, bundle.compoundinfo, listed))
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
        lambda before: empty.no_structures(_source(bundle), before, bundle.compoundinfo, funnel.rejects),
    )
    same = len(id_of) - len(kept)
    funnel.steps.append(("drug_ids of one structure merged", "drugs", len(kept), same))
    columns = ["drug_id", "inchikey", "smiles", "name", "moa", "other_ids"]
    return signatures.assign(drug_id=signatures["drug_id"].map(id_of)), pd.DataFrame(
        kept.values(), columns=columns
    )


def _lines(bundle: RawBundle, signatures: pd.DataFrame) -> tuple[pd.DataFrame, LineMatch, list[str]]:
    """Return signatures with one spelling of a cell line, the lines' rows in the basal expression, notes."""
    rows, genes, _ = read_expression(bundle.expression)
    counts = signatures["cell_line"].value_counts()
    spelled = sorted(counts.index, key=lambda line: (line not in rows, -counts[line], line))
    first: dict[str, str] = {}
    called = {line: first.setdefault(plain_name(line), line) for line in spelled}
    match = match_lines(first.values(), rows, read_identities(bundle.expression.parent))
    if not match.found and not match.unclear:
        source = _source(bundle)
        raise RawDataError(
            empty.no_expression(source, signatures["cell_line"], bundle.expression, rows, genes)
        )
    notes = [
        f"{line}: is {called[line]} under another spelling" for line in sorted(called) if called[line] != line
    ]
    notes += [
        f"{line}: its untreated expression is {row}'s in {bundle.expression.name}"
        for line, row in sorted(match.found.items())
        if line != row
    ]
    return signatures.assign(cell_line=signatures["cell_line"].map(called)), match, notes


def _with_expression(
    bundle: RawBundle, signatures: pd.DataFrame, match: LineMatch, funnel: Funnel
) -> pd.DataFrame:
    """Return the signatures of cell lines with untreated expression."""
    nameless = signatures["cell_line"].isna()
    funnel.reject_unnamed("cell_line", signatures.loc[nameless, "sig_id"])
    known = signatures["cell_line"].isin(match.found)
    name = bundle.expression.name
    for line in sorted(signatures.loc[~known & ~nameless, "cell_line"].unique()):
        several = match.unclear.get(line, [])
        reason = f"several rows of {name} may be its" if several else f"no untreated expression in {name}"
        funnel.rejects.append(("cell_line", line, reason, " or ".join(several) or None))
    return funnel.keep(
        signatures,
        known,
        "cell line with untreated expression",
        lambda before: empty.no_line_left(
            _source(bundle), before["cell_line"], bundle.expression, funnel.rejects
        ),
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
