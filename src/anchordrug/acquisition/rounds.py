"""One retrospective campaign of a project: its rounds, learning curve and selection."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.acquisition.campaign import require_budget
from anchordrug.acquisition.retrospective import Group, campaign_key, load_group, play_rounds
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.project.project import Project, run_name
from anchordrug.settings import Settings


@dataclass(frozen=True)
class Played:
    """One campaign of a target: a row per anchor in order, the learning curve, the file to resume from."""

    anchors: pd.DataFrame
    curve: pd.DataFrame
    partial: Path


def load_target(project: Project, atlas: ResponseAtlas, target: str, device: str) -> Group:
    """Return the targets that share `target`'s list of anchors: all in scenario common, else it alone."""
    settings = project.settings
    targets = settings.targets if settings.select.scenario == "common" else (target,)
    return load_group(project, atlas, project.features(atlas), targets, target, device)


def play_target(project: Project, group: Group, strategy: str, target: str, seed: int) -> Played:
    """Play a campaign with the strategy of that name; a killed run resumes after its last whole round."""
    select = project.settings.select
    require_budget(max(select.budget), len(group.pool), "select.budget")
    name = run_name(target, seed)
    scores = group.scores(group.fit(group.pool[:0], seed=seed, final=False))
    untrained = dict(zip(group.targets, scores, strict=True))[target]
    typer.echo(f"{name}: {strategy}, pool {len(group.pool)}, pre-trained macro-F1 {untrained:.3f}")
    key = campaign_key(project, group.targets, target, seed, strategy)
    partial = project.checkpoints / f"select-{key}.csv"
    rows = play_rounds(
        group,
        strategy,
        budget=max(select.budget),
        batch=select.batch,
        seed=seed,
        partial=partial,
        say=lambda line: typer.echo(f"{name}: {line}"),
    )
    rows = rows.assign(target=target, strategy=strategy, seed=seed, rank=np.arange(1, len(rows) + 1))
    rows = rows.rename(columns={target: "macro_f1"})
    curve = rows.groupby("round", as_index=False).last().rename(columns={"rank": "drugs"})
    start = curve.iloc[:1].assign(drugs=0, macro_f1=untrained)
    curve = pd.concat([start, curve], ignore_index=True)[list(schemas.LEARNING_CURVE.columns)]
    return Played(rows, curve, partial)


def forget(settings: Settings, played: Played) -> None:
    """Remove the file from which a killed campaign would resume, once its results are written.

    In scenario `common` it stays, because the other targets take their rounds from it.
    """
    if settings.select.scenario != "common":
        played.partial.unlink()


def selection_of(played: Played, atlas: ResponseAtlas) -> pd.DataFrame:
    """Return the table of a campaign's anchors, one row per drug in order of choice."""
    drugs = atlas.drugs.iloc[played.anchors["drug"]].reset_index(drop=True)
    return pd.concat([played.anchors, drugs], axis=1)[list(schemas.SELECTIONS.columns)]
