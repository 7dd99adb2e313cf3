"""Files of an assay in, z-scores on the atlas' scale out: one result per cell line."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.bench.assays.claims import require_agreement
from anchordrug.bench.assays.contents import Counts, Profiles, Samples
from anchordrug.bench.assays.from_counts import counts_of_wells, joined_counts, result_from_counts
from anchordrug.bench.assays.from_profiles import cell_line_of, result_from_profiles
from anchordrug.bench.assays.placement import placed
from anchordrug.bench.assays.reader import read_assay
from anchordrug.bench.assays.request import AssayRequest, Reference, ResultFile, belonging
from anchordrug.bench.assays.result import FEWEST_GENES, MISSING, OK, AssayResult
from anchordrug.errors import AssayError, shortlist
from anchordrug.labels import DOWN, LARGEST_Z, UP, labels_of
from anchordrug.raw.gene_names import GeneMatch, gene_predicate, match_genes


def take_in(
    files: Sequence[ResultFile], request: AssayRequest, reference: Reference, threshold: float
) -> list[AssayResult]:
    """Return the result of every cell line that has one, in the order of the request.

    Parameters
    ----------
    threshold
        Of |z|, from which a gene counts as changed.

    Returns
    -------
    list of AssayResult
        `drugs` has one row per drug that was asked for, and a further column `changed`: the share of
        genes that changed, NaN without a result.

    Raises
    ------
    BelongsError
        The plate or cell line of a file is unknown.
    AssayError
        A file cannot be used, or the files do not fit the plate map or each other.
    """
    is_gene = gene_predicate(reference.genes)
    counts: dict[Path, pd.DataFrame] = {}
    told: list[str] = []
    parts: dict[str, list[AssayResult]] = {cell_line: [] for cell_line in request.cell_lines}
    for file in files:
        file = belonging(file, request.plates, request.cell_lines)
        contents = read_assay(file.path, is_gene, plates=request.plates, layer=file.layer)
        if not isinstance(contents, Profiles) and request.plate_map.empty:
            raise AssayError(f"{file.path}: holds counts of wells; give their plate map, too")
        if isinstance(contents, Samples):
            contents = placed(contents, file, request)
        if contents.claims is not None:
            require_agreement(contents.claims, contents.path, file, request)
        match = match_genes(contents.genes, reference.genes)
        _require_genes(contents, match, reference)
        _require_plausible(contents)
        if isinstance(contents, Counts):
            counts[file.path] = counts_of_wells(contents, match, file, request, reference)
            told += [*contents.notes, *_repeat_notes(match, "added up")]
        else:
            contents = replace(contents, notes=(*contents.notes, *_repeat_notes(match, "averaged")))
            cell_line = cell_line_of(file, request)
            parts[cell_line].append(result_from_profiles(contents, match, cell_line, request, reference))
    if counts:
        table, lost = joined_counts(counts)
        names = shortlist(path.name for path in counts)
        for cell_line, found in parts.items():
            own = table.columns.get_level_values(0).isin(request.wells_of(cell_line)["plate"].unique())
            if own.any():
                found.append(
                    result_from_counts(table.loc[:, own], names, told + lost, cell_line, request, reference)
                )
    return [_merged(found, request, threshold) for found in parts.values() if found]


def _require_genes(contents: Counts | Profiles, match: GeneMatch, reference: Reference) -> None:
    genes = len(reference.genes)
    found, needed = np.flatnonzero(match.rows >= 0), min(FEWEST_GENES, genes)
    named = len(np.unique(match.rows[found]))
    if named < needed:
        raise AssayError(
            f"{contents.path}: {named} of the atlas' {genes} genes were found (as {match.naming}s), "
            f"{needed} are needed; give gene symbols, Ensembl or Entrez ids of human genes"
        )
    if isinstance(contents, Counts):
        return
    known = np.isfinite(contents.values.to_numpy()[:, found])
    measured = len(np.unique(match.rows[found[known.any(axis=0)]]))
    if measured < needed:
        raise AssayError(
            f"{contents.path}: {named} of the atlas' {genes} genes were found, but {1 - known.mean():.0%} of "
            f"their values are missing, and {measured} genes have any; {needed} are needed; export the file "
            "again with its values"
        )


def _require_plausible(contents: Counts | Profiles) -> None:
    """Check that no value is too large for a z-score, a statistic or a fold change."""
    if isinstance(contents, Counts):
        return
    wrong = np.argwhere(np.abs(contents.values.to_numpy()) > LARGEST_Z)
    if len(wrong):
        row, column = wrong[0]
        raise AssayError(
            f"{contents.path}: '{contents.values.index[row]}', gene '{contents.genes[column]}': "
            f"{contents.values.iat[row, column]:g} is too large for a {contents.kind.replace('_', ' ')} "
            f"(at most {LARGEST_Z:g}); correct it, or leave the cell empty"
        )


def _repeat_notes(match: GeneMatch, verb: str) -> list[str]:
    if not match.repeated:
        return []
    genes = shortlist(match.repeated, 3)
    return [f"{len(match.repeated)} genes have several rows or names ({genes}); their values are {verb}"]


def _merged(parts: Sequence[AssayResult], request: AssayRequest, threshold: float) -> AssayResult:
    """Join the results of one cell line; a drug that was asked for and is in none of them is missing."""
    cell_line = parts[0].cell_line
    z = pd.concat([part.z for part in parts])
    repeated = z.index[z.index.duplicated()]
    if len(repeated):
        raise AssayError(
            f"drug '{repeated[0]}' has results of {cell_line} in two files: "
            f"{' and '.join(part.source for part in parts if repeated[0] in part.z.index)}; "
            "remove it from one"
        )
    asked = list(request.drug_ids)
    drugs = pd.concat([part.drugs for part in parts]).reindex(asked)
    missing = drugs["status"].isna()
    drugs.loc[missing, ["status", "reason"]] = MISSING, "no result in the files"
    drugs[["wells", "wells_failed"]] = drugs[["wells", "wells_failed"]].fillna(0).astype(int)
    z = z.loc[[drug for drug in asked if drugs.at[drug, "status"] == OK]]
    labels = labels_of(z.to_numpy(np.float64), threshold)
    changed = ((labels == DOWN) | (labels == UP)).sum(axis=1) / np.maximum((labels >= 0).sum(axis=1), 1)
    drugs["changed"] = pd.Series(changed, index=z.index).reindex(asked)
    wells = [part.wells for part in parts if part.wells is not None]
    return AssayResult(
        cell_line,
        z,
        drugs,
        pd.concat(wells, ignore_index=True) if wells else None,
        [note for part in parts for note in part.notes],
        parts[0].factor,
        shortlist(part.source for part in parts),
    )
