"""Turn the campaigns of one scenario into the paper's tables and the data of its figures.

    python analyse.py per_target

Writes CSV files and tables.md into results/SCENARIO:

scores          macro-F1 of every campaign after every round and budget
strategies      per strategy and budget: mean, sd, differences to random and to the pre-trained network
anchors         the drugs that every campaign chose, in order
responses       the t-SNE plane of the pool's measured responses
coverage        how much of that plane and of the responses' spread the anchors cover, with their macro-F1
correlation     of coverage with macro-F1
seconds         per strategy: query, train, evaluate, summed over a campaign
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from anchordrug.atlas.tables import positions
from anchordrug.evaluation.coverage import distance_variance, hull_coverage, response_plane
from anchordrug.evaluation.statistics import holm, paired_difference
from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import write_table
from anchordrug.files.yaml_values import read_yaml
from anchordrug.labels import NONE, labels_of
from anchordrug.project.project import Project
from anchordrug.settings import read_settings

HERE = Path(__file__).resolve().parent
PAPER_TARGETS = {"A549", "MCF7", "PC3"}
CONTROLS = ("pretrained", "whole_pool")
PARTS = ("query", "train", "evaluate")
MEASURES = ("hull_coverage", "distance_variance", "changed")


def load_cells(scenario: str, strategies: list[str], targets: tuple[str, ...]) -> list[dict]:
    """Return what campaigns.py wrote, in the order of `strategies`, of `targets`, and of seeds."""
    files = (HERE / "cells" / scenario).glob("[!.]*.json")
    cells = [json.loads(file.read_text(encoding="utf-8")) for file in files]

    def place(cell: dict) -> tuple[int, int, int]:
        return strategies.index(cell["strategy"]), targets.index(cell["targets"][0]), cell["seed"]

    return sorted((cell for cell in cells if cell["strategy"] in strategies), key=place)


def scores_of(cells: list[dict]) -> pd.DataFrame:
    """Return every score: target, strategy, seed, drugs, fit (natural or balanced labels), macro_f1."""
    rows = []

    def add(cell: dict, strategy: str, fit: str, one: dict) -> None:
        for target, score in one["macro_f1"].items():
            rows.append((target, strategy, cell["seed"], one["drugs"], fit, round(score, 6)))

    for cell in cells:
        for one in cell["rounds"]:
            add(cell, cell["strategy"], "natural", one)
        for one in cell["budgets"]:
            add(cell, cell["strategy"], "balanced", one)
        if "pretrained" in cell:
            add(cell, "pretrained", "natural", cell["pretrained"])
            add(cell, "whole_pool", "balanced", cell["whole_pool"])
            add(cell, "whole_pool", "natural", cell["growth"][-1])
            for one in cell["growth"]:
                add(cell, "random", "natural", one)
    columns = ["target", "strategy", "seed", "drugs", "fit", "macro_f1"]
    return pd.DataFrame(rows, columns=columns)


def strategies_of(scores: pd.DataFrame, budgets: tuple[int, ...], order: list[str]) -> pd.DataFrame:
    """Compare strategies at every budget, paired by target and seed; p-values Holm-corrected per budget."""
    pretrained = scores[scores["strategy"] == "pretrained"].set_index(["target", "seed"])["macro_f1"]
    rows = []
    for fit in ("balanced", "natural"):
        for budget in budgets:
            at = scores[(scores["fit"] == fit) & (scores["drugs"] == budget) & scores["strategy"].isin(order)]
            cases = at.pivot_table(index=["target", "seed"], columns="strategy", values="macro_f1")
            whole = scores[(scores["fit"] == fit) & (scores["strategy"] == "whole_pool")]
            cases["whole_pool"] = whole.set_index(["target", "seed"])["macro_f1"]
            cases["pretrained"] = pretrained
            rows += _compared(cases[[*order, *CONTROLS]], fit, budget)
    return pd.DataFrame(rows)


def _compared(cases: pd.DataFrame, fit: str, budget: int) -> list[dict]:
    rows = []
    for name in cases:
        by_target = cases[name].groupby("target", sort=False)
        played = int(cases[name].notna().sum())
        row = {"fit": fit, "drugs": budget, "strategy": name, "campaigns": played, "mean": cases[name].mean()}
        row |= {f"mean {target}": score for target, score in by_target.mean().items()}
        row |= {f"sd {target}": score for target, score in by_target.std().items()}
        for reference in ("random", "pretrained"):
            if name not in {reference, *CONTROLS[:1]}:
                pairs = cases[[name, reference]].dropna()
                difference = paired_difference(pairs[name].tolist(), pairs[reference].tolist())
                row |= {
                    f"to {reference}": difference.mean,
                    f"to {reference} low": difference.low,
                    f"to {reference} high": difference.high,
                    f"to {reference} p": difference.p,
                }
        rows.append(row)
    for reference in ("random", "pretrained"):
        tested = [row for row in rows if f"to {reference} p" in row and row["strategy"] not in CONTROLS]
        for row, p in zip(tested, holm([row[f"to {reference} p"] for row in tested]), strict=True):
            row[f"to {reference} p Holm"] = p
    return rows


def planes_of(project: Project) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Return per target its pool on a t-SNE plane (drug_id, x, y) and the pool's responses."""
    atlas = project.atlas()
    result = {}
    for target in project.settings.targets:
        pool = project.split(atlas, target).pool
        z = atlas.of(target).responses_of(pool)
        plane = response_plane(z, seed=0)
        ids = atlas.drugs["drug_id"].iloc[pool].tolist()
        result[target] = pd.DataFrame({"drug_id": ids, "x": plane[:, 0], "y": plane[:, 1]}), z
    return result


