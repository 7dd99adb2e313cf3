"""anchordrug campaign next: the drugs of the next round, their plates, and their expected gain."""

from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.acquisition import PoolView, strategy
from anchordrug.acquisition.campaign import Choice, choose, round_seed
from anchordrug.bench import folder as files
from anchordrug.bench.constraints import allowed, limit, require_affordable, required
from anchordrug.bench.dvc_stages import renew_stages
from anchordrug.bench.evidence import evidence_in_words, evidence_table
from anchordrug.bench.forecast import forecast, forecast_in_words
from anchordrug.bench.laid_out import campaign_of, is_current, round_notes
from anchordrug.bench.measurements import Measurements, measured_so_far, read_selection
from anchordrug.bench.model import Model, load_model
from anchordrug.bench.plates.layout import lay_out
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.refusals import require_next
from anchordrug.bench.round_files import write_round_files
from anchordrug.bench.world import World, load_world
from anchordrug.errors import SettingsError, counted
from anchordrug.files.atomic import atomic_folder
from anchordrug.files.tables import write_table
from anchordrug.predictors.joint import JointFitted
from anchordrug.project.project import Project


def run(folder: Path, project: Project) -> None:
    """Choose the next round of the campaign in `folder`, unless one waits for its results.

    Raises
    ------
    SettingsError
        The folder is not a campaign's, a setting is wrong, or no drug may be chosen.
    AssayError, TableError
        A plate map or another file of the folder cannot be used.
    """
    with files.working_in(folder):
        renew_stages(project.root, folder)
        campaign, rounds = campaign_of(folder), files.round_numbers(folder)
        require_next(folder, campaign)
        if rounds and not files.is_ingested(folder, rounds[-1]):
            here = files.round_of(folder, rounds[-1])
            if not is_current(folder, campaign, rounds[-1]):
                _renew(folder, project, rounds[-1])
            for note in round_notes(folder, campaign, rounds[-1]):
                typer.echo(note)
            typer.echo(
                f"round {rounds[-1]} waits for its results: pipette {here / files.PLATE_MAP}, then run\n"
                f"  anchordrug campaign ingest {folder} RESULTS"
            )
            return
        world = load_world(folder, project)
        measured = measured_so_far(world)
        left = world.campaign.budget - measured.spent()
        if left <= 0:
            typer.echo(f"the budget of {world.campaign.budget} drugs is spent; run")
            typer.echo(f"  anchordrug campaign finish {folder}")
            return
        _write_round(load_model(world), measured, rounds[-1] + 1 if rounds else 1, left)


def _renew(folder: Path, project: Project, number: int) -> None:
    """Write pick list, pictures and pack of a round again; its plate map or the settings were edited."""
    world, here = load_world(folder, project), files.round_of(folder, number)
    plate_map = read_plate_map(here / files.PLATE_MAP, world.campaign.targets)
    write_round_files(world, number, plate_map, read_selection(folder, number), here)
    typer.echo(f"{here}: pick list, pictures and pack are renewed; the plate map or the settings were edited")


def _write_round(model: Model, measured: Measurements, number: int, left: int) -> None:
    world, fitted = model.world, model.fit(measured, final=False)
    choice, not_chosen = _order(model, measured, fitted, number, left)
    order = choice.drugs
    batch = min(world.campaign.batch, left, len(order))
    selection = _selection(world, choice, number)
    path = files.round_of(world.folder, number)
    targets = world.campaign.targets
    plates = {target: _plates(world, selection.iloc[:batch], target, number) for target in targets}
    plate_map = pd.concat(plates.values(), ignore_index=True)
    advice = forecast(model, fitted, order, len(measured.anchors), batch)
    evidence = evidence_table(model, measured.drugs)
    with atomic_folder(path) as temporary:
        chosen = schemas.validate(selection.iloc[:batch], schemas.BENCH_SELECTION, path / files.SELECTION)
        write_table(chosen, temporary / files.SELECTION)
        write_table(
            schemas.validate(plate_map, schemas.PLATE_MAP, path / files.PLATE_MAP),
            temporary / files.PLATE_MAP,
        )
        write_table(selection, temporary / files.PANEL)
        checked = schemas.validate(evidence, schemas.EVIDENCE, path / files.EVIDENCE)
        write_table(checked, temporary / files.EVIDENCE)
        if advice is not None:
            write_table(
                schemas.validate(advice, schemas.ADVICE, path / files.ADVICE), temporary / files.ADVICE
            )
        warnings = write_round_files(world, number, plate_map, chosen, temporary)
    for reason, count in not_chosen.items():
        typer.echo(f"not in the choice: {counted(count, 'drug')} ({reason})")
    said = [*evidence_in_words(evidence), *forecast_in_words(advice, world.campaign.stop_below)]
    said += warnings
    said.append(f"the reason for each drug is in {path / files.SELECTION}, column 'reason'")
    _show(world, number, selection.iloc[:batch], plate_map, said)


