"""Predictors and strategies on any raw bundle: macro-F1 and calibration on held-out drugs of several targets.

    python benchmarks/predictors.py --raw $ANCHORDRUG_LINCS --targets THP1 JURKAT XC.L10 \
        --budgets 0 30 100 --seeds 0 1 2 --pool all --out benchmarks/results/predictors.json

For every target all other cell lines are sources. For every split a fifth of its drugs is set aside as test
drugs; strategies choose anchors from the pool, for every seed. In a lab's library, more drugs are new to all
source lines. So every campaign is played again with 40% of the target's drugs hidden from all source lines:
their experiments are removed before the predictor is pre-trained. These records are "hidden". The method
extra_trees is the rival of `anchordrug evaluate`; it learns from anchors that are chosen for response_gp.

The output is a JSON list with a record for every target, split, seed, budget, predictor and strategy. The
work folder keeps one file per campaign: an interrupted run resumes, and another run uses the files that it
finds. Delete it after a change of code.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

# Workers inherit it: each computes on one core.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from projects import Loaded, command, loaded, opened, prepared
from scores import scores

from anchordrug.acquisition import Catalogue, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.evaluation.metrics import per_drug_macro_f1
from anchordrug.files.atomic import atomic_path
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.progress import track
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Fitted, Predictor, Task
from anchordrug.predictors.contenders import Contender, predicted, rival
from anchordrug.predictors.extra_trees import extra_trees

HERE = Path(__file__).resolve().parent
BASE = HERE / "paper/per_target/params.yaml"
# Strategies that ask nothing of the predictor choose all their drugs at once.
ONE_SHOT = {"random", "a_optimal", "facility_location"}
METHODS = (
    "mlp+random",
    "mlp+bald",
    "response_gp+random",
    "response_gp+a_optimal",
    "response_net+random",
    "response_net+a_optimal",
    "ensemble+random",
    "ensemble+a_optimal",
    "ensemble+facility_location",
    "extra_trees+random",
    "extra_trees+a_optimal",
)
RIVAL = "extra_trees"


@dataclass(frozen=True)
class Cell:
    """One campaign, the file of its records, and the key of everything that they depend on."""

    seed: int
    strategy: str
    path: Path
    key: str

    def is_done(self) -> bool:
        """Return whether the records are there."""
        return self.path.exists() and json.loads(self.path.read_text())["key"] == self.key


@dataclass(frozen=True)
class Job:
    """Campaigns of one predictor with the same target, test drugs and source lines.

    If `hidden`, 40% of the target's drugs are hidden from the source lines, and the job pre-trains the
    predictor.
    """

    folder: Path
    predictor: str
    target: str
    split: int
    hidden: bool
    budgets: Sequence[int]
    cells: Sequence[Cell]


def prepare(work: Path, raw: Path, targets: Sequence[str], predictor: str, pool: str) -> Path:
    """Write and pre-train the project of one predictor; predictors share the tables of a work folder."""
    changes = {"targets": list(targets), "predictor": predictor, "split.pool": pool}
    project = prepared(work, raw, predictor, BASE, changes)
    for target in targets:
        if not (project.pretrained(target) / "model.json").exists():
            command(project, "pretrain", "--target", target)
    return project.root


def play_job(job: Job) -> None:
    """Play the campaigns of a job and write the records of each."""
    data = loaded(job.folder)
    if job.hidden:
        data = data.hiding(job.target, job.split)
    task = data.task(job.target)
    predictor = data.learned(task, lambda _: None) if job.hidden else data.predictor(task)
    for cell in job.cells:
        records = played(data, task, predictor, job, cell)
        write_json({"key": cell.key, "records": records}, cell.path)


def played(data: Loaded, task: Task, predictor: Predictor, job: Job, cell: Cell) -> list[dict]:
    """Play one campaign and return the records of its budgets."""
    settings, measured = data.project.settings, data.atlas.of(job.target)
    test, pool = data.split(job.target, job.split)
    budgets = [budget for budget in job.budgets if budget <= len(pool)]
    most = max(budgets, default=0)
    trees = extra_trees(task) if job.predictor == RIVAL else None
    batch = most if cell.strategy in ONE_SHOT else settings.select.batch
    campaign = Campaign(pool, Catalogue.of(task, test), strategy(cell.strategy), most, batch, cell.seed)
    anchors, fits = np.zeros(0, np.int64), {}
    for done in play(campaign, predictor, measured.responses_of):
        anchors = np.concatenate([anchors, done.drugs])
        fits[len(anchors)] = done.fitted
    z, seen = measured.responses_of(test), np.isin(test, task.sources.measured_drugs())
    records = []
    for budget in budgets:
        drugs = anchors[:budget]
        own = drugs, measured.responses_of(drugs)
        if trees is None:
            contenders = _fitted(predictor, job.predictor, *own, fits.get(budget), test, cell.seed)
        else:
            contenders = rival(trees, *own, test, cell.seed)
        for found in contenders:
            per_drug = per_drug_macro_f1(labels_of(z, task.threshold), found.labels).mean()
            records.append(
                {
                    **{"target": job.target, "split": job.split, "seed": cell.seed, "budget": budget},
                    **{"hidden": job.hidden, "pool": settings.split.pool},
                    **{"predictor": found.name, "strategy": cell.strategy, "per_drug_f1": float(per_drug)},
                    **scores(z, seen, task.threshold, found),
                }
            )
    return records


def _fitted(
    predictor: Predictor,
    name: str,
    anchors: np.ndarray,
    z: np.ndarray,
    known: Fitted | None,
    test: np.ndarray,
    seed: int,
) -> Iterator[Contender]:
    """Yield the predictions of the test drugs by the final fits of a predictor, which may be `known`."""
    # Without anchors there are no labels to balance.
    for final, called in FITS.get(name, ((False, name),)) if len(anchors) else ((False, name),):
        fitted = None if final else known
        if fitted is None:
            fitted = predictor.fit(anchors, z, seed=seed, final=final)
        yield predicted(called, len(anchors), fitted.deciding_for(test), test)


# Final fits of a predictor and the names of their records; the paper's down-samples the majority class.
FITS = {name: ((True, name), (False, f"{name}_natural")) for name in ("mlp", "mlp_response")}


def jobs_of(asked: argparse.Namespace) -> list[Job]:
    """Prepare the projects of all predictors, and return every job of the grid."""
    work, budgets = asked.work.resolve() / asked.raw.resolve().name, sorted(asked.budgets)
    methods = [tuple(method.split("+")) for method in asked.methods]
    jobs = []
    for predictor in dict.fromkeys(name for name, _ in methods):
        learned = "response_gp" if predictor == RIVAL else predictor
        folder = prepare(work, asked.raw.resolve(), asked.targets, learned, asked.pool)
        strategies = [chosen_by for name, chosen_by in methods if name == predictor]
        for split, target, hidden in product(asked.splits, asked.targets, (False, True)):
            # They also tell whether the code has changed that pre-trains in jobs with hidden drugs.
            weights = sha256(opened(folder).pretrained(target) / "weights.safetensors")
            cells = []
            for seed, chosen_by in product(asked.seeds, strategies):
                about = (predictor, chosen_by, target, split, seed, asked.pool, hidden, *budgets)
                path = work / "cells" / f"{'-'.join(map(str, about))}.json"
                cells.append(Cell(seed, chosen_by, path, digest_of(about, weights)))
            jobs.append(Job(folder, predictor, target, split, hidden, budgets, cells))
    return jobs


def main() -> None:
    """Play the grid in a pool of processes and write its records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True, help="cell lines")
    parser.add_argument("--budgets", nargs="+", type=int, default=[0, 30, 100], help="numbers of anchors")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2], help="seeds of the test splits")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="predictor+strategy")
    parser.add_argument("--pool", choices=["known", "all"], default="all", help="split.pool")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    out, jobs = asked.out.resolve(), jobs_of(asked)
    todo = [replace(job, cells=[cell for cell in job.cells if not cell.is_done()]) for job in jobs]
    todo = [job for job in todo if job.cells]
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(play_job, job) for job in todo]
        for job in track(as_completed(running), "campaigns", len(running)):
            job.result()
    cells = [cell for job in jobs for cell in job.cells]
    records = [record for cell in cells for record in json.loads(cell.path.read_text())["records"]]
    with atomic_path(out) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