def coverage_of(
    cells: list[dict],
    planes: dict[str, tuple[pd.DataFrame, np.ndarray]],
    budgets: tuple[int, ...],
    threshold: float,
) -> pd.DataFrame:
    """Return how much the anchors of every campaign and budget cover, with the macro-F1 they led to.

    hull_coverage and distance_variance are relative to the whole pool; changed is the share of the anchors'
    genes that go down or up.
    """
    rows = []
    for cell in cells:
        scores = {one["drugs"]: one["macro_f1"] for one in cell["budgets"]}
        for target in cell["targets"]:
            plane, z = planes[target]
            for budget in (budget for budget in budgets if budget in scores):
                chosen = positions(cell["anchors"][:budget], plane["drug_id"])
                covered = hull_coverage(plane[["x", "y"]].to_numpy(), chosen)
                rows.append(
                    {
                        "target": target,
                        "strategy": cell["strategy"],
                        "seed": cell["seed"],
                        "drugs": budget,
                        "hull_coverage": covered,
                        "distance_variance": distance_variance(z[chosen]) / distance_variance(z),
                        "changed": float((labels_of(z[chosen], threshold) != NONE).mean()),
                        "macro_f1": scores[budget][target],
                    }
                )
    return pd.DataFrame(rows)


def correlation_of(coverage: pd.DataFrame) -> pd.DataFrame:
    """Return Pearson's and Spearman's correlation of coverage and macro-F1 over strategies and seeds."""
    rows = []
    for (target, drugs), part in coverage.groupby(["target", "drugs"], sort=False):
        for measure in MEASURES:
            row = {"target": target, "drugs": drugs, "measure": measure, "campaigns": len(part)}
            for name, test in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
                row[name], row[f"{name}_p"] = test(part[measure], part["macro_f1"])
            rows.append(row)
    return pd.DataFrame(rows)


def seconds_of(cells: list[dict], order: list[str]) -> pd.DataFrame:
    """Return a campaign's mean seconds split into query, train, evaluate, and their sum over random's."""
    rows = [
        {"strategy": cell["strategy"]}
        | {
            part: sum(one[f"{part}_seconds"] for one in cell["rounds"])
            for part in ("query", "train", "evaluate")
        }
        for cell in cells
    ]
    table = pd.DataFrame(rows).groupby("strategy").mean().loc[order]
    table["total"] = table.sum(axis=1)
    table["to random"] = table["total"] / table["total"].loc["random"].item()
    return table.reset_index()


