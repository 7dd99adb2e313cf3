"""Counts of an assay's wells, of one file or several, to z-scores of its drugs."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.bench.assays import scale
from anchordrug.bench.assays.contents import Counts
from anchordrug.bench.assays.counts import differential_expression
from anchordrug.bench.assays.quality import (
    check_wells,
    failed_drugs,
    replicate_correlations,
    require_controls,
    swapped_layout,
)
from anchordrug.bench.evaluated import (
    LEAST_AGREEMENT,
    Results,
    gene_notes,
    reference_responses,
    stranger_notes,
)
from anchordrug.bench.measured import OK, read_selection
from anchordrug.bench.world import World
from anchordrug.errors import AssayError, near, shortlist
from anchordrug.raw.gene_names import GeneMatch

# A well that the plate map leaves empty may have a few stray reads.
STRAY_READS = 0.1


def controls_of(plate_map: pd.DataFrame) -> set[str]:
    """Return the drug ids of the vehicle wells."""
    return set(plate_map.loc[plate_map["pert_type"] == "negcon", "drug_id"])


def counts_of(
    read: Counts, match: GeneMatch, genes: pd.DataFrame, plate_map: pd.DataFrame, belongs_to: str | None
) -> pd.DataFrame:
    """Return counts [genes x (plate, well)] with the atlas' genes under its names, each once."""
    plates = plate_map["plate"].unique().tolist()
    named = set(read.values.columns.get_level_values(0)) - {""}
    unknown = sorted(named - set(plates))
    if unknown:
        raise AssayError(
            f"{read.path}: plate '{unknown[0]}' is not in the plate map{near(unknown[0], plates)} "
            f"(plates: {shortlist(plates)}); rename it"
        )
    table = read.values.copy()
    if "" in table.columns.get_level_values(0):
        of_line = plate_map.loc[plate_map["cell_line"] == belongs_to, "plate"].unique().tolist()
        own = [belongs_to] if belongs_to in plates else of_line or plates
        if len(own) > 1:
            raise AssayError(
                f"{read.path}: its wells do not say of which plate they are; name it with --of "
                f"(plates: {shortlist(own)}) or write wells as {own[0]}_A01"
            )
        only = own[0]
        table.columns = pd.MultiIndex.from_tuples([(plate or only, well) for plate, well in table.columns])
    symbols = genes["gene"].to_numpy(dtype=object)
    names = [symbols[row] if row >= 0 else name for name, row in zip(read.genes, match.rows, strict=True)]
    # An unknown gene must not be counted with a known one that goes by its name.
    clash = [row < 0 and name in set(symbols) for name, row in zip(names, match.rows, strict=True)]
    table.index = pd.Index(names)
    return table[~np.array(clash)].groupby(level=0, sort=True).sum()


def joined_counts(counts: dict[Path, pd.DataFrame]) -> pd.DataFrame:
    """Join counts of several files, with the genes that all of them have."""
    table = pd.concat(counts.values(), axis=1, join="inner")
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        twice = [str(path) for path, one in counts.items() if repeated[0] in one.columns]
        raise AssayError(
            f"{' and '.join(twice)}: both have well {repeated[0][1]} of plate {repeated[0][0]}; "
            "remove it from one of them"
        )
    return table


def _require_on_plate(names: str, table: pd.DataFrame, plate_map: pd.DataFrame) -> None:
    wells = pd.MultiIndex.from_frame(plate_map[["plate", "well_position"]])
    reads = table.sum(axis=0)
    usual = float(reads[reads.index.isin(wells)].median()) if reads.index.isin(wells).any() else 0.0
    empty = reads[~reads.index.isin(wells) & (reads > STRAY_READS * usual)]
    if len(empty):
        plate, well = empty.index[0]
        raise AssayError(
            f"{names}: plate {plate}: {len(empty)} wells that the plate map leaves empty have reads, "
            f"such as {well} with {int(empty.iloc[0])}; is this the file of another plate, "
            "or are rows and columns swapped?"
        )


def results_from_counts(
    world: World,
    number: int,
    names: str,
    table: pd.DataFrame,
    plate_map: pd.DataFrame,
    genes: pd.DataFrame,
) -> Results:
    """Judge the wells, compare drugs with controls, scale; `names` are the files', for errors."""
    measured_plates = plate_map[plate_map["plate"].isin(table.columns.get_level_values(0).unique())]
    plates = shortlist(measured_plates["plate"].unique())
    swapped = swapped_layout(table, measured_plates)
    if swapped:
        raise AssayError(
            f"{names}: plate {plates}: controls and replicates do not agree with the plate map, but would "
            f"if the plate were {swapped}; correct the wells' names in the results, or the plate map"
        )
    _require_on_plate(names, table, measured_plates)
    asked = [*read_selection(world.folder, number)["drug_id"], *controls_of(plate_map)]
    strangers = measured_plates.loc[~measured_plates["drug_id"].isin(asked), "drug_id"].unique()
    notes = stranger_notes(strangers.tolist())
    measured_plates = measured_plates[measured_plates["drug_id"].isin(asked)]
    wells = check_wells(table, measured_plates)
    good = wells[~wells["failed"]]
    require_controls(good)
    correlations = replicate_correlations(table, good[measured_plates.columns])
    bad = failed_drugs(wells, correlations).set_index("drug_id")["reason"]
    treated = wells[wells["pert_type"] == "trt"]
    outcome = treated.groupby("drug_id").agg(wells=("failed", "size"), wells_failed=("failed", "sum"))
    outcome["replicate_correlation"] = correlations["correlation"].reindex(outcome.index)
    outcome["reason"] = bad.reindex(outcome.index)
    outcome["status"] = np.where(outcome["reason"].isna(), OK, "failed")
    for reason, count in wells.loc[wells["failed"], "reason"].value_counts().items():
        notes.append(f"{count} wells failed: {reason}")
    agreement = outcome["replicate_correlation"].median()
    if agreement < LEAST_AGREEMENT:
        notes.append(
            f"replicates hardly agree (median r {agreement:.2f}): if the cells did not respond, this is noise"
        )
    fine = outcome.index[outcome["status"] == OK].tolist()
    symbols = genes["gene"].tolist()
    if not fine:
        return Results(pd.DataFrame(columns=symbols, dtype=float), outcome, wells, notes, float("nan"), names)
    measured = [gene for gene in symbols if gene in table.index]
    used = good[good["drug_id"].isin(fine) | (good["pert_type"] == "negcon")][measured_plates.columns]
    effects = differential_expression(table, used, measured)
    effect = scale.shrink(effects.log2_fold_change, effects.standard_error)
    scaled, factor = scale.to_atlas_scale(effect, reference_responses(world, fine, measured))
    z = pd.DataFrame(scaled, index=effects.drug_ids, columns=effects.genes).reindex(columns=symbols)
    z[effects.without_counts] = np.nan
    return Results(z, outcome, wells, [*notes, *gene_notes(z)], factor, names)
