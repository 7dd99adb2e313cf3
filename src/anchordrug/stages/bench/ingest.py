"""anchordrug campaign ingest: results of an assay as responses on the atlas' scale, and what failed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
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
from anchordrug.errors import AssayError, SettingsError, near, shortlist
from anchordrug.io import atomic_path, read_json, sha256, write_json, write_table
from anchordrug.plates import read_plate_map
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.gene_names import GeneMatch, gene_predicate, match_genes
from anchordrug.raw.tables import read_genes
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.bench import folder as files
from anchordrug.stages.bench.measured import OK, read_selection
from anchordrug.stages.bench.world import World, load_world
from anchordrug.stages.tables import positions

FEWEST_GENES = 0.5
# A well that the plate map leaves empty may have a few stray reads.
STRAY_READS = 0.1


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
    """

    z: pd.DataFrame
    outcome: pd.DataFrame
    wells: pd.DataFrame | None
    notes: list[str]
    factor: float


def run(
    folder: Path,
    results: list[Path],
    settings: Settings,
    *,
    number: int | None,
    belongs_to: str | None,
    accept: Callable[[], bool],
) -> None:
    """Take up results of round `number` (default: the last one), after showing what they say.

    The files are kept under results/; those that lie there already are taken up too. `belongs_to` names
    the plate or the cell line of files that do not say it themselves.

    Raises
    ------
    AssayError
        A file cannot be used, or does not fit the round's plate map.
    SettingsError
        There is no such round.
    """
    with files.working_in(folder):
        number = _round(folder, number)
        kept = _kept(folder, number)
        new = _new_files(folder, number, results, kept)
        record = files.round_of(folder, number) / files.INGEST
        hashes = {name: sha256(path) for name, path in {**kept, **_names(new, belongs_to)}.items()}
        if not hashes:
            typer.echo(
                f"round {number}: no results yet; give a file, "
                f"or put it into {files.results_of(folder, number)}"
            )
            return
        if record.exists() and read_json(record)["files"] == hashes:
            typer.echo(f"round {number}: these results are taken up already; nothing to do")
            return
        world = load_world(folder, settings)
        plate_map = read_plate_map(files.round_of(folder, number) / files.PLATE_MAP)
        together = {**kept, **_names(new, belongs_to)}
        accepted = _evaluate(world, number, plate_map, together)
        _show(number, accepted)
        if not accept():
            typer.echo("not accepted; nothing was changed")
            return
        for name, path in _names(new, belongs_to).items():
            with atomic_path(files.results_of(folder, number) / name) as temporary:
                shutil.copyfile(path, temporary)
        _write(world, number, accepted, hashes)
    typer.echo(f"then: anchordrug campaign next {folder}")


def _round(folder: Path, number: int | None) -> int:
    rounds = files.round_numbers(folder)
    if not rounds:
        raise SettingsError(f"{folder}: no round is chosen yet; run 'anchordrug campaign next {folder}'")
    if number is not None and number not in rounds:
        raise SettingsError(f"--round {number}: there are rounds {shortlist(rounds, 50)}; name one of them")
    return number or rounds[-1]


def _kept(folder: Path, number: int) -> dict[str, Path]:
    """Return the files under results/ of a round, by their name there."""
    here = files.results_of(folder, number)
    found = sorted(path for path in here.rglob("*") if path.is_file()) if here.is_dir() else []
    return {path.relative_to(here).as_posix(): path for path in found if not path.name.startswith(".")}


def _new_files(folder: Path, number: int, results: list[Path], kept: dict[str, Path]) -> list[Path]:
    """Return the given files that are not there yet; refuse those of another round."""
    rounds = files.round_numbers(folder)
    known = {sha256(path): n for n in rounds for path in _kept(folder, n).values()}
    new: dict[str, Path] = {}
    for path in results:
        if not path.is_file():
            raise AssayError(f"{path}: no such file; name the results of the round")
        key = sha256(path)
        if known.get(key, number) != number:
            raise AssayError(
                f"{path}: is the file that gave the results of round {known[key]}; "
                f"give the file of round {number}"
            )
        if key in known or key in new:
            typer.echo(f"{path}: was given before; counted once")
            continue
        if path.name in kept or path.name in {one.name for one in new.values()}:
            raise AssayError(
                f"{path}: round {number} has another file of this name; rename it, or, if it replaces "
                f"the other, delete that from {files.results_of(folder, number)}"
            )
        new[key] = path
    return list(new.values())


