"""From counts of an assay's wells, of one file or several, to the result of an assay."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.bench.assays.contents import Counts
from anchordrug.bench.assays.differential_expression import differential_expression
from anchordrug.bench.assays.quality import (
    check_wells,
    failed_drugs,
    replicate_correlations,
    require_controls,
    swapped_layout,
)
from anchordrug.bench.assays.request import AssayRequest, BelongsError, Reference, ResultFile
from anchordrug.bench.assays.result import (
    FAILED,
    OK,
    AssayResult,
    gene_notes,
    positive_control_notes,
    stranger_notes,
)
from anchordrug.bench.assays.scale import factor_notes, shrink, to_atlas_scale
from anchordrug.bench.plates.plate_map import controls_of
from anchordrug.errors import AssayError, counted, near, shortlist
from anchordrug.raw.gene_names import GeneMatch

# Replicates that agree less than this are no more than noise, which the atlas' spread would magnify.
LEAST_AGREEMENT = 0.1
# A well that the plate map leaves empty may have a few stray reads.
STRAY_READS = 0.1
# Mean reads per well of the median gene of the atlas (docs/method/assay_scale.md).
FEW_READS_OF_A_GENE = 5.0


def counts_of_wells(
    counts: Counts, match: GeneMatch, file: ResultFile, request: AssayRequest, reference: Reference
) -> pd.DataFrame:
    """Return counts [genes x (plate, well)] with the atlas' genes under its names, each once.

    Raises
    ------
    BelongsError
        A well could be of several plates.
    AssayError
        A plate is not in the plate map.
    """
    table = counts.values.copy()
    table.columns = _with_plates(table.columns, file, request)
    symbols = reference.genes["gene"].to_numpy(dtype=object)
    names = [symbols[row] if row >= 0 else name for name, row in zip(counts.genes, match.rows, strict=True)]
    # An unknown gene must not be counted with a known gene of the same name.
    clash = [row < 0 and name in set(symbols) for name, row in zip(names, match.rows, strict=True)]
    table.index = pd.Index(names)
    return table[~np.array(clash)].groupby(level=0, sort=True).sum()


def _with_plates(wells: pd.Index, file: ResultFile, request: AssayRequest) -> pd.MultiIndex:
    """Return `wells` (plate, well_position) with the file's plate where they do not say it."""
    plates = request.plates
    unknown = sorted(set(wells.get_level_values(0)) - {"", *plates})
    if unknown:
        raise AssayError(
            f"{file.path}: plate '{unknown[0]}' is not in the plate map{near(unknown[0], plates)} "
            f"(plates: {shortlist(plates)}); rename it"
        )
    own = plates
    if file.belongs_to in plates:
        own = [file.belongs_to]
    elif file.belongs_to is not None:
        own = request.wells_of(file.belongs_to)["plate"].unique().tolist() or plates
    if "" in wells.get_level_values(0) and len(own) > 1:
        raise BelongsError(
            f"{file.path}: its wells do not name their plate; write wells as {own[0]}_A01, or "
            f"name one of the plates: {shortlist(own)}"
        )
    return pd.MultiIndex.from_tuples([(plate or own[0], well) for plate, well in wells], names=wells.names)


def joined_counts(counts: Mapping[Path, pd.DataFrame]) -> tuple[pd.DataFrame, list[str]]:
    """Join counts of several files, with the genes that all of them have, and tell how many others there are.

    Raises
    ------
    AssayError
        Two files have the same well, or no gene in common; or all counts are 0.
    """
    table = pd.concat(counts.values(), axis=1, join="inner")
    names = shortlist(str(path) for path in counts)
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        twice = [str(path) for path, part in counts.items() if repeated[0] in part.columns]
        raise AssayError(
            f"{' and '.join(twice)}: both have well {repeated[0][1]} of plate {repeated[0][0]}; "
            "remove it from one of them"
        )
    lost = len(set().union(*(part.index for part in counts.values()))) - len(table)
    if table.empty:
        raise AssayError(f"{names}: have no gene in common; give their genes the same kind of names")
    if not table.to_numpy().any():
        raise AssayError(f"{names}: every count is 0; count the reads again, or give another file")
    return table, [f"{lost} genes are not in all files of counts and are left out"] if lost else []


