"""anchordrug atlas: add a lab's measurements to the atlas, list it, remove it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import typer

from anchordrug.atlas.additions import Addition, addition_names, read_additions, require_name, write_addition
from anchordrug.atlas.grow import Growth, grow, owners
from anchordrug.bench.additions.from_campaign import addition_from_campaign
from anchordrug.bench.additions.from_tables import Tables, TakenIn, addition_from_tables
from anchordrug.bench.assays.result import FAILED
from anchordrug.bench.library import counts_in_words
from anchordrug.bench.named_lines import as_in_atlas
from anchordrug.bench.untreated import described
from anchordrug.errors import SettingsError, message_line, near, shortlist
from anchordrug.files.atomic import PARTIAL, remove_partial
from anchordrug.files.lock import locked
from anchordrug.project.project import Project
from anchordrug.raw.matrix_market import is_matrix_folder

THEN = "then: anchordrug grow ('dvc repro' runs it and the stages that follow)"


@dataclass(frozen=True)
class NewAddition:
    """The options of the command line; None where not given."""

    name: str
    sources: list[Path]
    compounds: Path | None
    cell_line: str | None
    plate_map: Path | None
    expression: Path | None
    assay: str | None
    dose_um: float | None
    time_h: float | None
    id_column: str | None = None
    layer: str | None = None


def add(asked: NewAddition, project: Project) -> None:
    """Make an addition, show how it fares in the atlas, and write it.

    Raises
    ------
    SettingsError
        The name is taken or cannot be one, or the options do not fit the source.
    AnchorDrugError
        The source cannot be used, or does not fit the atlas.
    """
    _check(asked)
    with _working_on(project):
        if (project.additions / asked.name).exists():
            raise SettingsError(
                f"{project.additions / asked.name}: is there already; give another name, or remove it with "
                f"'anchordrug atlas remove {asked.name}'"
            )
        additions = read_additions(project.additions)
        curated = project.curated_atlas()
        if asked.cell_line is not None:
            known = [*curated.cell_lines, *(line for addition in additions for line in _lines(addition))]
            (line,) = as_in_atlas([asked.cell_line], known, project.raw, "--cell-line")
            asked = replace(asked, cell_line=line)
        usual_time_h = project.settings.curate.time_h
        if _is_campaign(asked.sources[0]):
            addition = addition_from_campaign(
                asked.name,
                asked.sources[0],
                assay=asked.assay,
                dose_um=asked.dose_um,
                time_h=asked.time_h,
                usual_time_h=usual_time_h,
                known=owners(grow(curated, additions).atlas.drugs),
            )
        else:
            taken = addition_from_tables(
                asked.name,
                _tables(asked),
                curated,
                project.settings.curate,
                assay=asked.assay,
                dose_um=asked.dose_um,
                time_h=usual_time_h if asked.time_h is None else asked.time_h,
                expression=_expression(asked, project),
            )
            _show_intake(taken)
            addition = taken.addition
        together = sorted([*additions, addition], key=lambda part: part.name)
        growth = grow(curated, together)
        write_addition(addition, project.additions)
    _show(addition, growth, project.additions / asked.name)


def show(project: Project) -> None:
    """List the additions with their records."""
    additions = read_additions(project.additions)
    if not additions:
        typer.echo(f"no additions in {project.additions}")
        return
    rows = [
        {
            "name": addition.name,
            "assay": addition.assay,
            "dose uM": f"{addition.dose_um:g}",
            "time h": f"{addition.time_h:g}",
            "cell lines": shortlist(_lines(addition)),
            "drugs": len(addition.drugs),
            "responses": len(addition.responses),
            "genes": len(addition.genes),
            "source": addition.source,
        }
        for addition in additions
    ]
    typer.echo(pd.DataFrame(rows).to_string(index=False))


def remove(name: str, project: Project) -> None:
    """Remove an addition.

    Raises
    ------
    SettingsError
        There is none of this name.
    """
    # A folder that is half removed must not be taken for an addition.
    away = project.additions / f"{PARTIAL}{name}"
    was_begun = away.exists()
    with _working_on(project):
        names = addition_names(project.additions)
        if name not in names and not was_begun:
            raise SettingsError(
                f"{project.additions}: no addition '{name}'{near(name, names)} "
                f"(additions: {shortlist(names, 50) or 'none'})"
            )
        if name in names:
            (project.additions / name).rename(away)
            shutil.rmtree(away)
    typer.echo(f"removed {name}; {THEN}")


@contextmanager
def _working_on(project: Project) -> Iterator[None]:
    """Keep other commands out of the additions; the lock is outside, because DVC watches their folder."""
    with locked(project.checkpoints / "additions"):
        remove_partial(project.additions)
        yield


def _check(asked: NewAddition) -> None:
    require_name(asked.name, "addition")
    for option, value in (("--dose-um", asked.dose_um), ("--time-h", asked.time_h)):
        if value is not None and not 0 < value < float("inf"):
            raise SettingsError(f"{option}: {value:g} is not a positive number; correct it")
    given = {
        "--compounds": asked.compounds,
        "--cell-line": asked.cell_line,
        "--plate-map": asked.plate_map,
        "--expression": asked.expression,
        "--id-column": asked.id_column,
        "--layer": asked.layer,
    }
    folders = [source for source in asked.sources if _is_campaign(source)]
    if folders and len(asked.sources) > 1:
        raise SettingsError(f"{folders[0]}: is a folder; add one campaign at a time, or name files alone")
    if folders:
        odd = [option for option, value in given.items() if value is not None]
        if odd:
            raise SettingsError(
                f"{odd[0]}: is for tables; {folders[0]} is a folder; a campaign has this, leave it out"
            )
        return
    missing = [option for option in ("--compounds", "--cell-line") if given[option] is None]
    if missing:
        raise SettingsError(
            f"{asked.sources[0]}: tables need {' and '.join(missing)}; give them, or the folder of a campaign"
        )


def _is_campaign(source: Path) -> bool:
    return source.is_dir() and not is_matrix_folder(source)


def _tables(asked: NewAddition) -> Tables:
    assert asked.compounds is not None
    assert asked.cell_line is not None
    require_name(asked.cell_line, "--cell-line")
    return Tables(
        asked.sources, asked.compounds, asked.cell_line, asked.plate_map, asked.id_column, asked.layer
    )


def _expression(asked: NewAddition, project: Project) -> pd.DataFrame:
    if asked.expression is None:
        return pd.DataFrame()
    assert asked.cell_line is not None
    found = described(asked.expression, [asked.cell_line], project.raw)
    typer.echo(found.note)
    return found.expression


def _lines(addition: Addition) -> list[str]:
    return sorted(addition.responses["cell_line"].unique())


def _show_intake(taken: TakenIn) -> None:
    """Tell which compounds and drugs could not be used, and why."""
    library, rejects = taken.resolved.library, taken.resolved.rejects
    for note in taken.resolved.notes:
        typer.echo(f"compounds: {note}")
    typer.echo(
        f"compounds: {len(library)} of {len(library) + len(rejects)} usable; "
        + counts_in_words(library["match"])
    )
    for reason, count in rejects["reason"].value_counts().items():
        typer.echo(f"  rejected: {count} ({reason})")
    failed = taken.result.drugs[taken.result.drugs["status"] == FAILED]
    for reason, count in failed["reason"].value_counts().items():
        typer.echo(f"  failed: {count} drugs ({reason})")
    for note in taken.result.notes:
        typer.echo(f"  {message_line(note)}")


def _show(addition: Addition, growth: Growth, path: Path) -> None:
    typer.echo(
        f"{path}: {len(addition.responses)} responses of {len(addition.drugs)} drugs in "
        f"{shortlist(_lines(addition))}; {addition.assay}, {addition.dose_um:g} uM, {addition.time_h:g} h"
    )
    left = growth.repeated[addition.name]
    if left:
        typer.echo(f"  {left} of them are in the atlas already, whose own responses stay")
    typer.echo(THEN)
