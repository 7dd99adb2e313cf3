"""anchordrug campaign ingest: take up the results of a round, after showing what they say."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.bench import folder as files
from anchordrug.bench.evaluated import Results
from anchordrug.bench.measured import OK
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.results import evaluate, require_belongs
from anchordrug.bench.settings import read_campaign
from anchordrug.bench.world import World, load_world
from anchordrug.errors import AssayError, SettingsError, shortlist
from anchordrug.files.atomic import atomic_path
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json, write_json, write_table
from anchordrug.project.project import Project


def run(
    folder: Path,
    results: list[Path],
    project: Project,
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
        here = files.round_of(folder, number)
        targets = read_campaign(folder / files.SETTINGS).targets
        plate_map = read_plate_map(here / files.PLATE_MAP)
        for path in results:
            require_belongs(path, belongs_to, targets, plate_map)
        kept = _kept(folder, number)
        new = _new_files(folder, number, results, belongs_to, kept)
        together = {**kept, **new}
        hashes = {name: sha256(path) for name, path in together.items()}
        key = {"files": hashes, "plate_map": sha256(here / files.PLATE_MAP)}
        if not hashes:
            typer.echo(
                f"round {number}: no results yet; give a file, "
                f"or put it into {files.results_of(folder, number)}"
            )
            return
        if _is_record(here / files.INGEST, key):
            typer.echo(f"round {number}: these results are taken up already; nothing to do")
            return
        world = load_world(folder, project)
        accepted = evaluate(world, number, plate_map, together)
        _show(number, accepted)
        if not accept():
            typer.echo("not accepted; nothing was changed")
            return
        for name, path in new.items():
            with atomic_path(files.results_of(folder, number) / name) as temporary:
                shutil.copyfile(path, temporary)
        _write(world, number, accepted, key)
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


def _is_record(path: Path, key: dict) -> bool:
    """Return whether ingest.json says that just these files and this plate map were taken up."""
    return path.exists() and {name: read_json(path).get(name) for name in key} == key


def _new_files(
    folder: Path, number: int, results: list[Path], belongs_to: str | None, kept: dict[str, Path]
) -> dict[str, Path]:
    """Return the given files that are not there yet, by their name there; refuse those of another round."""
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
        if key in known:
            typer.echo(f"{path}: was given before; counted once")
            continue
        name = f"{belongs_to}/{path.name}" if belongs_to else path.name
        if name in kept or name in new:
            raise AssayError(
                f"{path}: round {number} has another file of this name; rename it, or, if it replaces "
                f"the other, delete {files.results_of(folder, number) / name}"
            )
        known[key] = number
        new[name] = path
    return new


def _show(number: int, accepted: dict[str, Results]) -> None:
    for target, one in accepted.items():
        counts = one.outcome["status"].value_counts()
        shown = ", ".join(f"{int(counts.get(status, 0))} {status}" for status in (OK, "failed", "missing"))
        typer.echo(f"round {number}, {target}: {shown}{_factor(one.factor)}")
        table = one.outcome[["status", "wells", "wells_failed", "replicate_correlation", "changed", "reason"]]
        table = (
            table.rename_axis("drug_id")
            .reset_index()
            .rename(columns={"replicate_correlation": "replicates r"})
        )
        shown = table.round(2).astype(object)
        typer.echo(shown.where(shown.notna(), "-").to_string(index=False))
        for note in one.notes:
            typer.echo(f"  {note}")


def _factor(factor: float) -> str:
    return f"; factor to the atlas' scale {factor:.3g}" if np.isfinite(factor) else ""


def _write(world: World, number: int, accepted: dict[str, Results], key: dict) -> None:
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
    (here / files.WELLS).unlink(missing_ok=True)
    if wells:
        write_table(pd.concat(wells, ignore_index=True).round({"similarity": 6}), here / files.WELLS)
    factors = {
        target: round(one.factor, 6) if np.isfinite(one.factor) else None for target, one in accepted.items()
    }
    write_json({**key, "factor": factors}, here / files.INGEST)