def _names(new: list[Path], belongs_to: str | None) -> dict[str, Path]:
    return {f"{belongs_to}/{path.name}" if belongs_to else path.name: path for path in new}


def _evaluate(
    world: World, number: int, plate_map: pd.DataFrame, results: dict[str, Path]
) -> dict[str, Results]:
    """Return the results of every cell line."""
    genes = _gene_table(world)
    plates = plate_map["plate"].unique().tolist()
    counts: list[pd.DataFrame] = []
    parts: dict[str, list[Results]] = {target: [] for target in world.campaign.targets}
    for name, path in results.items():
        belongs_to = Path(name).parent.name or None
        read = read_assay(path, gene_predicate(genes), plates=plates)
        match = match_genes(read.genes, genes)
        _require_genes(path, match, genes)
        if isinstance(read, Counts):
            counts.append(_counts(read, match, genes, plate_map, belongs_to))
        else:
            target = _target(world, path, plate_map, belongs_to)
            own = plate_map[plate_map["cell_line"] == target]
            parts[target].append(_from_profiles(world, number, read, match, genes, own))
    if counts:
        table = pd.concat(counts, axis=1).fillna(0).astype(np.int64)
        repeated = table.columns[table.columns.duplicated()]
        if len(repeated):
            raise AssayError(
                f"plate {repeated[0][0]}, well {repeated[0][1]}: is in two files; remove it from one"
            )
        for target in world.campaign.targets:
            own = plate_map[plate_map["cell_line"] == target]
            here = table.loc[:, table.columns.get_level_values(0).isin(own["plate"].unique())]
            if here.shape[1]:
                parts[target].append(_from_counts(world, here, own, genes))
    return {target: _merged(world, number, target, found) for target, found in parts.items() if found}


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
    own = belongs_to if belongs_to in plates else plates[0] if len(plates) == 1 else None
    table = read.values.copy()
    if "" in table.columns.get_level_values(0):
        if own is None:
            raise AssayError(
                f"{read.path}: its wells do not say of which plate they are; name it with --of "
                f"(plates: {shortlist(plates)}) or write wells as {plates[0]}_A01"
            )
        table.columns = pd.MultiIndex.from_tuples([(plate or own, well) for plate, well in table.columns])
    _require_on_plate(read.path, table, plate_map)
    symbols = genes["gene"].to_numpy(dtype=object)
    names = [symbols[row] if row >= 0 else name for name, row in zip(read.genes, match.rows, strict=True)]
    # An unknown gene must not be counted with a known one that goes by its name.
    clash = [row < 0 and name in set(symbols) for name, row in zip(names, match.rows, strict=True)]
    table.index = pd.Index(names)
    return table[~np.array(clash)].groupby(level=0, sort=True).sum()


def _require_on_plate(path: Path, table: pd.DataFrame, plate_map: pd.DataFrame) -> None:
    wells = pd.MultiIndex.from_frame(plate_map[["plate", "well_position"]])
    reads = table.sum(axis=0)
    usual = float(reads[reads.index.isin(wells)].median()) if reads.index.isin(wells).any() else 0.0
    empty = reads[~reads.index.isin(wells) & (reads > STRAY_READS * usual)]
    if len(empty):
        plate, well = empty.index[0]
        raise AssayError(
            f"{path}: plate {plate}: {len(empty)} wells that the plate map leaves empty have reads, "
            f"such as {well} with {int(empty.iloc[0])}; is this the file of another plate, "
            "or are rows and columns swapped?"
        )


def _target(world: World, path: Path, plate_map: pd.DataFrame, belongs_to: str | None) -> str:
    targets = world.campaign.targets
    if len(targets) == 1:
        return targets[0]
    line_of = dict(zip(plate_map["plate"], plate_map["cell_line"], strict=True))
    target = line_of.get(belongs_to or "", belongs_to)
    if target not in targets:
        raise AssayError(
            f"{path}: does not say of which cell line it is; name it with --of ({', '.join(targets)})"
        )
    return target


