"""Tables of the records of benchmarks/predictors.py: per line, paired differences, hidden drugs.

python benchmarks/predictors_table.py benchmarks/results/predictors.json
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.evaluation.statistics import Difference, paired_difference

DEFAULT = ("ensemble", "a_optimal")
METHOD = ["predictor", "strategy", "budget"]
SCORES = ["macro_f1", "macro_f1_seen", "macro_f1_unseen", "per_drug_f1", "ece"]
HIDDEN_SCORES = ["macro_f1", "macro_f1_seen", "macro_f1_unseen", "ece", "ece_seen", "ece_unseen"]


def main() -> None:
    """Print every table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path, help="JSON file of benchmarks/predictors.py")
    records = pd.DataFrame(json.loads(parser.parse_args().records.read_text(encoding="utf-8")))
    tables = [*_tables(records[~records["hidden"]])]
    if records["hidden"].any():
        tables += _hidden_tables(records[records["hidden"]])
    for title, table in tables:
        print(f"{title}\n\n{table if isinstance(table, str) else table.to_markdown(index=False)}\n")


def _cells(records: pd.DataFrame, scores: list[str]) -> pd.DataFrame:
    """Return the mean over seeds: not every predictor may have been run with every seed."""
    return records.groupby([*METHOD, "target", "split"], sort=False)[scores].mean()


def _tables(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame | str]]:
    """Yield the tables of the records without hidden drugs, with their titles."""
    cells = _cells(records, SCORES)
    means = cells.groupby(METHOD, sort=False).mean().round(3)
    yield "Mean over lines and splits", means.reset_index()
    lines = cells["macro_f1"].groupby([*METHOD, "target"], sort=False).mean()
    yield "Macro-F1 of each line (mean over splits and seeds)", _by_line(lines)
    unseen = cells["macro_f1_unseen"].groupby([*METHOD, "target"], sort=False).mean()
    yield "Drugs that no source line has seen: macro-F1 of each line", _by_line(unseen)
    yield "The same, default minus mlp + bald, of each split", _unseen(cells)
    title = "Paired differences of macro-F1 (a line's mean over splits and seeds is one pair), 95% interval"
    yield title, _differences(lines.reset_index())
    yield f"Random anchors that 30 of {DEFAULT[1]} are worth under {DEFAULT[0]}", _worth(lines.reset_index())


def _hidden_tables(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of the records with hidden drugs, with their titles."""
    cells = _cells(records, HIDDEN_SCORES)
    pools = ", ".join(records["pool"].unique())
    means = cells.groupby(METHOD, sort=False).mean().round(3)
    yield (
        f"40% of the drugs hidden from all source lines (pool: {pools}), mean over lines and splits",
        (means.reset_index()),
    )
    lines = cells["macro_f1_unseen"].groupby([*METHOD, "target"], sort=False).mean()
    yield "Hidden drugs: macro-F1 of each line, unseen drugs", _by_line(lines)
    # With a single line, its splits are the pairs.
    pair = "target" if records["target"].nunique() > 1 else "split"
    yield f"Hidden drugs: a_optimal minus random, each {pair} is one pair, 95 % interval", _gains(cells, pair)


def _by_line(lines: pd.Series) -> pd.DataFrame:
    return lines.unstack("target", sort=False).round(3).reset_index()


def _gains(cells: pd.DataFrame, pair: str) -> pd.DataFrame:
    """Return the mean difference of each score between a_optimal and random anchors, and its interval."""
    rows = []
    means = cells.groupby([*METHOD, pair], sort=False).mean().reset_index()
    for (predictor, budget), own in means.groupby(["predictor", "budget"], sort=False):
        chosen, random = (own[own["strategy"] == name].set_index(pair) for name in ("a_optimal", "random"))
        for score in ("macro_f1", "macro_f1_seen", "macro_f1_unseen", "ece_seen", "ece_unseen"):
            both = pd.concat([chosen[score], random[score]], axis=1).dropna()
            if budget and len(both) > 1:
                found = paired_difference(both.iloc[:, 0].tolist(), both.iloc[:, 1].tolist())
                about = {"predictor": predictor, "anchors": budget, "score": score, "pairs": len(both)}
                rows.append(about | _rounded(found))
    return pd.DataFrame(rows)


def _rounded(found: Difference) -> dict[str, float]:
    return {
        "difference": round(found.mean, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "p": round(found.p, 6),
    }


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
    others = lines[METHOD].drop_duplicates().to_records(index=False).tolist()
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
                    **_rounded(found),
                }
            )
    return pd.DataFrame(rows)


def _worth(lines: pd.DataFrame) -> str:
    predictor, strategy = DEFAULT
    chosen = _of(lines, predictor, strategy, 30)
    budgets = sorted(int(budget) for budget in lines["budget"].unique())
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
