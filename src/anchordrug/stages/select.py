"""Stage select: play all rounds of a target against its measured responses."""

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas import ResponseAtlas
from anchordrug.io import write_table
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.groups import campaign_key, load_group, play_rounds
from anchordrug.stages.tables import load_atlas, load_features


def run(settings: Settings, target: str, seed: int, device: str = "cpu") -> None:
    """Choose the anchors of one campaign; one that was cut goes on after its last whole round.

    The macro-F1 on the test drugs after every round goes to metrics/; it is computed from the fitted
    predictor and never reaches the choice. In scenario `common` the first target to come plays for all; the
    others take up its rounds.
    """
    atlas = load_atlas()
    select = settings.select
    common = select.scenario == "common"
    targets = settings.targets if common else (target,)
    group = load_group(settings, atlas, load_features(atlas), targets, target, device)
    name = paths.run_name(target, seed)
    scores = group.scores(group.fit(group.pool[:0], seed=seed, final=False))
    untrained = dict(zip(targets, scores, strict=True))
    typer.echo(
        f"{name}: {select.strategy}, pool {len(group.pool)}, pre-trained macro-F1 {untrained[target]:.3f}"
    )
    partial = paths.CHECKPOINTS / f"select-{campaign_key(settings, targets, target, seed)}.csv"
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
    path = paths.SELECTIONS / f"{name}.csv"
    # The last digits depend on the number of threads.
    selection = _selection(rows, atlas).round({"score": 6})
    write_table(schemas.validate(selection, schemas.SELECTIONS, path), path)
    curve = rows.groupby("round", as_index=False).last().rename(columns={"rank": "drugs"})
    start = curve.iloc[:1].assign(drugs=0, macro_f1=untrained[target])
    curve = pd.concat([start, curve], ignore_index=True)[list(schemas.LEARNING_CURVE.columns)]
    path = paths.ROUNDS / f"{name}.csv"
    write_table(schemas.validate(curve, schemas.LEARNING_CURVE, path), path)
    if not common:
        partial.unlink()


def _selection(rows: pd.DataFrame, atlas: ResponseAtlas) -> pd.DataFrame:
    drugs = atlas.drugs.iloc[rows["drug"]].reset_index(drop=True)
    return pd.concat([rows, drugs], axis=1)[list(schemas.SELECTIONS.columns)]
