"""What a limit of drugs per mechanism of action (`constraints.per_mechanism`) costs.

    python benchmarks/per_mechanism.py --raw $ANCHORDRUG_LINCS --targets THP1 --out per_mechanism.json

For every target, three splits: 10 and 30 anchors of the default strategy, without a limit and with at most
one, two or three drugs per mechanism, and the macro-F1 on the test drugs.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from predictors import prepare
from projects import loaded

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.campaign import Limit, choose, round_seed
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of

LIMITS, BUDGETS = (None, 1, 2, 3), (10, 30)


def played(folder: Path, target: str, split: int) -> list[dict[str, float | int | str | None]]:
    """Return a record per limit and budget: the macro-F1, and the most drugs that share a mechanism."""
    data = loaded(folder)
    task, measured = data.task(target), data.atlas.of(target)
    predictor = data.predictor(task)
    test, pool = data.split(target, split)
    truth = labels_of(measured.responses_of(test), task.threshold)
    catalogue = Catalogue.of(task, test)
    nothing = predictor.fit(pool[:0], measured.responses_of(pool[:0]), seed=split)
    view = PoolView(nothing, pool, pool[:0], catalogue)
    records = []
    for most in LIMITS:
        allows = None if most is None else _limit(catalogue.mechanisms, most)
        order = choose(view, strategy("a_optimal"), max(BUDGETS), round_seed(split, 1), allows).drugs
        for budget in BUDGETS:
            drugs = order[:budget]
            fitted = predictor.fit(drugs, measured.responses_of(drugs), seed=split).deciding_for(test)
            records.append(
                {
                    **{"target": target, "split": split, "limit": most, "budget": budget},
                    "macro_f1": macro_f1(truth, fitted.labels(test)),
                    "most": max(_counts(catalogue.mechanisms, drugs).values(), default=0),
                }
            )
    return records


def _limit(mechanisms: list[str | None], most: int) -> Limit:
    def allows(drug: int, chosen: np.ndarray) -> bool:
        name = mechanisms[drug]
        return name is None or _counts(mechanisms, chosen)[name] < most

    return allows


def _counts(mechanisms: list[str | None], drugs: np.ndarray) -> Counter[str]:
    return Counter(name for name in (mechanisms[drug] for drug in drugs) if name is not None)


def main() -> None:
    """Play, and print a row for each budget and limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="a raw bundle")
    parser.add_argument("--targets", nargs="+", required=True)
    parser.add_argument("--work", type=Path, default=Path(__file__).parent / "work/lincs")
    parser.add_argument("--out", type=Path, required=True, help="where to write the JSON")
    asked = parser.parse_args()
    out = asked.out.resolve()
    folder = prepare(asked.work.resolve(), asked.raw.resolve(), asked.targets, "response_gp", "known")
    records = [
        record for target in asked.targets for split in range(3) for record in played(folder, target, split)
    ]
    write_json({"campaigns": records}, out)
    show(records)


def show(records: list[dict]) -> None:
    """Print the table."""
    table = pd.DataFrame(records)
    table["limit"] = table["limit"].map(lambda most: "none" if pd.isna(most) else str(int(most)))
    without = table[table["limit"] == "none"].set_index(["target", "split", "budget"])["macro_f1"]
    keys = pd.MultiIndex.from_frame(table[["target", "split", "budget"]])
    table["difference"] = table["macro_f1"].to_numpy() - without.loc[keys].to_numpy()
    means = table.groupby(["budget", "limit"])[["macro_f1", "difference", "most"]].mean()
    print(means.round(4).reset_index().to_markdown(index=False))


if __name__ == "__main__":
    main()