def published(scenario: str, targets: tuple[str, ...]) -> pd.DataFrame | None:
    """Return the paper's figures for the same scenario, or None where the targets are not the paper's."""
    if set(targets) != PAPER_TARGETS:
        return None
    table = pd.read_csv(HERE / "published.csv")
    return table[table["scenario"].isin([scenario, "unstated"])]


def markdown(table: pd.DataFrame, targets: tuple[str, ...], paper: pd.DataFrame | None) -> str:
    """Return docs' tables, one per fit and budget, the paper's means next to ours where they compare."""
    parts = []
    for (fit, drugs), rows in table.groupby(["fit", "drugs"], sort=False):
        head = ["strategy", *targets, "mean", "to random [95 %]", "p (Holm)", "to pre-trained", "p (Holm)"]
        known = (
            None if paper is None else paper[paper["drugs"] == drugs].groupby("strategy")["macro_f1"].mean()
        )
        head += [] if known is None else ["paper"]
        lines = [f"**{drugs} drugs, {fit} final fit**", "", _line(head), _line(["---"] * len(head))]
        for row in rows.to_dict("records"):
            cells = [str(row["strategy"])]
            cells += [f"{row[f'mean {target}']:.3f} ± {row[f'sd {target}']:.3f}" for target in targets]
            cells.append(f"{row['mean']:.3f}")
            to_random = [row[f"to random{part}"] for part in ("", " low", " high")]
            cells.append("" if pd.isna(to_random[0]) else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*to_random))
            cells.append(_p(row["to random p Holm"]))
            cells.append("" if pd.isna(row["to pretrained"]) else f"{row['to pretrained']:+.3f}")
            cells.append(_p(row["to pretrained p Holm"]))
            if known is not None:
                cells.append(f"{known[row['strategy']]:.3f}" if row["strategy"] in known else "")
            lines.append(_line(cells))
        parts.append("\n".join(lines))
    note = "The paper's figures, for the same targets, stand in the last column."
    if paper is None:
        note = "The paper's figures (A549, MCF7, PC3) are not comparable: these are other cell lines."
    return "\n\n".join([note, *parts]) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _p(value: float) -> str:
    return "" if pd.isna(value) else "< .001" if value < 0.001 else f"{value:.3f}"


def main() -> None:
    """Write every table of one scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", help="a folder whose campaigns are done")
    scenario = parser.parse_args().scenario
    project = Project(HERE / scenario, read_settings(HERE / scenario / "params.yaml"))
    settings = project.settings
    grid = read_yaml(HERE / "grid.yaml")
    cells = load_cells(scenario, grid["strategies"], settings.targets)
    order = list(dict.fromkeys(cell["strategy"] for cell in cells))
    budgets = tuple(sorted({one["drugs"] for cell in cells for one in cell["budgets"]}))
    out = HERE / "results" / scenario

    scores = scores_of(cells)
    strategies = strategies_of(scores, budgets, order)
    planes = planes_of(project)
    coverage = coverage_of(cells, planes, budgets, settings.curate.threshold)
    anchors = [
        ("+".join(cell["targets"]), cell["strategy"], cell["seed"], rank, drug)
        for cell in cells
        for rank, drug in enumerate(cell["anchors"], start=1)
    ]
    tables = {
        "scores": scores,
        "strategies": strategies,
        "anchors": pd.DataFrame(anchors, columns=["targets", "strategy", "seed", "rank", "drug_id"]),
        "responses": pd.concat([plane.assign(target=target) for target, (plane, _) in planes.items()]),
        "coverage": coverage,
        "correlation": correlation_of(coverage),
        "seconds": seconds_of(cells, order),
    }
    for name, table in tables.items():
        write_table(table.round(6), out / f"{name}.csv")
    text = markdown(strategies, settings.targets, published(scenario, settings.targets))
    with atomic_path(out / "tables.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(tables["seconds"].round(1).to_string(index=False))
    print(tables["correlation"].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
