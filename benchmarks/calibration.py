"""How far probabilities can be taken at their word, and what abstaining pays, in every cell line of a bundle.

    python benchmarks/calibration.py --raw $ANCHORDRUG_LINCS --targets THP1 JURKAT ... \
        --out benchmarks/results/calibration.json

Every line is the target in turn, all others are sources; in every split a fifth of its drugs is held out
and 30 anchors are chosen from the rest. Printed are, over the drugs held out in all splits of a line, the
expected calibration error (ECE) of the most probable label, and macro-F1 of all labels, of the most certain
80%, and of 50%. Within a split the error is larger: some 20 to 80 drugs do not change as many genes as drugs
do on average.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from predictors import prepare
from projects import loaded

from anchordrug.acquisition import Catalogue, strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.evaluation.abstention import risk_coverage
from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of, margins

HERE = Path(__file__).resolve().parent
BUDGET, SPLITS = 30, (0, 1, 2)
Held = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def held_out(folder: Path, target: str, split: int, chosen_by: str) -> Held:
    """Return labels, probabilities, predicted labels and margins of the held-out drugs."""
    data = loaded(folder)
    task, measured = data.task(target), data.atlas.of(target)
    predictor = data.predictor(task)
    test, pool = data.split(target, split)
    campaign = Campaign(pool, Catalogue.of(task, test), strategy(chosen_by), BUDGET, BUDGET, seed=0)
    rounds = play(campaign, predictor, measured.responses_of)
    anchors = np.concatenate([played.drugs for played in rounds])
    fitted = predictor.fit(anchors, measured.responses_of(anchors), seed=0, final=True)
    probabilities = fitted.probabilities(test)
    truth = labels_of(measured.responses_of(test), task.threshold)
    return truth, probabilities, fitted.labels(test), margins(probabilities, fitted.offsets_of(test))


def scores(parts: list[Held]) -> dict[str, float]:
    """Return the figures of one line, over all its splits."""
    truth, probabilities, labels, margin = map(np.concatenate, zip(*parts, strict=True))
    curve = risk_coverage(truth, labels, margin).set_index("coverage")["macro_f1"]
    splits = [expected_calibration_error(measured, found) for measured, found, *_ in parts]
    return {
        "held_out": len(truth),
        "ece": expected_calibration_error(truth, probabilities),
        "ece_of_a_split": float(np.mean(splits)),
        **{f"macro_f1_{round(100 * share)}": float(curve[share]) for share in (1.0, 0.8, 0.5)},
    }


def main() -> None:
    """Measure every line, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True, help="cell lines")
    parser.add_argument("--predictor", default="ensemble")
    parser.add_argument("--strategy", default="a_optimal")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    asked = parser.parse_args()
    out, work = asked.out.resolve(), asked.work.resolve() / asked.raw.resolve().name
    folder = prepare(work, asked.raw.resolve(), asked.targets, asked.predictor, "known")
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        jobs = {
            (target, split): pool.submit(held_out, folder, target, split, asked.strategy)
            for target, split in product(asked.targets, SPLITS)
        }
        rows = [
            {"target": target, **scores([jobs[target, split].result() for split in SPLITS])}
            for target in asked.targets
        ]
    table = pd.DataFrame(rows).sort_values("held_out", ascending=False)
    print(table.round(3).to_string(index=False))
    print("mean", table.drop(columns="target").mean().round(3).to_dict())
    write_json(
        {
            "predictor": asked.predictor,
            "strategy": asked.strategy,
            "lines": table.round(4).to_dict("records"),
        },
        out,
    )


if __name__ == "__main__":
    main()
