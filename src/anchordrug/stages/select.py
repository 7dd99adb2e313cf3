"""Stage select: play all rounds of a target against its measured responses."""

import numpy as np
import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.acquisition import strategy
from anchordrug.atlas import ResponseAtlas, labels_of
from anchordrug.campaign import Round, play
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.io import fingerprint_of, read_table, sha256, write_table
from anchordrug.predictors.base import FittedPredictor
from anchordrug.settings import Settings
from anchordrug.stages import paths
from anchordrug.stages.predictors import load_predictor
from anchordrug.stages.tables import load_atlas, load_features, load_split


def run(settings: Settings, target: str, seed: int) -> None:
    """Choose the anchors of one campaign; one that was cut goes on after its last whole round.

    The macro-F1 on the test drugs after every round goes to metrics/; it is computed from the fitted
    predictor and never reaches the choice.
    """
    atlas = load_atlas()
    features, split = load_features(atlas), load_split(atlas, target)
    measured, select = atlas.of(target), settings.select
    truth = labels_of(measured.responses_of(split.test), settings.curate.threshold)
    budget = max(select.budget)

    def score(fitted: FittedPredictor) -> float:
        return macro_f1(truth, fitted.probabilities(split.test).argmax(axis=2))

    predictor = load_predictor(settings, atlas, features, target)
    name = paths.run_name(target, seed)
    partial = paths.CHECKPOINTS / f"select-{name}-{_key(settings, target)}.csv"
    rows = read_table(partial) if partial.exists() else pd.DataFrame()
    played = [] if rows.empty else [part["drug"].to_numpy() for _, part in rows.groupby("round")]
    untrained = score(predictor.fit(split.pool[:0], measured.z[:0], seed=seed))
    typer.echo(f"{name}: {select.strategy}, pool {len(split.pool)}, pre-trained macro-F1 {untrained:.3f}")
    rounds = play(
        predictor,
        measured.responses_of,
        split.pool,
        strategy(select.strategy),
        budget=budget,
        batch=select.batch,
        seed=seed,
        played=played,
    )
    for one in rounds:
        rows = pd.concat([rows, _rows_of(one, score(one.fitted))], ignore_index=True)
        write_table(rows, partial)
        last = rows.iloc[-1]
        typer.echo(f"{name}: round {one.number}, {len(rows)}/{budget} drugs, macro-F1 {last['macro_f1']:.3f}")

    rows = rows.assign(target=target, strategy=select.strategy, seed=seed, rank=np.arange(1, len(rows) + 1))
    path = paths.SELECTIONS / f"{name}.csv"
    write_table(schemas.validate(_selection(rows, atlas), schemas.SELECTIONS, path), path)
    curve = rows.groupby("round", as_index=False).last().rename(columns={"rank": "drugs"})
    start = curve.iloc[:1].assign(drugs=0, macro_f1=untrained)
    curve = pd.concat([start, curve], ignore_index=True)[list(schemas.LEARNING_CURVE.columns)]
    path = paths.ROUNDS / f"{name}.csv"
    write_table(schemas.validate(curve, schemas.LEARNING_CURVE, path), path)
    partial.unlink()


def _rows_of(one: Round, macro: float) -> pd.DataFrame:
    return pd.DataFrame({"round": one.number, "drug": one.drugs, "score": one.scores, "macro_f1": macro})


def _selection(rows: pd.DataFrame, atlas: ResponseAtlas) -> pd.DataFrame:
    drugs = atlas.drugs.iloc[rows["drug"]].reset_index(drop=True)
    return pd.concat([rows, drugs], axis=1)[list(schemas.SELECTIONS.columns)]


def _key(settings: Settings, target: str) -> str:
    files = (paths.RESPONSES, paths.SPLITS, paths.PRETRAINED / target / "weights.safetensors")
    sections = (settings.select, settings.finetune, settings.curate)
    return fingerprint_of([sha256(path) for path in files], [one.model_dump(mode="json") for one in sections])