def _from_counts(world: World, table: pd.DataFrame, plate_map: pd.DataFrame, genes: pd.DataFrame) -> Results:
    """Judge the wells, compare drugs with controls, scale."""
    measured_plates = plate_map[plate_map["plate"].isin(table.columns.get_level_values(0).unique())]
    plates = shortlist(measured_plates["plate"].unique())
    swapped = swapped_layout(table, measured_plates)
    if swapped:
        raise AssayError(
            f"plate {plates}: controls and replicates do not agree with the plate map, but would "
            f"if the plate were {swapped}; correct the wells' names in the results, or the plate map"
        )
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
    fine = outcome.index[outcome["status"] == OK].tolist()
    names = genes["gene"].tolist()
    measured = [gene for gene in names if gene in table.index]
    used = good[good["drug_id"].isin(fine) | (good["pert_type"] == "negcon")][measured_plates.columns]
    if not fine:
        raise AssayError(
            f"plate {plates}: no drug is left, all failed ({shortlist(bad.unique())}); assay it again"
        )
    effects = differential_expression(table, used, measured)
    effect = scale.shrink(effects.log2_fold_change, effects.standard_error)
    scaled, factor = scale.to_atlas_scale(effect, _reference(world, fine, measured))
    z = pd.DataFrame(scaled, index=effects.drug_ids, columns=effects.genes).reindex(columns=names)
    z[effects.without_counts] = np.nan
    notes = _gene_notes(z)
    for reason, count in wells.loc[wells["failed"], "reason"].value_counts().items():
        notes.append(f"{count} wells failed: {reason}")
    return Results(z, outcome, wells, notes, factor)


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
    return Results(z, outcome, None, [*notes, *_gene_notes(z)], factor)


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
    controls = set(plate_map.loc[plate_map["pert_type"] == "negcon", "drug_id"])
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
    notes = []
    if strangers:
        notes.append(
            f"{len(strangers)} drugs nobody asked for in this round are left out: {shortlist(strangers)}"
        )
    return found, notes


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
            f"drug '{repeated[0]}' has results of {target} in two files; remove it from one of them"
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
    )


def _show(number: int, accepted: dict[str, Results]) -> None:
    for target, one in accepted.items():
        counts = one.outcome["status"].value_counts()
        shown = ", ".join(f"{int(counts.get(status, 0))} {status}" for status in (OK, "failed", "missing"))
        typer.echo(f"round {number}, {target}: {shown}; factor to the atlas' scale {one.factor:.3g}")
        table = one.outcome[["status", "wells", "wells_failed", "replicate_correlation", "changed", "reason"]]
        table = (
            table.rename_axis("drug_id")
            .reset_index()
            .rename(columns={"replicate_correlation": "replicates r"})
        )
        typer.echo(table.round(2).to_string(index=False, na_rep="-"))
        for note in one.notes:
            typer.echo(f"  {note}")


def _write(world: World, number: int, accepted: dict[str, Results], hashes: dict[str, str]) -> None:
    here = files.round_of(world.folder, number)
    responses, outcomes = [], []
    for target, one in accepted.items():
        z = one.z.astype(np.float32).rename_axis("drug_id").reset_index()
        responses.append(z.assign(cell_line=target))
        outcomes.append(one.outcome.rename_axis("drug_id").reset_index().assign(cell_line=target))
    outcome = pd.concat(outcomes, ignore_index=True)[list(schemas.OUTCOME.columns)]
    columns = ["cell_line", "drug_id", *world.atlas.genes]
    write_table(pd.concat(responses, ignore_index=True)[columns], here / files.RESPONSES)
    # The last digits depend on the number of threads.
    rounded = outcome.round({"replicate_correlation": 6, "changed": 6})
    write_table(schemas.validate(rounded, schemas.OUTCOME, here / files.OUTCOME), here / files.OUTCOME)
    wells = [one.wells for one in accepted.values() if one.wells is not None]
    if wells:
        write_table(pd.concat(wells, ignore_index=True).round({"similarity": 6}), here / files.WELLS)
    factors = {target: round(one.factor, 6) for target, one in accepted.items()}
    write_json({"files": hashes, "factor": factors}, here / files.INGEST)
