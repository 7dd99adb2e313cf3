"""How far probabilities can be taken at their word, and what abstaining pays, in every cell line of a bundle.

    python benchmarks/calibration.py --raw ../shared/lincs --targets THP1 JURKAT ... \
        --out benchmarks/results/calibration.json

Every line is the target in turn, all others are sources; in every split a fifth of its drugs is held out
and 30 anchors are chosen from the rest. Printed are, over the drugs held out in all splits of a line, the
expected calibration error (ECE) of the likeliest label, and macro-F1 of all labels, of the most certain 80 %,
and of 50 %. Within a split the error is larger: some 20 to 80 drugs do not change as many genes as drugs do
on average.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from predictors import data, prepare

from anchordrug.acquisition import strategy
from anchordrug.acquisition.campaign import Campaign, play
from anchordrug.acquisition.retrospective import catalogue_of
from anchordrug.atlas.splits import split_drugs
from anchordrug.evaluation.abstention import risk_coverage
from anchordrug.evaluation.calibration_error import expected_calibration_error
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of, margins
from anchordrug.predictors.loading import load_predictor
from anchordrug.predictors.mlp.predictor import MlpFitted
from anchordrug.predictors.response.predictor import ResponseFitted
from anchordrug.project import paths

HERE = Path(__file__).resolve().parent
BUDGET, SPLITS = 30, (0, 1, 2)
Held = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def held_out(folder: Path, target: str, split: int, chosen_by: str) -> Held:
    """Return labels, probabilities, predicted labels and margins of the held-out drugs."""
    settings, atlas, features = data(folder)
    os.chdir(folder)
    predictor = load_predictor(settings, atlas, features, target, paths.PRETRAINED / target)
    measured = atlas.of(target)
    test, pool = split_drugs(atlas, target, by="random", test_fraction=0.2, seed=split)
    catalogue = catalogue_of(settings, atlas, features, target, aim=test)
    campaign = Campaign(pool, catalogue, strategy(chosen_by), BUDGET, BUDGET, seed=0)
    rounds = play(campaign, predictor, measured.responses_of)
    anchors = np.concatenate([one.drugs for one in rounds])
    fitted = predictor.fit(anchors, measured.responses_of(anchors), seed=0, final=True)
    assert isinstance(fitted, MlpFitted | ResponseFitted)
    probabilities = fitted.probabilities(test)
    truth = labels_of(measured.responses_of(test), settings.curate.threshold)
    return truth, probabilities, fitted.labels(test), margins(probabilities, fitted.offsets)


def scores(parts: list[Held]) -> dict[str, float]:
    """Return the figures of one line, over all its splits."""
    truth, probabilities, labels, margin = (np.concatenate(one) for one in zip(*parts, strict=True))
    curve = risk_coverage(truth, labels, margin).set_index("coverage")["macro_f1"]
    splits = [expected_calibration_error(one[0], one[1]) for one in parts]
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
    folder = prepare(work, asked.raw.resolve(), asked.targets, [BUDGET], asked.predictor)
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
