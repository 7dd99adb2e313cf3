"""Retrospective campaigns: rounds played against measured responses, for targets that share their anchors."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.acquisition.registry import strategy
from anchordrug.acquisition.view import Catalogue
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.errors import RawDataError
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.tables import read_table, write_table
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Predictor
from anchordrug.predictors.joint import JointFitted, JointPredictor
from anchordrug.predictors.loading import load_predictor, task_of
from anchordrug.predictors.registry import params_of
from anchordrug.project.project import Project


@dataclass(frozen=True)
class Group:
    """Targets that share one list of anchors; sequences are in the order of `targets`.

    The measured responses are the oracle and the judge of a retrospective campaign; `play` hands the
    responses of chosen drugs alone to the predictors.
    """

    targets: tuple[str, ...]
    predictors: Sequence[Predictor]
    measured: Sequence[ResponseAtlas]
    test: Sequence[np.ndarray]
    pool: np.ndarray
    catalogue: Catalogue
    threshold: float

    def reveal(self, drugs: np.ndarray) -> np.ndarray:
        """Return z [drugs, targets x genes]."""
        return np.concatenate([line.responses_of(drugs) for line in self.measured], axis=1)

    def fit(self, anchors: np.ndarray, *, seed: int, final: bool) -> JointFitted:
        """Fit every target to `anchors`."""
        return JointPredictor(self.predictors).fit(anchors, self.reveal(anchors), seed=seed, final=final)

    def scores(self, fitted: JointFitted) -> list[float]:
        """Return the macro-F1 on each target's test drugs, for which each predictor decides."""
        truths = [
            labels_of(line.responses_of(test), self.threshold)
            for line, test in zip(self.measured, self.test, strict=True)
        ]
        return [
            macro_f1(truth, part.deciding_for(test).labels(test))
            for truth, part, test in zip(truths, fitted.parts, self.test, strict=True)
        ]


def load_group(
    project: Project,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    targets: tuple[str, ...],
    own: str,
    device: str = "cpu",
) -> Group:
    """Load the splits of `targets`, which share a pool, and the pre-trained state of one of them, `own`.

    Where there are several targets, all are left out of pre-training (the settings see to it), so that they
    have the same source lines. The campaign is for the test drugs, of which strategies know all but the
    responses. Networks are fitted on `device`, "cpu" or "cuda".
    """
    settings = project.settings
    splits = [project.split(atlas, target) for target in targets]
    tasks = {
        target: task_of(settings, atlas, features, target, device, split.test)
        for target, split in zip(targets, splits, strict=True)
    }
    queries = np.unique(np.concatenate([split.test for split in splits]))
    return Group(
        targets,
        [load_predictor(settings, task, project.pretrained(own)) for task in tasks.values()],
        [atlas.of(target) for target in targets],
        [split.test for split in splits],
        splits[0].pool,
        Catalogue.of(tasks[own], queries),
        settings.curate.threshold,
    )


def campaign_key(project: Project, targets: tuple[str, ...], own: str, *more: object) -> str:
    """Return a name of everything that a campaign's course depends on; `own` as in `load_group`."""
    settings = project.settings
    weights = project.pretrained(own)
    files = [project.responses, project.drugs, project.drug_features, project.splits]
    files += sorted(path for path in weights.iterdir() if path.is_file())
    sections = (settings.select, settings.curate, params_of(settings))
    return digest_of(
        [sha256(path) for path in files],
        [section.model_dump(mode="json") for section in sections],
        [settings.predictor, settings.decision, settings.pretrain.leave_out],
        targets,
        more,
    )


def play_rounds(
    group: Group,
    name: str,
    *,
    budget: int,
    batch: int,
    seed: int,
    partial: Path,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """Play a campaign with the strategy `name`; an interrupted one resumes after its last whole round.

    Returns
    -------
    pd.DataFrame
        One row per anchor in order: round, drug (row of the drug table), score, reason, and the round's
        query_seconds, train_seconds and evaluate_seconds. A column per target, of its name, has the macro-F1
        on the test drugs after that round. The file `partial` has the same rows; the caller removes it.
    """
    rows = _left_by_a_killed_run(group, partial, budget, batch, say)
    played = [] if rows.empty else [part["drug"].to_numpy() for _, part in rows.groupby("round")]
    campaign = Campaign(group.pool, group.catalogue, strategy(name), budget, batch, seed)
    rounds = play(campaign, JointPredictor(group.predictors), group.reveal, played)
    for played_round in rounds:
        start = time.perf_counter()
        scores = dict(zip(group.targets, group.scores(cast(JointFitted, played_round.fitted)), strict=True))
        new = {
            "round": played_round.number,
            "drug": played_round.drugs,
            "score": played_round.scores,
            "reason": played_round.reasons,
            "query_seconds": played_round.query_seconds,
            "train_seconds": played_round.train_seconds,
            "evaluate_seconds": time.perf_counter() - start,
            **scores,
        }
        rows = pd.concat([rows, pd.DataFrame(new)], ignore_index=True)
        write_table(rows, partial)
        shown = ", ".join(f"{target} {score:.3f}" for target, score in scores.items())
        say(f"round {played_round.number}, {len(rows)}/{budget} drugs, macro-F1 {shown}")
    return rows


def _left_by_a_killed_run(
    group: Group, partial: Path, budget: int, batch: int, say: Callable[[str], None]
) -> pd.DataFrame:
    """Return the rounds that `partial` holds; none where there is no such file, or it is damaged."""
    if not partial.exists():
        return pd.DataFrame()
    try:
        rows = read_table(partial)
        drugs = rows["drug"].to_numpy(np.int64)
        rounds = 1 + np.arange(len(rows)) // batch
        whole = len(rows) == budget or len(rows) % batch == 0 < len(rows) < budget
        fit = np.isin(drugs, group.pool).all() and len(np.unique(drugs)) == len(drugs)
        full = not rows[["score", "reason", *group.targets]].isna().any(axis=None)
        if whole and fit and full and rows["round"].tolist() == rounds.tolist():
            return rows
    except (RawDataError, KeyError, ValueError):
        pass
    say(f"{partial}: is damaged; starting over")
    return pd.DataFrame()
