"""Packing of profiles: a table of anybody's z-scores or ranks becomes a raw bundle."""

from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd

from anchordrug.chem.structures import standardise
from anchordrug.errors import RawDataError, counted, shortlist
from anchordrug.files.tables import write_json, write_table
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.gene_names import ids_of_names
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.profiles import Profiles
from anchordrug.raw.published import SOURCES
from anchordrug.raw.untreated import described_lines, read_untreated
from anchordrug.release.bundle_folder import replacing
from anchordrug.release.pack import put_link, require_packed, sources_of

# Fewer drugs have a mean that is mostly their own.
FEWEST_DRUGS = 5
REJECTS = "rejects.csv"


class Packed(NamedTuple):
    """A packed bundle: its signatures and z as written, and notes on its making."""

    signatures: pd.DataFrame
    z: np.ndarray
    notes: list[str]


class Beside(NamedTuple):
    """Files next to the profiles, None where there is none: untreated expression, gene annotation."""

    expression: Path | None
    annotation: Path | None


def pack_profiles(profiles: Profiles, beside: Beside, out: Path, *, assay: str, centre_lines: bool) -> Packed:
    """Make the raw bundle `out` of profiles, whole or not at all.

    Parameters
    ----------
    assay
        The kind of assay, in words.
    centre_lines
        Whether the mean over drugs is subtracted from every gene in every cell line, dose and time.

    Raises
    ------
    SettingsError
        `out` is something else than a packed bundle.
    RawDataError
        Ranks are none, a cell line has too few drugs to be centred, or a file next to them is damaged.
    """
    require_packed(out)
    notes = list(profiles.notes)
    z = profiles.z
    if profiles.are_ranks:
        z = normal_scores(profiles)
        notes.append("ranks of genes are made normal scores (rank 1: the gene that goes up most)")
        if not centre_lines:
            notes.append("ranks carry how a cell line is untreated, too; --centre-lines takes that out")
    if centre_lines:
        z = without_line_means(profiles.path, profiles.signatures, z)
        notes.append("of every gene, the mean over drugs is subtracted, in every cell line, dose and time")
    signatures = profiles.signatures.assign(sig_id=_sig_ids(profiles.signatures), assay=assay)
    rejects = _rejects(profiles.path, signatures)
    with replacing(out) as folder:
        ids = _gene_ids(profiles.genes)
        name = f"level5_beta_trt_cp_n{z.shape[0]}x{z.shape[1]}.gctx"
        write_gctx(folder / name, z, signatures[["sig_id"]], pd.DataFrame({"id": ids}))
        _write(_siginfo(signatures), folder / "siginfo_beta.txt")
        _write(_compounds(signatures), folder / "compoundinfo_beta.txt")
        symbols = profiles.genes.assign(id=ids)[["id", "gene", "ensembl_id"]]
        _write(
            symbols.set_axis(["gene_id", "gene_symbol", "ensembl_id"], axis=1), folder / "geneinfo_beta.txt"
        )
        if len(rejects):
            write_table(rejects, folder / REJECTS)
            first = rejects.iloc[0]
            notes.append(
                f"{counted(len(rejects), 'drug')} of {signatures['drug_id'].nunique():,} without a structure "
                f"that can be used ('{first['drug_id']}': {first['reason']}); curation leaves them out, and "
                f"{out / REJECTS} lists them"
            )
        notes += _put_beside(beside, signatures["cell_line"].unique().tolist(), folder)
        files = [path for path in (profiles.path, *beside) if path is not None]
        published = [{"name": profiles.path.name, "licence": None, "url": None}]
        about = {"assay": assay, "centre_lines": centre_lines, "sources": published}
        write_json({**about, "files": sources_of(files)}, folder / SOURCES)
    return Packed(signatures, z, notes)


def _rejects(path: Path, signatures: pd.DataFrame) -> pd.DataFrame:
    """Return drug_id, smiles and reason of the drugs whose structure cannot be used.

    Raises
    ------
    RawDataError
        That are all of them.
    """
    drugs = signatures.drop_duplicates("drug_id")[["drug_id", "smiles"]]
    rows = []
    for drug_id, smiles in drugs.itertuples(index=False, name=None):
        try:
            if not isinstance(smiles, str):
                raise ValueError("no SMILES")
            standardise(smiles)
        except ValueError as error:
            rows.append((drug_id, smiles, str(error)))
    if len(rows) == len(drugs):
        raise RawDataError(
            f"{path}: no drug has a structure that can be used ('{rows[0][0]}': {rows[0][2]}); give SMILES"
        )
    return pd.DataFrame(rows, columns=pd.Index(["drug_id", "smiles", "reason"]))


