"""What the files of a round say: every drug's response on the atlas' scale, and what failed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.assays import scale
from anchordrug.assays.counts import differential_expression
from anchordrug.assays.files import Counts, Profiles, parse_well, read_assay
from anchordrug.assays.quality import (
    check_wells,
    failed_drugs,
    replicate_correlations,
    require_controls,
    swapped_layout,
)
from anchordrug.atlas import NONE, labels_of
from anchordrug.errors import AssayError, near, shortlist
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.gene_names import GeneMatch, gene_predicate, match_genes
from anchordrug.raw.tables import read_genes
from anchordrug.stages import paths
from anchordrug.stages.bench import folder as files
from anchordrug.stages.bench.measured import OK, read_selection
from anchordrug.stages.bench.world import World
from anchordrug.stages.tables import positions

FEWEST_GENES = 0.5
# A well that the plate map leaves empty may have a few stray reads.
STRAY_READS = 0.1
# Replicates that agree less than this are no more than noise, which the atlas' spread would magnify.
LEAST_AGREEMENT = 0.1


@dataclass(frozen=True)
class Results:
    """Results of one file or of one plate's counts, on the atlas' scale.

    Attributes
    ----------
    z
        float64 [drugs, genes of the atlas] by drug_id, NaN for a gene that was not measured.
    outcome
        By drug_id: status, reason, wells, wells_failed, replicate_correlation.
    notes
        What the user should know.
    factor
        What the assay's own numbers were multiplied with.
    source
        The names of the files.
    """

    z: pd.DataFrame
    outcome: pd.DataFrame
    wells: pd.DataFrame | None
    notes: list[str]
    factor: float
    source: str


def evaluate(
    world: World, number: int, plate_map: pd.DataFrame, results: dict[str, Path]
) -> dict[str, Results]:
    """Return the results of every cell line that has some.

    Parameters
    ----------
    plate_map
        That of round `number`.
    results
        Files by their name under results/NN/; the folder in a name is the plate or cell line it belongs to.

    Raises
    ------
    AssayError
        The plate map, or a file, cannot be used, or they do not fit each other.
    """
    _require_known(world, number, plate_map)
    genes = _gene_table(world)
    counts: dict[Path, pd.DataFrame] = {}
    parts: dict[str, list[Results]] = {target: [] for target in world.campaign.targets}
    for name, path in results.items():
        belongs_to = Path(name).parent.as_posix()
        belongs_to = None if belongs_to == "." else belongs_to
        require_belongs(path, belongs_to, world.campaign.targets, plate_map)
        read = read_assay(path, gene_predicate(genes), plates=plate_map["plate"].unique().tolist())
        match = match_genes(read.genes, genes)
        _require_genes(path, match, genes)
        if isinstance(read, Counts):
            counts[path] = _counts(read, match, genes, plate_map, belongs_to)
        else:
            target = _target(world, path, plate_map, belongs_to)
            own = plate_map[plate_map["cell_line"] == target]
            parts[target].append(_from_profiles(world, number, read, match, genes, own))
    if counts:
        table = _joined(counts)
        names = shortlist(path.name for path in counts)
        for target in world.campaign.targets:
            own = plate_map[plate_map["cell_line"] == target]
            here = table.loc[:, table.columns.get_level_values(0).isin(own["plate"].unique())]
            if here.shape[1]:
                parts[target].append(_from_counts(world, number, names, here, own, genes))
    return {target: _merged(world, number, target, found) for target, found in parts.items() if found}


def require_belongs(
    path: Path, belongs_to: str | None, targets: tuple[str, ...], plate_map: pd.DataFrame
) -> None:
    """Check what a file is said to belong to.

    Raises
    ------
    AssayError
        It is neither a plate of the round nor a target.
    """
    known = [*plate_map["plate"].unique(), *targets]
    if belongs_to is not None and belongs_to not in known:
        raise AssayError(
            f"{path}: is said to be of '{belongs_to}', which is neither a plate of the round nor a target"
            f"{near(belongs_to, known)} ({shortlist(known)}); correct --of, or its folder under results"
        )


def _require_known(world: World, number: int, plate_map: pd.DataFrame) -> None:
    path = files.round_of(world.folder, number) / files.PLATE_MAP
    for column, known, what in (
        ("cell_line", list(world.campaign.targets), "no target of the campaign"),
        ("drug_id", [*world.library["drug_id"], *_controls(plate_map)], "no drug of library.csv"),
    ):
        strange = plate_map[~plate_map[column].isin(known)]
        if len(strange):
            well = strange.iloc[0]
            raise AssayError(
                f"{path}: plate {well['plate']}, well {well['well_position']}: {column} '{well[column]}' is "
                f"{what}{near(str(well[column]), known)}; correct it"
            )


def _controls(plate_map: pd.DataFrame) -> set[str]:
    return set(plate_map.loc[plate_map["pert_type"] == "negcon", "drug_id"])


def _gene_table(world: World) -> pd.DataFrame:
    """Return the atlas' genes in order, with Entrez and, where the release has them, Ensembl ids."""
    table = pd.read_parquet(paths.GENES)
    info = read_genes(find_bundle(world.settings.raw.dir).geneinfo)
    if "ensembl_id" not in info.columns:
        return table[["gene", "gene_id"]]
    return table[["gene", "gene_id"]].merge(info[["gene_id", "ensembl_id"]], on="gene_id", how="left")


