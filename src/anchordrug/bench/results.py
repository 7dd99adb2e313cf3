"""What the files of a round say: every drug's response on the atlas' scale, and what failed."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.bench import folder as files
from anchordrug.bench.assays import scale
from anchordrug.bench.assays.contents import Counts, Profiles
from anchordrug.bench.assays.files import read_assay
from anchordrug.bench.evaluated import (
    Results,
    gene_notes,
    mean_correlation,
    reference_responses,
    stranger_notes,
)
from anchordrug.bench.measured import OK, read_selection
from anchordrug.bench.plates.wells import parse_plate_and_well
from anchordrug.bench.result_counts import controls_of, counts_of, joined_counts, results_from_counts
from anchordrug.bench.world import World
from anchordrug.errors import AssayError, near, shortlist
from anchordrug.labels import NONE, labels_of
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.gene_names import GeneMatch, gene_predicate, match_genes
from anchordrug.raw.tables import read_genes

FEWEST_GENES = 0.5


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
            counts[path] = counts_of(read, match, genes, plate_map, belongs_to)
        else:
            target = _target(world, path, plate_map, belongs_to)
            own = plate_map[plate_map["cell_line"] == target]
            parts[target].append(_from_profiles(world, number, read, match, genes, own))
    if counts:
        table = joined_counts(counts)
        names = shortlist(path.name for path in counts)
        for target in world.campaign.targets:
            own = plate_map[plate_map["cell_line"] == target]
            here = table.loc[:, table.columns.get_level_values(0).isin(own["plate"].unique())]
            if here.shape[1]:
                parts[target].append(results_from_counts(world, number, names, here, own, genes))
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
        ("drug_id", [*world.library["drug_id"], *controls_of(plate_map)], "no drug of library.csv"),
    ):
        strange = plate_map[~plate_map[column].isin(known)]
        if len(strange):
            well = strange.iloc[0]
            raise AssayError(
                f"{path}: plate {well['plate']}, well {well['well_position']}: {column} '{well[column]}' is "
                f"{what}{near(str(well[column]), known)}; correct it"
            )


def _gene_table(world: World) -> pd.DataFrame:
    """Return the atlas' genes in order, with Entrez and, where the release has them, Ensembl ids."""
    table = pd.read_parquet(world.project.genes)
    info = read_genes(find_bundle(world.project.raw).geneinfo)
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
        reference = reference_responses(world, z.index.tolist(), measured)
        scaled, factor = scale.to_atlas_scale(z[measured].to_numpy(), reference)
        z = z.astype(float)
        z[measured] = scaled
    correlation = {drug: mean_correlation(rows.to_numpy()) for drug, rows in by_drug}
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
    return Results(z, outcome, None, [*notes, *gene_notes(z)], factor, str(read.path))


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
    controls = controls_of(plate_map)
    found: dict[str, str] = {}
    strangers = []
    for name in read.values.index:
        well = parse_plate_and_well(str(name), plates)
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
    return found, stranger_notes(strangers)


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
