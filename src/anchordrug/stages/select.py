"""Stage select: play all rounds of a target against its measured responses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.acquisition.retrospective import Group, campaign_key, load_group, play_rounds
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.files.tables import write_table
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas, load_features
from anchordrug.settings import Settings


@dataclass(frozen=True)
class Played:
    """One campaign of a target: a row per anchor in order, the learning curve, the file to resume from."""

    anchors: pd.DataFrame
    curve: pd.DataFrame
    partial: Path


def run(settings: Settings, target: str, seed: int, device: str = "cpu") -> None:
    """Choose the anchors of one campaign; one that was cut goes on after its last whole round.

    The macro-F1 on the test drugs after every round goes to metrics/; it is computed from the fitted
    predictor and never reaches the choice. In scenario `common` the first target to come plays for all; the
    others take up its rounds.
    """
    atlas = load_atlas()
    played = play_target(settings, load_target(settings, atlas, target, device), target, seed)
    name = paths.run_name(target, seed)
    path = paths.SELECTIONS / f"{name}.csv"
    # The last digits depend on the number of threads.
    selection = _selection(played.anchors, atlas).round({"score": 6})
    write_table(schemas.validate(selection, schemas.SELECTIONS, path), path)
    path = paths.ROUNDS / f"{name}.csv"
    write_table(schemas.validate(played.curve, schemas.LEARNING_CURVE, path), path)
    forget(settings, played)


def load_target(settings: Settings, atlas: ResponseAtlas, target: str, device: str) -> Group:
    """Return the targets that share `target`'s list of anchors: all in scenario common, else it alone."""
    targets = settings.targets if settings.select.scenario == "common" else (target,)
    return load_group(settings, atlas, load_features(atlas), targets, target, device)


def play_target(settings: Settings, group: Group, target: str, seed: int) -> Played:
    """Play the campaign of `settings`; one that was cut goes on after its last whole round."""
    select = settings.select
    name = paths.run_name(target, seed)
    scores = group.scores(group.fit(group.pool[:0], seed=seed, final=False))
    untrained = dict(zip(group.targets, scores, strict=True))[target]
    typer.echo(f"{name}: {select.strategy}, pool {len(group.pool)}, pre-trained macro-F1 {untrained:.3f}")
    partial = paths.CHECKPOINTS / f"select-{campaign_key(settings, group.targets, target, seed)}.csv"
    rows = play_rounds(
        group,
        select.strategy,
        budget=max(select.budget),
        batch=select.batch,
        seed=seed,
        partial=partial,
        say=lambda line: typer.echo(f"{name}: {line}"),
    )
    rows = rows.assign(target=target, strategy=select.strategy, seed=seed, rank=np.arange(1, len(rows) + 1))
    rows = rows.rename(columns={target: "macro_f1"})
    curve = rows.groupby("round", as_index=False).last().rename(columns={"rank": "drugs"})
    start = curve.iloc[:1].assign(drugs=0, macro_f1=untrained)
    curve = pd.concat([start, curve], ignore_index=True)[list(schemas.LEARNING_CURVE.columns)]
    return Played(rows, curve, partial)


def forget(settings: Settings, played: Played) -> None:
    """Remove what a cut campaign would go on from, once its results are written.

    In scenario `common` it stays, because the other targets take their rounds from it.
    """
    if settings.select.scenario != "common":
        played.partial.unlink()


def _selection(rows: pd.DataFrame, atlas: ResponseAtlas) -> pd.DataFrame:
    drugs = atlas.drugs.iloc[rows["drug"]].reset_index(drop=True)
    return pd.concat([rows, drugs], axis=1)[list(schemas.SELECTIONS.columns)]
