"""How well a campaign's forecast of what the next drugs will bring agrees with what they brought.

python benchmarks/forecast.py --raw $ANCHORDRUG_LINCS --targets THP1 --out benchmarks/results/forecast.json

For every target, three splits and 0, 10, 20 and 30 anchors of the default strategy, ten drugs more: the
expected gain in macro-F1 on the test drugs with its 95% interval, and the gain once they are measured. The
limits of the interval come from source lines that play the target; the target is none of them. `drawn` is the
interval that the draws of the forecast have on their own.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from predictors import prepare
from projects import loaded

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.campaign import choose, round_seed
from anchordrug.bench.forecast import outlook_table
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Fitted

ANCHORS = (0, 10, 20, 30)
BATCH = 10


def forecasts(folder: Path, target: str, split: int) -> list[dict[str, float | int | str]]:
    """Return forecasts and outcomes of one target and split: a record per number of anchors and quantity."""
    data = loaded(folder)
    task, measured = data.task(target), data.atlas.of(target)
    predictor = data.predictor(task)
    forecaster = predictor.forecaster()
    assert forecaster is not None
    test, pool = data.split(target, split)
    truth = labels_of(measured.responses_of(test), task.threshold)

    def fit(drugs: np.ndarray) -> Fitted:
        return predictor.fit(drugs, measured.responses_of(drugs), seed=split).deciding_for(test)

    view = PoolView(fit(pool[:0]), pool, pool[:0], Catalogue.of(task, test))
    order = choose(view, strategy("a_optimal"), max(ANCHORS) + BATCH, round_seed(split, 1)).drugs
    fits = {have: fit(order[:have]) for have in (*ANCHORS, max(ANCHORS) + BATCH)}
    scores = {have: macro_f1(truth, fitted.labels(test)) for have, fitted in fits.items()}
    records = []
    for have in ANCHORS:
        more = order[have : have + BATCH]
        outlook = forecaster.outlook(fits[have], more, np.array([0, BATCH]), test, split)
        table, gains = outlook_table(outlook), outlook.scores[:, 1] - outlook.scores[:, 0]
        found = {
            "score": (table["macro_f1"].iloc[0], *table[["low", "high"]].iloc[0], scores[have]),
            "gain": (*table[["gain", "gain_low", "gain_high"]].iloc[1], scores[have + BATCH] - scores[have]),
            "drawn_score": (table["macro_f1"].iloc[0], *_drawn(outlook.scores[:, 0]), scores[have]),
            "drawn_gain": (gains.mean(), *_drawn(gains), scores[have + BATCH] - scores[have]),
        }
        about = {"target": target, "split": split, "anchors": have}
        records += [
            about
            | {"of": name}
            | {
                key: float(value)
                for key, value in zip(("expected", "low", "high", "actual"), values, strict=True)
            }
            for name, values in found.items()
        ]
    return records


def _drawn(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, (0.025, 0.975))


def main() -> None:
    """Forecast, compare, and print a row for each quantity and number of anchors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True)
    parser.add_argument("--predictor", default="response_gp", choices=["response_gp", "ensemble"])
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work/lincs")
    parser.add_argument("--out", type=Path, required=True, help="where to write the JSON")
    asked = parser.parse_args()
    out = asked.out.resolve()
    folder = prepare(asked.work.resolve(), asked.raw.resolve(), asked.targets, asked.predictor, "known")
    records = [
        record
        for target in asked.targets
        for split in range(3)
        for record in forecasts(folder, target, split)
    ]
    table = pd.DataFrame(records)
    table["in interval"] = (table["low"] <= table["actual"]) & (table["actual"] <= table["high"])
    table["width"] = table["high"] - table["low"]
    table["above 0"] = table["low"] > 0
    table["error"] = (table["expected"] - table["actual"]).abs()
    columns = ["expected", "actual", "error", "in interval", "width", "above 0"]
    print(table.groupby(["of", "anchors"])[columns].mean().round(3).reset_index().to_markdown(index=False))
    write_json({"predictor": asked.predictor, "forecasts": records}, out)


if __name__ == "__main__":
    main()