def normal_scores(profiles: Profiles) -> np.ndarray:
    """Return ranks of genes as normal quantiles, float32 [signatures, genes]; rank 1 has the largest.

    The genes of a signature are as many as its largest rank, or as have a rank if these are more.

    Raises
    ------
    RawDataError
        A rank is below 1, or most genes of a signature share their ranks.
    """
    ranks = profiles.z
    known = np.isfinite(ranks)
    if (ranks[known] < 1).any():
        raise RawDataError(f"{profiles.path}: a rank is {ranks[known].min():g}; count ranks from 1")
    scores = np.full(ranks.shape, np.nan, np.float32)
    for row, own in enumerate(known):
        values = ranks[row, own].astype(np.float64)
        if not len(values):
            continue
        distinct, place = np.unique(values, return_inverse=True)
        if 2 * len(distinct) < len(values):
            about = profiles.signatures.iloc[row]
            raise RawDataError(
                f"{profiles.path}: drug '{about['drug_id']}' in {about['cell_line']} has {len(distinct)} "
                f"different ranks of {len(values)} genes; give the rank of each gene within its drug, cell "
                "line, dose and time"
            )
        count = max(len(values), float(distinct[-1]))
        quantiles = [-NormalDist().inv_cdf((rank - 0.5) / count) for rank in distinct.tolist()]
        scores[row, own] = np.array(quantiles)[place]
    return scores


def without_line_means(path: Path, signatures: pd.DataFrame, z: np.ndarray) -> np.ndarray:
    """Return `z` [signatures, genes] less the mean over the drugs of each cell line, dose and time.

    Raises
    ------
    RawDataError
        A cell line has fewer than `FEWEST_DRUGS` drugs at a dose and time.
    """
    centred = np.empty_like(z)
    for (line, dose, time), own in signatures.groupby(["cell_line", "dose_um", "time_h"]):  # type: ignore[misc]
        drugs = own["drug_id"].nunique()
        if drugs < FEWEST_DRUGS:
            raise RawDataError(
                f"{path}: {line} has {drugs} drugs at {dose:g} uM and {time:g} h, fewer than {FEWEST_DRUGS}, "
                "so their mean is mostly their own; leave its rows or --centre-lines out"
            )
        rows = own.index.to_numpy()
        known = np.isfinite(z[rows])
        total = np.where(known, z[rows], 0).sum(axis=0, dtype=np.float64)
        centred[rows] = z[rows] - total / np.maximum(known.sum(axis=0), 1)
    return centred


def _sig_ids(signatures: pd.DataFrame) -> list[str]:
    """Return an id for every signature; replicates are numbered."""
    columns = [signatures[name] for name in ("cell_line", "drug_id", "dose_um", "time_h")]
    stems = pd.Series(
        [f"{line}:{drug}:{dose:g}uM:{time:g}h" for line, drug, dose, time in zip(*columns, strict=True)]
    )
    number = stems.groupby(stems).cumcount() + 1
    return [stem if count == 1 else f"{stem}:{count}" for stem, count in zip(stems, number, strict=True)]


def _gene_ids(genes: pd.DataFrame) -> list[str]:
    """Return the ids of the matrix' genes: Entrez ids, or names where these are not known or not unique."""
    ids = genes["gene_id"].where(~genes["gene_id"].duplicated(keep=False), None)
    return [gene if pd.isna(own) else own for own, gene in zip(ids, genes["gene"], strict=True)]


def _siginfo(signatures: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sig_id": signatures["sig_id"],
            "pert_id": signatures["drug_id"],
            "cell_iname": signatures["cell_line"],
            "assay": signatures["assay"],
            "pert_type": "trt_cp",
            "pert_dose": signatures["dose_um"],
            "pert_dose_unit": "uM",
            "pert_time": signatures["time_h"],
            "pert_time_unit": "h",
        }
    )


def _compounds(signatures: pd.DataFrame) -> pd.DataFrame:
    columns = {"drug_id": "pert_id", "name": "cmap_name", "smiles": "canonical_smiles", "moa": "moa"}
    return signatures.drop_duplicates("drug_id")[list(columns)].rename(columns=columns)


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table of the bundle; a missing value is an empty cell."""
    text = table.astype(object).where(table.notna(), "")
    # 10.0 and 10 are one dose; the shortest text that reads back as the same number.
    text.to_csv(path, sep="\t", index=False, lineterminator="\n", quoting=3)


def _put_beside(beside: Beside, lines: list[str], folder: Path) -> list[str]:
    notes = []
    if beside.expression is not None:
        notes += _put_expression(beside.expression, lines, folder / "basal_expression.csv")
    if beside.annotation is not None:
        genes, terms, _ = read_annotation(beside.annotation)
        suffix = beside.annotation.name[beside.annotation.name.index(".") :]
        put_link(beside.annotation, folder / f"gene_ontology{suffix}")
        notes.append(f"gene annotation: {counted(len(genes), 'gene')} x {counted(len(terms), 'term')}")
    return notes


def _put_expression(path: Path, lines: list[str], to: Path) -> list[str]:
    """Write untreated expression of the cell lines that a file describes; return a note on it."""
    found = described_lines(path, lines)
    if not found:
        raise RawDataError(
            f"{path}: has no sample of any cell line ({shortlist(lines, 3)}); let the names of samples start "
            "with that of their line, or leave --expression out"
        )
    table = read_untreated(path, found)
    notes = [f"untreated expression: {note}" for note in table.attrs["notes"]]
    ids = ids_of_names(table.columns.tolist())
    named = table.set_axis(ids["gene"], axis=1)
    named.loc[:, ~named.columns.duplicated()].to_csv(to, lineterminator="\n", float_format="%.6g")
    lost = [line for line in lines if line not in found]
    left_out = f"; lines without are left out by curation: {shortlist(lost)}" if lost else ""
    of = f"{len(found)} of {counted(len(lines), 'cell line')}"
    return [*notes, f"untreated expression: {table.attrs['unit']} of {of}{left_out}"]