def result_from_counts(
    table: pd.DataFrame,
    names: str,
    notes: Sequence[str],
    cell_line: str,
    request: AssayRequest,
    reference: Reference,
) -> AssayResult:
    """Judge the wells, compare drugs with controls, scale.

    Parameters
    ----------
    table
        int64 [genes x (plate, well_position)], those of plates with this cell line.
    names
        The names of the files, for errors.
    notes
        Notes for the user on how the files were read.

    Raises
    ------
    AssayError
        The wells do not fit the plate map, or a plate has no control.
    """
    wells_of_line = request.wells_of(cell_line)
    plate_map = wells_of_line[wells_of_line["plate"].isin(table.columns.get_level_values(0).unique())]
    _require_layout(table, names, plate_map)
    is_poscon = plate_map["pert_type"] == "poscon"
    positive = (plate_map["plate"] + "_" + plate_map["well_position"])[is_poscon].tolist()
    plate_map = plate_map[~is_poscon]
    asked = [*request.drug_ids, *controls_of(wells_of_line)]
    strangers = plate_map.loc[~plate_map["drug_id"].isin(asked), "drug_id"].unique()
    plate_map = plate_map[plate_map["drug_id"].isin(asked)]
    wells = check_wells(table, plate_map)
    good = wells.loc[~wells["failed"], plate_map.columns]
    require_controls(good)
    drugs = _drugs(table, wells, good)
    notes = [
        *notes,
        *positive_control_notes(positive),
        *stranger_notes(strangers.tolist()),
        *_depth_notes(table, good, reference),
        *_quality_notes(wells, drugs),
    ]
    fine = drugs.index[drugs["status"] == OK].tolist()
    if not fine:
        z, factor = pd.DataFrame(columns=reference.symbols, dtype=float), float("nan")
        return AssayResult(cell_line, z, drugs, wells, notes, factor, names)
    z, factor = _scaled(table, good[good["drug_id"].isin(fine) | (good["pert_type"] == "negcon")], reference)
    notes = [*notes, *factor_notes("counts", factor), *gene_notes(z)]
    return AssayResult(cell_line, z, drugs, wells, notes, factor, names)


def _require_layout(table: pd.DataFrame, names: str, plate_map: pd.DataFrame) -> None:
    swapped = swapped_layout(table, plate_map)
    if swapped:
        plates = shortlist(plate_map["plate"].unique())
        raise AssayError(
            f"{names}: plate {plates}: controls and replicates do not agree with the plate map, but would "
            f"if the plate were {swapped}; correct the wells' names in the results, or the plate map"
        )
    wells = pd.MultiIndex.from_frame(plate_map[["plate", "well_position"]])
    reads = table.sum(axis=0)
    usual = float(reads[reads.index.isin(wells)].median()) if reads.index.isin(wells).any() else 0.0
    empty = reads[~reads.index.isin(wells) & (reads > STRAY_READS * usual)]
    if len(empty):
        plate, well = empty.index[0]
        raise AssayError(
            f"{names}: plate {plate}: {len(empty)} wells that the plate map leaves empty have reads, "
            f"such as {well} with {int(empty.iloc[0])}; is this the file of another plate, "
            "or are rows and columns swapped? Add wells of positive controls to the plate map, with "
            "pert_type poscon"
        )


def _drugs(table: pd.DataFrame, wells: pd.DataFrame, good: pd.DataFrame) -> pd.DataFrame:
    """Return `AssayResult.drugs` of judged `wells`; `good` are the wells that did not fail."""
    correlations = replicate_correlations(table, good)
    failed = failed_drugs(wells, correlations).set_index("drug_id")["reason"]
    treated = wells[wells["pert_type"] == "trt"]
    drugs = treated.groupby("drug_id").agg(wells=("failed", "size"), wells_failed=("failed", "sum"))
    drugs["replicate_correlation"] = correlations["correlation"].reindex(drugs.index)
    drugs["reason"] = failed.reindex(drugs.index)
    drugs["status"] = np.where(drugs["reason"].isna(), OK, FAILED)
    return drugs


def _depth_notes(table: pd.DataFrame, good: pd.DataFrame, reference: Reference) -> list[str]:
    """Tell if most genes have few reads in the wells that did not fail."""
    wells = pd.MultiIndex.from_frame(good[["plate", "well_position"]])
    counts = table.loc[table.index.isin(reference.symbols), table.columns.isin(wells)]
    usual = counts.mean(axis=1).median()
    if usual >= FEW_READS_OF_A_GENE:
        return []
    return [
        f"reads are few: half of the atlas' genes have fewer than {usual:.2g} reads per well "
        f"({FEW_READS_OF_A_GENE:g} or more are usual), so that noise may hide the effects; sequence deeper"
    ]


def _quality_notes(wells: pd.DataFrame, drugs: pd.DataFrame) -> list[str]:
    reasons = wells.loc[wells["failed"], "reason"].value_counts()
    notes = [f"{counted(count, 'well')} failed: {reason}" for reason, count in reasons.items()]
    agreement = drugs["replicate_correlation"].median()
    if agreement < LEAST_AGREEMENT:
        notes.append(
            f"replicates barely agree (median r {agreement:.2f}): if the cells did not respond, this is noise"
        )
    return notes


def _scaled(table: pd.DataFrame, wells: pd.DataFrame, reference: Reference) -> tuple[pd.DataFrame, float]:
    """Return z [drugs, genes of the atlas] of the drugs in `wells`, NaN without counts, and the factor."""
    measured = [gene for gene in reference.symbols if gene in table.index]
    effects = differential_expression(table, wells, measured)
    effect = shrink(effects.log2_fold_change, effects.standard_error)
    scaled, factor = to_atlas_scale(effect, reference.responses_to(effects.drug_ids, measured))
    z = pd.DataFrame(scaled, index=effects.drug_ids, columns=effects.genes).reindex(columns=reference.symbols)
    z[effects.without_counts] = np.nan
    return z, factor
