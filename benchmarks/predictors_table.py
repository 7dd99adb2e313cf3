"""Tables of what benchmarks/predictors.py wrote: per line, paired differences, worth in random anchors.

python benchmarks/predictors_table.py benchmarks/results/predictors.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.evaluation.statistics import paired_difference

DEFAULT = ("ensemble", "a_optimal")
SCORES = ["macro_f1", "macro_f1_seen", "macro_f1_unseen", "per_drug_f1", "ece"]


def main() -> None:
    """Print every table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path, help="JSON file of benchmarks/predictors.py")
    records = pd.DataFrame(json.loads(parser.parse_args().records.read_text(encoding="utf-8")))
    # Not every predictor may have been run with every seed; lines and splits are what figures are paired by.
    cells = records.groupby(["predictor", "strategy", "budget", "target", "split"], sort=False)[SCORES].mean()
    print("Mean over lines and splits\n")
    means = cells.groupby(["predictor", "strategy", "budget"], sort=False).mean().round(3)
    print(means.reset_index().to_markdown(index=False), "\n")
    print("Macro-F1 of each line (mean over splits and seeds)\n")
    lines = cells["macro_f1"].groupby(["predictor", "strategy", "budget", "target"], sort=False).mean()
    print(lines.unstack("target").round(3).reset_index().to_markdown(index=False), "\n")
    print("Drugs that no source line has seen: macro-F1 of each line\n")
    unseen = (
        cells["macro_f1_unseen"].groupby(["predictor", "strategy", "budget", "target"], sort=False).mean()
    )
    print(unseen.unstack("target").round(3).reset_index().to_markdown(index=False), "\n")
    print("The same, default minus mlp + bald, of each split\n")
    print(_unseen(cells).to_markdown(index=False), "\n")
    print("Paired differences of macro-F1 (a line's mean over splits and seeds is one pair), 95 % interval\n")
    print(_differences(lines.reset_index()).to_markdown(index=False), "\n")
    print(f"Random anchors that 30 of {DEFAULT[1]} are worth under {DEFAULT[0]}\n")
    print(_worth(lines.reset_index()))


def _of(lines: pd.DataFrame, predictor: str, strategy: str, budget: int) -> dict[str, float]:
    """Return the macro-F1 of every line."""
    own = lines[
        (lines["predictor"] == predictor) & (lines["strategy"] == strategy) & (lines["budget"] == budget)
    ]
    return dict(zip(own["target"], own["macro_f1"], strict=True))


def _unseen(cells: pd.DataFrame) -> pd.DataFrame:
    table = cells["macro_f1_unseen"].reset_index()
    methods = table["predictor"] + "+" + table["strategy"]
    ours, paper = (
        table[methods == name].set_index(["budget", "target", "split"])["macro_f1_unseen"]
        for name in ("+".join(DEFAULT), "mlp+bald")
    )
    return (ours - paper).dropna().unstack("split").round(3).reset_index()


def _differences(lines: pd.DataFrame) -> pd.DataFrame:
    rows = []
    others = lines[["predictor", "strategy", "budget"]].drop_duplicates().to_records(index=False).tolist()
    for budget in (30, 100):
        ours = _of(lines, *DEFAULT, budget)
        for predictor, strategy, other_budget in others:
            theirs = _of(lines, predictor, strategy, other_budget)
            both = [line for line in ours if line in theirs]
            if (predictor, strategy) == DEFAULT or other_budget not in (budget, 100) or len(both) < 2:
                continue
            found = paired_difference([ours[line] for line in both], [theirs[line] for line in both])
            rows.append(
                {
                    "default at": budget,
                    "against": f"{predictor} + {strategy} at {other_budget}",
                    "lines": len(both),
                    "difference": round(found.mean, 4),
                    "low": round(found.low, 4),
                    "high": round(found.high, 4),
                    "p": round(found.p, 6),
                }
            )
    return pd.DataFrame(rows)


def _worth(lines: pd.DataFrame) -> str:
    predictor, strategy = DEFAULT
    chosen = _of(lines, predictor, strategy, 30)
    budgets = sorted(int(one) for one in lines["budget"].unique())
    curve = [(budget, _of(lines, predictor, "random", budget)) for budget in budgets]
    points = [(budget, float(np.mean(list(scores.values())))) for budget, scores in curve if scores]
    if not chosen or not points:
        return "The records lack one of the two."
    score = float(np.mean(list(chosen.values())))
    if max(value for _, value in points) < score:
        return f"more than {points[-1][0]} ({score:.4f} against {points[-1][1]:.4f})"
    place = next(place for place, (_, value) in enumerate(points) if value >= score)
    if place == 0:
        return f"at most {points[0][0]}"
    (low, below), (high, above) = points[place - 1], points[place]
    return f"{low + (score - below) / (above - below) * (high - low):.0f}"


if __name__ == "__main__":
    main()
