"""Predictors and strategies on any raw bundle: macro-F1 and calibration on held-out drugs of several targets.

    python benchmarks/predictors.py --raw ../shared/lincs --targets THP1 JURKAT XC.L10 \
        --budgets 30 100 --seeds 0 1 2 --out benchmarks/results/predictors.json

For every target all other cell lines are sources. For every split a fifth of its drugs is set aside as test
drugs; strategies choose anchors from the rest, for every seed. The output is a JSON list with a record for
every target, split, seed, budget, predictor and strategy. What is computed is kept in the work folder, a file
a campaign: a run that was cut goes on, and another takes up what it finds. Delete it after a change of code.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

# Workers inherit it: each computes on one core.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from projects import command, loaded, opened, written

from anchordrug.acquisition import Catalogue, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.evaluation.metrics import macro_f1, per_drug_macro_f1
from anchordrug.files.atomic import atomic_path
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.progress import track
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of

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
)
Cell = tuple[str, int, int, str]


def prepare(work: Path, raw: Path, targets: list[str], budgets: list[int], predictor: str) -> Path:
    """Write the folder of one predictor: its params.yaml and the tables that all predictors share."""
    folder = work / predictor
    (work / "tables").mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    bundle = work / "bundle.txt"
    if bundle.exists() and bundle.read_text(encoding="utf-8") != str(raw):
        raise SystemExit(
            f"{work}: holds the tables of {bundle.read_text()}; give another --work, or delete it"
        )
    bundle.write_text(str(raw), encoding="utf-8")
    if not (folder / "tables").exists():
        (folder / "tables").symlink_to("../tables", target_is_directory=True)
    changes = {"raw.dir": str(raw), "targets": targets, "predictor": predictor, "select.budget": budgets}
    project = written(folder, BASE, changes)
    if not project.responses.exists():
        command(project, "curate")
        command(project, "grow")
    if not project.drug_features.exists():
        command(project, "featurize")
    for target in targets:
        if not (project.pretrained(target) / "model.json").exists():
            command(project, "pretrain", "--target", target)
    return folder


def play_cell(cell: Cell, folder: Path, path: Path, key: str) -> None:
    """Play one campaign and write the records of its budgets."""
    target, split, seed, chosen_by = cell
    data = loaded(folder)
    task, settings, measured = data.task(target), data.project.settings, data.atlas.of(target)
    predictor = data.predictor(task)
    test, pool = data.split(target, split)
    budgets = [budget for budget in settings.select.budget if budget <= len(pool)]
    batch = max(budgets) if chosen_by in ONE_SHOT else settings.select.batch
    campaign = Campaign(pool, Catalogue.of(task, test), strategy(chosen_by), max(budgets), batch, seed)
    rounds = play(campaign, predictor, measured.responses_of)
    anchors, fits = np.zeros(0, np.int64), {}
    for played in rounds:
        anchors = np.concatenate([anchors, played.drugs])
        fits[len(anchors)] = played.fitted
    truth = labels_of(measured.responses_of(test), settings.curate.threshold)
    seen = np.isin(test, task.sources.measured_drugs())
    records = []
    for budget in budgets:
        drugs = anchors[:budget]
        for final, name in FITS.get(settings.predictor, ((False, settings.predictor),)):
            fitted = None if final else fits.get(budget)
            if fitted is None:
                fitted = predictor.fit(drugs, measured.responses_of(drugs), seed=seed, final=final)
            labels, probabilities = fitted.labels(test), fitted.probabilities(test)
            where = {"target": target, "split": split, "seed": seed, "budget": budget}
            scores = {
                "macro_f1": macro_f1(truth, labels),
                "macro_f1_seen": macro_f1(truth[seen], labels[seen]) if seen.any() else None,
                "macro_f1_unseen": macro_f1(truth[~seen], labels[~seen]) if not seen.all() else None,
                "per_drug_f1": float(per_drug_macro_f1(truth, labels).mean()),
                "ece": expected_calibration_error(truth, probabilities),
            }
            records.append({**where, "predictor": name, "strategy": chosen_by, **scores})
    write_json({"key": key, "records": records}, path)


# Final fits of a predictor and the names of their records; the paper's down-samples the majority class.
FITS = {name: ((True, name), (False, f"{name}_natural")) for name in ("mlp", "mlp_response")}


def main() -> None:
    """Play the grid in a pool of processes and write its records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True, help="cell lines")
    parser.add_argument("--budgets", nargs="+", type=int, default=[30, 100])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2], help="seeds of the test splits")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="predictor+strategy")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    out, work = asked.out.resolve(), asked.work.resolve() / asked.raw.resolve().name
    raw, budgets = asked.raw.resolve(), sorted(asked.budgets)
    methods = [tuple(method.split("+")) for method in asked.methods]
    cells = []
    for predictor in dict.fromkeys(name for name, _ in methods):
        folder = prepare(work, raw, asked.targets, budgets, predictor)
        pretrained = opened(folder).pretrained
        weights = {t: sha256(pretrained(t) / "weights.safetensors") for t in asked.targets}
        for seed, split, target in product(asked.seeds, asked.splits, asked.targets):
            for _, chosen_by in (method for method in methods if method[0] == predictor):
                cell = (target, split, seed, chosen_by)
                key = digest_of(cell, predictor, budgets, weights[target])
                name = f"{predictor}+{chosen_by}-{target}-{split}-{seed}-{'+'.join(map(str, budgets))}.json"
                cells.append((cell, folder, work / "cells" / name, key))
    todo = [
        cell for cell in cells if not (cell[2].exists() and json.loads(cell[2].read_text())["key"] == cell[3])
    ]
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(play_cell, *cell) for cell in todo]
        for job in track(as_completed(jobs), "campaigns", len(jobs)):
            job.result()
    records = [record for cell in cells for record in json.loads(cell[2].read_text())["records"]]
    with atomic_path(out) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