def _order(
    model: Model, measured: Measurements, fitted: JointFitted, number: int, left: int
) -> tuple[Choice, dict[str, int]]:
    """Return the drugs to be asked for, first those of this round, to the end of the budget.

    The rest are the drugs that the strategy would take if it were asked for all of them now.
    """
    world, asked = model.world, np.unique(measured.asked)
    anchors = measured.anchors
    must = required(world, anchors)
    require_affordable(world, asked, must)
    free, not_chosen = allowed(world, np.concatenate([asked, must]), anchors)
    if not len(free) and not len(must):
        reasons = {"measured in the targets": int(world.library["row"].isin(anchors).sum()), **not_chosen}
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        raise SettingsError(
            f"{world.folder}: no drug of the library may be chosen any more (of {len(world.library)}: "
            f"{told}); loosen the constraints in {files.SETTINGS} or finish the campaign"
        )
    included = _included(must[:left])
    view = PoolView(fitted, free, np.concatenate([anchors, included.drugs]), model.catalogue)
    count = min(left - len(included.drugs), len(free))
    chosen = Choice.none()
    if count:
        batch = max(1, min(world.campaign.batch - len(must), count))
        allows = limit(world, np.concatenate([asked, must]))
        play = strategy(world.campaign.strategy, f"{world.folder / files.SETTINGS}: strategy")
        seed = world.campaign.seed
        chosen = choose(view, play, batch, round_seed(seed, number), allows)
        if count > len(chosen.drugs):
            later = PoolView(
                fitted,
                free[~np.isin(free, chosen.drugs)],
                np.concatenate([view.anchors, chosen.drugs]),
                view.catalogue,
            )
            more = limit(world, np.concatenate([asked, must, chosen.drugs]))
            rest = choose(later, play, count - len(chosen.drugs), round_seed(seed, number + 1), more)
            chosen = chosen.then(rest)
    choice = included.then(chosen)
    if not len(choice.drugs):
        raise SettingsError(
            f"{world.folder}: no drug fits the constraints in {files.SETTINGS} any more "
            "(cost, per_mechanism, per_scaffold); loosen them or finish the campaign"
        )
    return choice, not_chosen


def _included(must: np.ndarray) -> Choice:
    reason = f"It is listed in constraints.include of {files.SETTINGS}."
    return Choice(must, np.full(len(must), np.nan), (reason,) * len(must))


def _selection(world: World, choice: Choice, number: int) -> pd.DataFrame:
    library = world.library.drop_duplicates("row").set_index("row").loc[choice.drugs].reset_index(drop=True)
    batch = world.campaign.batch
    table = library[["drug_id", "inchikey", "smiles", "name", "moa", "vendor", "cost"]].copy()
    table.insert(0, "round", number + np.arange(len(table)) // batch)
    table.insert(1, "rank", np.arange(1, len(table) + 1))
    return table.assign(score=np.round(choice.scores, 6), reason=choice.reasons)


def _plates(world: World, selection: pd.DataFrame, target: str, number: int) -> pd.DataFrame:
    return lay_out(
        selection,
        world.campaign.plates,
        prefix=f"R{number:02d}-{target}",
        cell_line=target,
        seed=world.campaign.seed,
    )


def _show(
    world: World, number: int, selection: pd.DataFrame, plate_map: pd.DataFrame, said: list[str]
) -> None:
    here = files.round_of(world.folder, number)
    typer.echo(f"round {number}: {counted(len(selection), 'drug')}")
    shown = selection[["rank", "drug_id", "name", "moa", "cost"]].dropna(axis=1, how="all")
    typer.echo(shown.to_string(index=False, na_rep="-"))
    plates = plate_map.groupby("plate", sort=False).size()
    for plate, wells in plates.items():
        typer.echo(f"  {here / f'{plate}.svg'}: {counted(wells, 'well')}")
    typer.echo(f"  {here / files.PLATE_MAP}, {here / files.PICK_LIST}")
    typer.echo(f"  {here / files.PACK_PDF}, {here / files.PACK_XLSX}: to print; volumes, sources, samples")
    for line in said:
        typer.echo(line)
    typer.echo(f"then: anchordrug campaign ingest {world.folder} RESULTS")