def _require_genes(path: Path, match: GeneMatch, genes: pd.DataFrame) -> None:
    found = len(np.unique(match.rows[match.rows >= 0]))
    if found < FEWEST_GENES * len(genes):
        raise AssayError(
            f"{path}: {found} of the atlas' {len(genes)} genes were found (as {match.naming}s); "
            "give gene symbols, Ensembl or Entrez ids of human genes"
        )


def _counts(
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


def _joined(counts: dict[Path, pd.DataFrame]) -> pd.DataFrame:
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


def _target(world: World, path: Path, plate_map: pd.DataFrame, belongs_to: str | None) -> str:
    """Return the target that a file without wells is of."""
    first, *others = world.campaign.targets
    if belongs_to is None:
        if others:
            known = ", ".join(world.campaign.targets)
            raise AssayError(f"{path}: does not say of which cell line it is; name it with --of ({known})")
        return first
    line_of = dict(zip(plate_map["plate"], plate_map["cell_line"], strict=True))
    return line_of.get(belongs_to, belongs_to)


def _from_counts(
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
    asked = [*read_selection(world.folder, number)["drug_id"], *_controls(plate_map)]
    strangers = measured_plates.loc[~measured_plates["drug_id"].isin(asked), "drug_id"].unique()
    notes = _stranger_notes(strangers.tolist())
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
    scaled, factor = scale.to_atlas_scale(effect, _reference(world, fine, measured))
    z = pd.DataFrame(scaled, index=effects.drug_ids, columns=effects.genes).reindex(columns=symbols)
    z[effects.without_counts] = np.nan
    return Results(z, outcome, wells, [*notes, *_gene_notes(z)], factor, names)


def _from_profiles(
    world: World,
    number: int,
    read: Profiles,
    match: GeneMatch,
    genes: pd.DataFrame,
    plate_map: pd.DataFrame,
) -> Results:
    """Find the drugs that were asked for; scale, unless these are z-scores on the atlas' scale already."""
    drug_of, notes = _drugs(world, number, read, plate_map)
    values = read.values[[name in drug_of for name in read.values.index]]
    known = match.rows >= 0
    effect = values.to_numpy()[:, known]
    if read.standard_error is not None:
        effect = scale.shrink(effect, read.standard_error.loc[values.index].to_numpy()[:, known])
    names = genes["gene"].to_numpy(dtype=object)
    wide = pd.DataFrame(effect, columns=names[match.rows[known]])
    # A gene under two names, such as two Ensembl ids, is their mean.
    wide = wide.T.groupby(level=0, sort=False).mean().T.reindex(columns=names)
    by_drug = wide.groupby([drug_of[name] for name in values.index], sort=False)
    z, factor = by_drug.median(), 1.0
    if read.kind != "z":
        measured = z.columns[z.notna().all()].tolist()
        reference = _reference(world, z.index.tolist(), measured)
        scaled, factor = scale.to_atlas_scale(z[measured].to_numpy(), reference)
        z = z.astype(float)
        z[measured] = scaled
    correlation = {drug: _mean_correlation(rows.to_numpy()) for drug, rows in by_drug}
    outcome = pd.DataFrame(
        {
            "wells": by_drug.size(),
            "wells_failed": 0,
            "replicate_correlation": pd.Series(correlation, dtype=float),
            "reason": None,
            "status": OK,
        }
    )
    if read.incomplete:
        notes.append(f"{len(read.incomplete)} genes were left out, because some drugs have no value for them")
    return Results(z, outcome, None, [*notes, *_gene_notes(z)], factor, str(read.path))


def _drugs(
    world: World, number: int, read: Profiles, plate_map: pd.DataFrame
) -> tuple[dict[str, str], list[str]]:
    """Return the drug_id of every name in the file that the round asked for, and notes on the others."""
    asked = read_selection(world.folder, number)["drug_id"].tolist()
    by_name = _names_of_drugs(world)
    in_well = {
        (plate, well): drug
        for plate, well, drug in plate_map[["plate", "well_position", "drug_id"]].itertuples(index=False)
    }
    plates = plate_map["plate"].unique().tolist()
    controls = _controls(plate_map)
    found: dict[str, str] = {}
    strangers = []
    for name in read.values.index:
        well = parse_well(str(name), plates)
        place = (well[0] or plates[0], well[1]) if well and (well[0] or len(plates) == 1) else None
        drug = in_well.get(place) if place else None
        drug = drug or by_name.get(str(name).casefold(), str(name))
        if drug in controls:
            continue
        if drug in asked:
            found[name] = drug
        else:
            strangers.append(str(name))
    if not found:
        raise AssayError(
            f"{read.path}: none of its drugs ({shortlist(strangers)}) was asked for in round {number} "
            f"({shortlist(asked)}); name drugs as in {files.round_of(world.folder, number) / files.SELECTION}"
        )
    return found, _stranger_notes(strangers)


def _stranger_notes(strangers: list[str]) -> list[str]:
    if not strangers:
        return []
    return [f"{len(strangers)} drugs nobody asked for in this round are left out: {shortlist(strangers)}"]


def _names_of_drugs(world: World) -> dict[str, str]:
    """Return drug_ids of the library by everything else that names one drug alone, casefolded."""
    columns = [name for name in ("drug_id", "inchikey", "atlas_id", "name") if name in world.library]
    names: dict[str, str] = {}
    for column in columns:
        given = world.library.dropna(subset=[column])
        folded = given[column].astype(str).str.casefold()
        for name, drug in zip(folded, given["drug_id"], strict=True):
            if (folded == name).sum() == 1:
                names.setdefault(name, drug)
    return names


def _mean_correlation(rows: np.ndarray) -> float:
    if len(rows) < 2:
        return float("nan")
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    matrix = np.corrcoef(rows)
    return float(matrix[np.triu_indices(len(rows), 1)].mean())


def _reference(world: World, drug_ids: list[str], genes: list[str]) -> np.ndarray:
    """Return what source lines measured of these drugs on `genes`, or, of none of them, all they measured."""
    own = np.isin(world.sources.drug, world.rows_of(pd.Series(drug_ids, dtype=object)))
    z = world.sources.z[:, positions(genes, world.atlas.genes)]
    return z[own] if own.any() else z


def _gene_notes(z: pd.DataFrame) -> list[str]:
    missing = z.columns[z.isna().any()]
    if not len(missing):
        return []
    return [
        f"{len(missing)} of {z.shape[1]} genes were not measured ({shortlist(missing, 3)}); "
        "nothing is learned about them"
    ]


def _merged(world: World, number: int, target: str, parts: list[Results]) -> Results:
    """Join the files of one cell line; a drug that was asked for and is in none of them is missing."""
    z = pd.concat([one.z for one in parts])
    repeated = z.index[z.index.duplicated()]
    if len(repeated):
        raise AssayError(
            f"drug '{repeated[0]}' has results of {target} in two files: "
            f"{' and '.join(one.source for one in parts if repeated[0] in one.z.index)}; remove it from one"
        )
    asked = read_selection(world.folder, number)["drug_id"].tolist()
    outcome = pd.concat([one.outcome for one in parts]).reindex(asked)
    missing = outcome["status"].isna()
    outcome.loc[missing, ["status", "reason"]] = "missing", "no result in the files"
    outcome[["wells", "wells_failed"]] = outcome[["wells", "wells_failed"]].fillna(0).astype(int)
    z = z.loc[[drug for drug in asked if outcome.at[drug, "status"] == OK]]
    changed = (labels_of(z.to_numpy(), world.settings.curate.threshold) != NONE).mean(axis=1)
    outcome["changed"] = pd.Series(changed, index=z.index).reindex(asked)
    wells = [one.wells for one in parts if one.wells is not None]
    return Results(
        z,
        outcome,
        pd.concat(wells, ignore_index=True) if wells else None,
        [note for one in parts for note in one.notes],
        parts[0].factor,
        shortlist(one.source for one in parts),
    )
