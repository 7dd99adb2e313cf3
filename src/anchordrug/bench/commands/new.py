"""anchordrug campaign new: resolve a library against the atlas, describe the target, learn its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import typer

from anchordrug.acquisition import strategy
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import require_targets
from anchordrug.bench import folder as files
from anchordrug.bench.doses import condition_notes
from anchordrug.bench.dvc_stages import write_stages
from anchordrug.bench.evidence import evidence_in_words, evidence_table
from anchordrug.bench.library import Resolved, counts_in_words, resolve_library
from anchordrug.bench.model import load_model
from anchordrug.bench.named_lines import as_in_atlas
from anchordrug.bench.settings import CampaignSettings, check_campaign, write_campaign
from anchordrug.bench.untreated import described
from anchordrug.bench.world import load_world
from anchordrug.errors import LibraryError, SettingsError, counted
from anchordrug.files.outputs import require_outputs
from anchordrug.files.tables import write_table
from anchordrug.project.project import Project
from anchordrug.raw.compounds import read_compounds_for_sale
from anchordrug.raw.line_names import near_line
from anchordrug.settings import Settings, checked


@dataclass(frozen=True)
class NewCampaign:
    """The arguments of a new campaign; a dose or time of None is that of the settings.

    `constraints` and `plates` are values of these sections of campaign.yaml that differ from the usual
    values.
    """

    targets: tuple[str, ...]
    library: Path
    predict: Path | None
    expression: Path | None
    budget: int
    rounds: int
    strategy: str | None
    seed: int
    rehearsal: bool
    dose_um: float | None = None
    time_h: float | None = None
    id_column: str | None = None
    constraints: Mapping[str, object] = field(default_factory=dict)
    plates: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Understood:
    """The summary of the files given: the library, and a note on the untreated expression."""

    campaign: CampaignSettings
    resolved: Resolved
    expression: str | None


def run(folder: Path, asked: NewCampaign, project: Project) -> None:
    """Make the campaign's folder; campaign.yaml is written last, so a folder without it is not finished.

    Raises
    ------
    LibraryError
        The library cannot be read, or nothing of it can be used.
    OutputError
        A file given is one that is written in the folder.
    SettingsError
        A setting is not allowed, the folder is the project's own, or the target's untreated expression is
        missing.
    """
    if folder.resolve() == project.root.resolve():
        raise SettingsError(
            f"{folder}: is the project's own folder; give one below it, such as campaigns/my-line"
        )
    _require_own_copies(folder, asked)
    with files.made_or_undone(folder):
        if (folder / files.SETTINGS).exists():
            typer.echo(
                f"{folder} holds a campaign already; nothing was changed (edit {folder / files.SETTINGS}, "
                "or give another folder)"
            )
            return
        campaign = understand(folder, asked, project).campaign
        write_stages(project.root, folder)
        model = load_model(load_world(folder, project, campaign))
        measured = [model.world.measured_before(target)[0] for target in campaign.targets]
        for line in evidence_in_words(evidence_table(model, measured)):
            typer.echo(line)
        for note in condition_notes(model.world, [campaign.plates.concentration_um]):
            typer.echo(note)
        write_campaign(campaign, folder / files.SETTINGS)
    typer.echo(
        f"{folder / files.SETTINGS}: {counted(campaign.rounds, 'round')} of "
        f"{counted(campaign.batch, 'drug')}; look it over, then"
    )
    typer.echo(f"  anchordrug campaign next {folder}")


def understand(folder: Path, asked: NewCampaign, project: Project) -> Understood:
    """Resolve the lists of compounds, read the untreated expression, write them into `folder`, and report it.

    Raises
    ------
    LibraryError, SettingsError, RawDataError
        As `run`, but for the learning.
    """
    atlas = project.atlas()
    asked = replace(asked, targets=as_in_atlas(asked.targets, atlas.cell_lines, project.raw, "--target"))
    campaign = _campaign(asked, project.settings)
    # Files that an interrupted try may have left.
    for name in (files.QUERIES, files.EXPRESSION):
        (folder / name).unlink(missing_ok=True)
    only = _measured(atlas, campaign) if campaign.rehearsal else None
    drugs = atlas.drugs
    resolved = _resolve(asked.library, asked.id_column, drugs, folder / files.LIBRARY, "library", only)
    usable, rejects = len(resolved.library), (folder / files.LIBRARY).with_suffix(files.REJECTS)
    rejected = f" ({rejects} lists the others)" if len(resolved.rejects) else ""
    if campaign.budget > usable:
        raise SettingsError(
            f"--budget: {campaign.budget} drugs were asked for, but only "
            f"{counted(usable, 'compound')} of {asked.library} can be used"
            f"{rejected}; ask for fewer, or add compounds"
        )
    if asked.predict is not None:
        _resolve(asked.predict, asked.id_column, drugs, folder / files.QUERIES, "drugs to predict")
    note = None
    if asked.expression is not None:
        found = described(asked.expression, campaign.targets, project.raw)
        table = found.expression.rename_axis("cell_line").reset_index()
        write_table(table, folder / files.EXPRESSION)
        note = found.note
        typer.echo(note)
    for target in campaign.targets:
        if target not in atlas.cell_lines:
            typer.echo(f"{target}: is new to the atlas{near_line(target, atlas.cell_lines)}")
    return Understood(campaign, resolved, note)


def _require_own_copies(folder: Path, asked: NewCampaign) -> None:
    """Check that no file given is one that is written."""
    written = (files.LIBRARY, files.QUERIES, files.EXPRESSION)
    rejects = [(folder / name).with_suffix(files.REJECTS) for name in written[:2]]
    given = [path for path in (asked.library, asked.predict, asked.expression) if path is not None]
    require_outputs([("FOLDER", folder / name) for name in written], given, rejects)


def _campaign(asked: NewCampaign, settings: Settings) -> CampaignSettings:
    name = asked.strategy or settings.select.strategy
    strategy(name, "--strategy" if asked.strategy else "select.strategy")
    values = {
        "targets": asked.targets,
        "budget": asked.budget,
        "rounds": asked.rounds,
        "seed": asked.seed,
        "strategy": name,
        "stop_below": 0.005,
        "rehearsal": asked.rehearsal,
        "constraints": {
            "include": (),
            "exclude": (),
            "cost": None,
            "per_mechanism": None,
            "per_scaffold": None,
            **asked.constraints,
        },
        "plates": {
            "wells": 96,
            "replicates": 3,
            "controls": 6,
            "use_edge": False,
            "concentration_um": settings.curate.dose_um if asked.dose_um is None else asked.dose_um,
            "time_h": settings.curate.time_h if asked.time_h is None else asked.time_h,
            "well_volume_ul": 50,
            "stock_mm": 10,
            **asked.plates,
        },
    }
    campaign = checked(values, CampaignSettings, "the command line")
    check_campaign(campaign, "the command line")
    return campaign


def _measured(atlas: ResponseAtlas, campaign: CampaignSettings) -> set[str]:
    """Return the InChIKeys of the drugs that are measured in every target, so that a rehearsal knows them."""
    require_targets(campaign.targets, atlas)
    keys = atlas.drugs["inchikey"].to_numpy()
    return set.intersection(*(set(keys[atlas.of(target).measured_drugs()]) for target in campaign.targets))


def _resolve(
    source: Path,
    id_column: str | None,
    drugs: pd.DataFrame,
    path: Path,
    what: str,
    only: set[str] | None = None,
) -> Resolved:
    """Resolve a list of compounds, write it, report the matches."""
    resolved = resolve_library(read_compounds_for_sale(source, id_column), drugs)
    for note in resolved.notes:
        typer.echo(f"{source}: {note}")
    library, rejects = resolved.library, resolved.rejects
    if only is not None:
        unknown = library[~library["inchikey"].isin(only)]
        library = library.drop(unknown.index)
        about = unknown.reindex(columns=rejects.columns).assign(
            reason="was not measured, so a rehearsal has no response of it"
        )
        rejects = pd.concat([rejects, about], ignore_index=True)
    rejects_path = path.with_suffix(files.REJECTS)
    rejects_path.unlink(missing_ok=True)
    if len(rejects):
        write_table(rejects, rejects_path)
    typer.echo(
        f"{what}: {len(library)} of {len(library) + len(rejects)} usable; "
        + counts_in_words(library["match"])
    )
    for reason, count in rejects["reason"].value_counts().head(5).items():
        typer.echo(f"  rejected: {count} ({reason})")
    if len(rejects):
        typer.echo(f"  all rejects: {rejects_path}")
    if library.empty:
        raise LibraryError(f"{source}: none of its {len(rejects)} compounds can be used; see {rejects_path}")
    write_table(library, path)
    return replace(resolved, library=library, rejects=rejects)
