"""One campaign of the grid, played to its end, wherever: a process of this machine or of a cluster."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

import anchordrug
from anchordrug.acquisition.retrospective import Group, campaign_key, load_group, play_rounds
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.tables import write_json
from anchordrug.project.project import Project
from anchordrug.settings import Settings, read_settings

HERE = Path(__file__).resolve().parent
MODULES = (
    "acquisition",
    "predictors",
    "evaluation/metrics.py",
    "project",
    "atlas/responses.py",
    "atlas/splits.py",
    "atlas/tables.py",
    "features/blocks.py",
    "graph",
    "chem/similarity.py",
    "evidence_group.py",
    "labels.py",
)
SECONDS = ("query_seconds", "train_seconds", "evaluate_seconds")
Cell = tuple[tuple[str, ...], str, int]


def project_of(scenario: str) -> Project:
    """Return the project of a scenario: a folder next to this file, with a params.yaml."""
    return Project(HERE / scenario, read_settings(HERE / scenario / "params.yaml"))


def cells(settings: Settings, strategies: list[str]) -> list[Cell]:
    """Return (targets, strategy, seed) of every campaign; seeds vary slowest."""
    groups = [settings.targets] if settings.select.scenario == "common" else [(t,) for t in settings.targets]
    return [(targets, name, seed) for seed in settings.seeds for name in strategies for targets in groups]


@cache
def data(scenario: str) -> tuple[Project, ResponseAtlas, FeatureBlocks]:
    """Return the project of a scenario with its tables, which a process loads once."""
    project = project_of(scenario)
    atlas = project.atlas()
    return project, atlas, project.features(atlas)


@cache
def group_of(scenario: str, targets: tuple[str, ...]) -> Group:
    """Return the group of `targets` that campaigns share."""
    return load_group(*data(scenario), targets, own=targets[0])


@cache
def code() -> str:
    """Return a name of the code that a campaign's course depends on."""
    package = Path(anchordrug.__file__).parent
    files = [file for name in MODULES for file in _sources(package / name)]
    return digest_of({file.relative_to(package).as_posix(): sha256(file) for file in sorted(files)})


def _sources(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else path.rglob("*.py")


def play_cell(scenario: str, cell: Cell, growth: int) -> None:
    """Play one campaign, fit its budgets, and for random also what lies beyond; write its file.

    A campaign that is cut goes on after its last whole round, and a finished one is not played again as long
    as data, settings and code are the same.
    """
    folder = HERE / "cells" / scenario
    targets, name, seed = cell
    project, atlas, _ = data(scenario)
    path = folder / f"{'+'.join(targets)}-{name}-{seed}.json"
    key = campaign_key(project, targets, targets[0], name, seed, code(), growth)
    if path.exists() and json.loads(path.read_text())["key"] == key:
        return
    group, select = group_of(scenario, targets), project.settings.select
    budgets = [budget for budget in select.budget if budget <= len(group.pool)]
    partial = folder / f".{path.stem}-{key}.csv"
    rows = play_rounds(
        group,
        name,
        budget=max(budgets),
        batch=select.batch,
        seed=seed,
        partial=partial,
        say=lambda _: None,
    )
    anchors = rows["drug"].to_numpy(copy=True)

    def scored(drugs: np.ndarray, final: bool) -> dict[str, object]:
        scores = group.scores(group.fit(drugs, seed=seed, final=final))
        return {"drugs": len(drugs), "macro_f1": dict(zip(targets, scores, strict=True))}

    last = rows.groupby("round").last().assign(drugs=rows.groupby("round").size().cumsum())
    rounds = [
        {"drugs": row["drugs"], "macro_f1": {t: row[t] for t in targets}}
        | {part: row[part] for part in SECONDS}
        for row in last.to_dict("records")
    ]
    result = {
        "key": key,
        "targets": list(targets),
        "strategy": name,
        "seed": seed,
        "pool": len(group.pool),
        "anchors": atlas.drugs["drug_id"].iloc[anchors].tolist(),
        "rounds": rounds,
        "budgets": [scored(anchors[:budget], final=True) for budget in budgets],
    }
    if name == "random":
        rest = group.pool[~np.isin(group.pool, anchors)]
        order = np.concatenate([anchors, np.random.default_rng(seed).permutation(rest)])
        result |= {
            "pretrained": scored(anchors[:0], final=False),
            "growth": [
                scored(order[: min(size, len(order))], final=False)
                for size in range(len(anchors) + growth, len(order) + growth, growth)
            ],
            "whole_pool": scored(order, final=True),
        }
    write_json(result, path)
    partial.unlink()
