"""anchordrug campaign ingest: take up the results of a round, after showing what they say."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.bench import folder as files
from anchordrug.bench.assay_request import reference_of, request_of
from anchordrug.bench.assays.intake import take_in
from anchordrug.bench.assays.request import BelongsError, ResultFile, belonging
from anchordrug.bench.assays.result import FAILED, MISSING, OK, AssayResult
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.settings import read_campaign
from anchordrug.bench.world import World, load_world
from anchordrug.errors import AssayError, RawDataError, SettingsError, shortlist
from anchordrug.files.atomic import atomic_path, require_file
from anchordrug.files.digests import sha256
from anchordrug.files.outputs import require_outputs
from anchordrug.files.tables import read_json, write_json, write_table
from anchordrug.project.project import Project
from anchordrug.raw.text import require_readable


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
        given = [ResultFile(path, belongs_to) for path in results]
        try:
            taken = _take_in(folder, number, given, project, accept)
        except BelongsError as error:
            place = files.results_of(folder, number)
            raise AssayError(f"{error} (with --of, or by a folder of this name in {place})") from error
    if taken:
        typer.echo(f"then: anchordrug campaign next {folder}")


def _take_in(
    folder: Path, number: int, given: list[ResultFile], project: Project, accept: Callable[[], bool]
) -> bool:
    """Take up the given files and those under results/; return whether anything was written."""
    here = files.round_of(folder, number)
    targets = read_campaign(folder / files.SETTINGS).targets
    plate_map = read_plate_map(here / files.PLATE_MAP, targets)
    given = [belonging(file, plate_map["plate"].unique().tolist(), targets) for file in given]
    kept = _kept(folder, number)
    new = _new_files(folder, number, given, kept)
    together = {**kept, **new}
    hashes = {name: sha256(path) for name, path in together.items()}
    key = {"files": hashes, "plate_map": sha256(here / files.PLATE_MAP)}
    if not hashes:
        place = files.results_of(folder, number)
        typer.echo(f"round {number}: no results yet; give a file, or put it into {place}")
        return False
    if _is_record(here / files.INGEST, key):
        typer.echo(f"round {number}: these results are taken up already; nothing to do")
        return False
    written = (files.RESPONSES, files.OUTCOME, files.WELLS, files.INGEST)
    require_outputs([("file of results", here / name) for name in written], new.values())
    world = load_world(folder, project)
    request = request_of(world, number, plate_map)
    accepted = take_in(
        [_result_file(name, path) for name, path in together.items()],
        request,
        reference_of(world, request),
        world.settings.curate.threshold,
    )
    _show(number, accepted)
    if not accept():
        typer.echo("not accepted; nothing was changed")
        return False
    for name, path in new.items():
        with atomic_path(files.results_of(folder, number) / name) as temporary:
            shutil.copyfile(path, temporary)
    _write(world, number, accepted, key)
    return True


def _result_file(name: str, path: Path) -> ResultFile:
    """Return a file by its name under results/NN/, whose folder is the plate or cell line it belongs to."""
    belongs_to = Path(name).parent.as_posix()
    return ResultFile(path, None if belongs_to == "." else belongs_to)


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


def _is_record(path: Path, key: dict[str, object]) -> bool:
    """Return whether ingest.json says that just these files and this plate map were taken up."""
    return path.exists() and {name: read_json(path).get(name) for name in key} == key


def _new_files(folder: Path, number: int, given: list[ResultFile], kept: dict[str, Path]) -> dict[str, Path]:
    """Return the given files that are not there yet, by their name there; refuse those of another round."""
    rounds = files.round_numbers(folder)
    known = {sha256(path): n for n in rounds for path in _kept(folder, n).values()}
    new: dict[str, Path] = {}
    for file in given:
        path = file.path
        _require_file(path)
        key = sha256(path)
        if known.get(key, number) != number:
            raise AssayError(
                f"{path}: is the file that gave the results of round {known[key]}; "
                f"give the file of round {number}"
            )
        if key in known:
            typer.echo(f"{path}: was given before; counted once")
            continue
        name = f"{file.belongs_to}/{path.name}" if file.belongs_to else path.name
        if name in kept or name in new:
            raise AssayError(
                f"{path}: round {number} has another file of this name; rename it, or, if it replaces "
                f"the other, delete {files.results_of(folder, number) / name}"
            )
        known[key] = number
        new[name] = path
    return new


def _require_file(path: Path) -> None:
    try:
        if path.is_dir():
            require_readable(path)
        require_file(path, "name the results of the round")
    except RawDataError as error:
        raise AssayError(str(error)) from error


def _show(number: int, accepted: list[AssayResult]) -> None:
    for result in accepted:
        counts = result.drugs["status"].value_counts()
        shown = ", ".join(f"{int(counts.get(status, 0))} {status}" for status in (OK, FAILED, MISSING))
        typer.echo(f"round {number}, {result.cell_line}: {shown}{_factor(result.factor)}")
        table = result.drugs[
            ["status", "wells", "wells_failed", "replicate_correlation", "changed", "reason"]
        ]
        table = (
            table.rename_axis("drug_id")
            .reset_index()
            .rename(columns={"replicate_correlation": "replicates r"})
        )
        cells = table.round(2).astype(object)
        typer.echo(cells.where(cells.notna(), "-").to_string(index=False))
        for note in result.notes:
            typer.echo(f"  {note}")


def _factor(factor: float) -> str:
    return f"; factor to the atlas' scale {factor:.3g}" if np.isfinite(factor) else ""


def _write(world: World, number: int, accepted: list[AssayResult], key: dict[str, object]) -> None:
    here = files.round_of(world.folder, number)
    responses, outcomes = [], []
    for result in accepted:
        z = result.z.astype(np.float32).rename_axis("drug_id").reset_index()
        responses.append(z.assign(cell_line=result.cell_line))
        drugs = result.drugs.rename_axis("drug_id").reset_index()
        outcomes.append(drugs.assign(cell_line=result.cell_line))
    outcome = pd.concat(outcomes, ignore_index=True)[list(schemas.OUTCOME.columns)]
    columns = ["cell_line", "drug_id", *world.atlas.genes]
    write_table(pd.concat(responses, ignore_index=True)[columns], here / files.RESPONSES)
    # The last digits depend on the number of threads.
    rounded = outcome.round({"replicate_correlation": 6, "changed": 6})
    write_table(schemas.validate(rounded, schemas.OUTCOME, here / files.OUTCOME), here / files.OUTCOME)
    wells = [result.wells for result in accepted if result.wells is not None]
    (here / files.WELLS).unlink(missing_ok=True)
    if wells:
        write_table(pd.concat(wells, ignore_index=True).round({"similarity": 6}), here / files.WELLS)
    factors = {
        result.cell_line: round(result.factor, 6) if np.isfinite(result.factor) else None
        for result in accepted
    }
    write_json({**key, "factor": factors}, here / files.INGEST)
