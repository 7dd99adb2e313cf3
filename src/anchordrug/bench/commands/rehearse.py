"""anchordrug campaign rehearse: play the bench, with counts made from measured responses."""

from pathlib import Path

import pandas as pd
import typer

from anchordrug.bench import folder as files
from anchordrug.bench.assays.simulated_counts import simulate_counts
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.world import World, load_world
from anchordrug.errors import OutputError, SettingsError
from anchordrug.features.bundle import untreated_expression
from anchordrug.files.outputs import require_outputs
from anchordrug.files.tables import require_table_suffix, write_table
from anchordrug.project.project import Project
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import find_bundle


def run(folder: Path, out: Path, project: Project) -> None:
    """Write the counts that a sequencer might give for the round that waits for its results.

    Raises
    ------
    OutputError
        `out` is a file of the campaign or the project, or cannot be written.
    SettingsError
        The campaign is not a rehearsal, no round waits, or a target's untreated expression is not known.
    """
    _require_out(out, folder, project)
    with files.working_in(folder):
        world = load_world(folder, project)
        if not world.campaign.rehearsal:
            raise SettingsError(
                f"{folder}: is not a rehearsal; simulated counts are available only with "
                "'campaign new --rehearsal'"
            )
        rounds = files.round_numbers(folder)
        if not rounds or files.is_ingested(folder, rounds[-1]):
            raise SettingsError(
                f"{folder}: no round waits for results; run 'anchordrug campaign next {folder}'"
            )
        bundle, targets = find_bundle(project.raw), world.campaign.targets
        plate_map = read_plate_map(files.round_of(folder, rounds[-1]) / files.PLATE_MAP, targets)
        expression = untreated_expression(bundle, project.read_added_expression(), targets)
        tables = [_counts(world, target, plate_map, expression) for target in targets]
        table = pd.concat(tables, axis=1).fillna(0).astype(int)
        table.columns = pd.Index([f"{plate}_{well}" for plate, well in table.columns])
        write_table(table.rename_axis("gene").reset_index(), out)
        typer.echo(
            f"{out}: counts of {table.shape[0]} genes in {table.shape[1]} wells, made up; take them up with"
        )
        typer.echo(f"  anchordrug campaign ingest {folder} {out}")


def _require_out(out: Path, folder: Path, project: Project) -> None:
    require_table_suffix(out)
    place, home = out.resolve(), folder.resolve()
    if place.is_relative_to(home) and not place.is_relative_to(home / files.RESULTS):
        raise OutputError(
            f"{out}: is in the campaign's folder, which keeps its own files; name another --out, or one in "
            f"{folder / files.RESULTS}"
        )
    kept = [path for path in folder.rglob("*") if path.is_file()]
    tables = [path for path in (project.root / "tables").rglob("*") if path.is_file()]
    require_outputs([("--out", out)], [*kept, *tables, *project.raw.iterdir()])


def _counts(world: World, target: str, plate_map: pd.DataFrame, expression: pd.DataFrame) -> pd.DataFrame:
    """Return made-up counts of one target's wells; `expression` is untreated, [cell lines x genes]."""
    if target not in expression.index:
        raise SettingsError(
            f"{world.folder}: counts of {target} cannot be made up without its untreated expression; add it "
            "again with 'anchordrug atlas add --expression'"
        )
    own = plate_map[plate_map["cell_line"] == target]
    drugs = own.loc[own["pert_type"] == "trt", "drug_id"].drop_duplicates()
    z = pd.DataFrame(
        world.atlas.of(target).responses_of(world.rows_of(drugs)),
        index=pd.Index(drugs),
        columns=pd.Index(world.atlas.genes),
    )
    known = resolve(world.atlas.genes, expression.columns.tolist())
    levels = expression.to_numpy()[expression.index.tolist().index(target)]
    untreated = pd.Series(levels, index=expression.columns)
    untreated = untreated.rename({name: gene for gene, name in known.items()})
    # A gene that was not measured stays as it is untreated.
    return simulate_counts(z[list(known)].fillna(0), own, untreated, seed=world.campaign.seed)
