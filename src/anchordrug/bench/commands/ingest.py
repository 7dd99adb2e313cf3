"""anchordrug campaign ingest: accept the results of a round, after showing them."""

from collections.abc import Callable, Collection
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
from anchordrug.bench.doses import dose_notes
from anchordrug.bench.laid_out import campaign_of
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.result_files import digest, inputs_of, keep, kept_files, new_files, result_file
from anchordrug.bench.world import World, load_world
from anchordrug.errors import AssayError, SettingsError, message_line, shortlist
from anchordrug.files.digests import sha256
from anchordrug.files.outputs import require_outputs
from anchordrug.files.tables import read_json, write_json, write_table
from anchordrug.project.project import Project


def run(
    folder: Path,
    results: list[Path],
    project: Project,
    *,
    number: int | None,
    belongs_to: str | None,
    layer: str | None,
    accept: Callable[[list[AssayResult]], bool],
) -> None:
    """Take up results of round `number` (default: the last round), after showing them.

    The files are kept under results/; files that are already there are taken up too. `belongs_to` names
    the plate or the cell line of files that do not say it themselves, `layer` the matrix of those that have
    several (without files: of those that are kept). `accept` decides whether the results count.

    Raises
    ------
    AssayError
        A file cannot be used, or does not fit the round's plate map.
    SettingsError
        There is no such round.
    """
    with files.working_in(folder):
        number = _round(folder, number)
        given = [ResultFile(path, belongs_to, layer) for path in results]
        try:
            taken = _take_in(folder, number, given, project, layer, accept)
        except BelongsError as error:
            place = files.results_of(folder, number)
            raise AssayError(f"{error} (with --of, or by a folder of this name in {place})") from error
    if taken:
        typer.echo(f"then: anchordrug campaign next {folder}")


def _take_in(
    folder: Path,
    number: int,
    given: list[ResultFile],
    project: Project,
    layer: str | None,
    accept: Callable[[list[AssayResult]], bool],
) -> bool:
    """Take up the given files and those under results/; return whether anything was written."""
    here = files.round_of(folder, number)
    targets = campaign_of(folder).targets
    plate_map = read_plate_map(here / files.PLATE_MAP, targets)
    given = [belonging(file, plate_map["plate"].unique().tolist(), targets) for file in given]
    kept = kept_files(folder, number)
    named = new_files(folder, number, given, kept)
    new = {name: file.path for name, file in named.items() if name not in kept}
    together = {**kept, **new}
    hashes = {name: digest(path) for name, path in together.items()}
    layers = _layers(here / files.INGEST, hashes, layer, named or kept)
    key = {
        "files": hashes,
        "plate_map": sha256(here / files.PLATE_MAP),
        **({"layers": layers} if layers else {}),
    }
    if not hashes:
        place = files.results_of(folder, number)
        typer.echo(f"round {number}: no results yet; give a file, or put it into {place}")
        return False
    if _is_record(here / files.INGEST, key):
        typer.echo(f"round {number}: these results are taken up already; nothing to do")
        return False
    written = (files.RESPONSES, files.OUTCOME, files.WELLS, files.INGEST)
    inputs = [part for path in new.values() for part in inputs_of(path)]
    require_outputs([("file of results", here / name) for name in written], inputs)
    world = load_world(folder, project)
    request = request_of(folder, world.campaign, world.library, number, plate_map)
    accepted = take_in(
        [result_file(name, path, layers.get(name)) for name, path in together.items()],
        request,
        reference_of(world, request),
        world.settings.curate.threshold,
    )
    _show(number, accepted, dose_notes(world, number, plate_map))
    if not accept(accepted):
        typer.echo("not accepted; nothing was changed")
        return False
    for name, path in new.items():
        keep(path, files.results_of(folder, number) / name)
    _write(world, number, accepted, key)
    return True


def _round(folder: Path, number: int | None) -> int:
    rounds = files.round_numbers(folder)
    if not rounds:
        raise SettingsError(f"{folder}: no round is chosen yet; run 'anchordrug campaign next {folder}'")
    if number is not None and number not in rounds:
        raise SettingsError(f"--round {number}: not chosen yet; give one of: {shortlist(rounds, 50)}")
    return number or rounds[-1]


def _layers(
    record: Path, hashes: dict[str, str], layer: str | None, asked: Collection[str]
) -> dict[str, str]:
    """Return the matrix named for each file: `layer` for those `asked`, else as when it was taken up."""
    before = read_json(record) if record.exists() else {}
    known = before.get("layers", {})
    same = {name for name, value in before.get("files", {}).items() if hashes.get(name) == value}
    named = dict.fromkeys(asked, layer) if layer is not None else {}
    return {
        name: found
        for name in hashes
        if (found := named.get(name) or (known.get(name) if name in same else None))
    }


def _is_record(path: Path, key: dict[str, object]) -> bool:
    """Return whether ingest.json says that just these files and this plate map were taken up."""
    if not path.exists():
        return False
    record = read_json(path)
    return {name: record.get(name) for name in (*key, "layers")} == {"layers": None, **key}


def _show(number: int, accepted: list[AssayResult], notes: list[str]) -> None:
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
            typer.echo(f"  {message_line(note)}")
    for note in notes:
        typer.echo(f"  {message_line(note)}")


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
