"""Dropped files as a campaign would understand them, before anything is learned from them."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from anchordrug.app.beside import LOOK, SEEN
from anchordrug.bench.commands.new import NewCampaign, understand
from anchordrug.bench.evidence import groups_to_predict
from anchordrug.bench.library import read_library
from anchordrug.bench.world import load_world
from anchordrug.evidence_group import GROUPS
from anchordrug.files.tables import write_json
from anchordrug.project.project import Project


def look(folder: Path, asked: NewCampaign, project: Project) -> None:
    """Write into `folder`, next to a campaign, how a new campaign would understand the files.

    Raises
    ------
    LibraryError, SettingsError, RawDataError
        As `anchordrug campaign new`.
    """
    (folder / SEEN).unlink(missing_ok=True)
    # The plan is settled later.
    asked = replace(
        asked,
        budget=1,
        rounds=1,
        strategy=None,
        seed=0,
        dose_um=None,
        time_h=None,
        constraints={},
        plates={},
    )
    # Whoever runs this holds `folder`, so nobody else works in it.
    shutil.rmtree(folder / LOOK, ignore_errors=True)
    (folder / LOOK).mkdir()
    found = understand(folder / LOOK, asked, project)
    world = load_world(folder / LOOK, project, found.campaign)
    target = found.campaign.targets[0]
    groups = groups_to_predict(world, world.measured_before(target)[0])
    matches = found.resolved.library["match"].value_counts()
    queries = folder / LOOK / "predict.csv"
    write_json(
        {
            "library": asked.library.name,
            "predict": asked.predict.name if asked.predict else None,
            "expression": asked.expression.name if asked.expression else None,
            "target": target,
            "rehearsal": asked.rehearsal,
            "columns": dict(found.resolved.columns),
            "notes": list(found.resolved.notes),
            "usable": len(found.resolved.library),
            "matches": {str(name): int(count) for name, count in matches.items()},
            "rejects": len(found.resolved.rejects),
            "to_predict": len(read_library(queries)) if queries.exists() else len(found.resolved.library),
            "measured": len(world.measured_before(target)[0]),
            "groups": {group: int(np.sum(groups == group)) for group in GROUPS},
            "untreated": found.expression,
            "dose_um": found.campaign.plates.concentration_um,
            "time_h": found.campaign.plates.time_h,
            "is_new": target not in project.atlas().cell_lines,
        },
        folder / SEEN,
    )
