"""Draw the figures of one scenario from the tables that analyse.py wrote, as PNG and SVG.

python figures.py per_target
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchordrug.files.atomic import atomic_path

HERE = Path(__file__).resolve().parent
# Okabe and Ito's palette: told apart by colour-blind eyes, and by lightness in grey print.
BLUE, ORANGE, GREEN, GREY, LIGHT = "#0072B2", "#D55E00", "#009E73", "#5A5A5A", "#C8C8C8"
MARKERS = "osD^vPX*<>ph8"
CONTROLS = ("pretrained", "whole_pool")
SHOWN_ON_PLANE = ("random", "core_set", "bald", "least_confidence")
plt.rcParams |= {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "anchordrug",
    "svg.fonttype": "none",
}


def differences(tables: dict[str, pd.DataFrame]) -> Figure:
    """Mean paired difference to random with its 95% interval, one panel a budget."""
    table = tables["strategies"]
    table = table[(table["fit"] == "balanced") & ~table["strategy"].isin(["random", *CONTROLS])]
    budgets = table["drugs"].unique()
    figure, axes = plt.subplots(
        1, len(budgets), figsize=(4.2 * len(budgets), 3.8), sharey=True, squeeze=False
    )
    for axis, budget in zip(axes[0], budgets, strict=True):
        rows = table[table["drugs"] == budget].iloc[::-1]
        place = np.arange(len(rows))
        middle = rows["to random"].to_numpy()
        reach = [middle - rows["to random low"], rows["to random high"] - middle]
        sure = rows["to random p Holm"].to_numpy() < 0.05
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.errorbar(middle, place, xerr=reach, fmt="none", ecolor=BLUE, elinewidth=1.2, capsize=2)
        axis.scatter(middle, place, c=np.where(sure, BLUE, "white"), edgecolors=BLUE, zorder=3)
        axis.set_yticks(place, rows["strategy"].tolist())
        axis.set(title=f"{budget} drugs", xlabel="macro-F1 minus random's")
    figure.text(0.5, -0.03, "filled: p < .05 after Holm's correction", ha="center", color=GREY)
    return figure


def curves(tables: dict[str, pd.DataFrame]) -> Figure:
    """Macro-F1 after every round, each strategy against random: mean over targets, sd over seeds."""
    scores = tables["scores"]
    start = scores[scores["strategy"] == "pretrained"].groupby("seed")["macro_f1"].mean()
    natural = scores[scores["fit"] == "natural"]
    most = natural[natural["strategy"] == "bald"]["drugs"].max()
    names = [name for name in natural["strategy"].unique() if name not in {"random", *CONTROLS}]
    columns = 4
    figure, axes = plt.subplots(
        -(-len(names) // columns),
        columns,
        figsize=(10, 2.3 * -(-len(names) // columns)),
        sharex=True,
        sharey=True,
    )

    def draw(axis: Axes, name: str, colour: str, marker: str) -> None:
        own = natural[(natural["strategy"] == name) & (natural["drugs"] <= most)]
        by_seed = own.groupby(["drugs", "seed"])["macro_f1"].mean().unstack("seed")
        by_seed.loc[0] = start
        by_seed = by_seed.sort_index()
        mean, spread = by_seed.mean(axis=1), by_seed.std(axis=1)
        axis.fill_between(mean.index, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)
        axis.plot(mean.index, mean, color=colour, marker=marker, markersize=3, linewidth=1.2)

    for axis, name in zip(axes.flat, names, strict=False):
        draw(axis, "random", GREY, "o")
        draw(axis, name, BLUE, "D")
        axis.set_title(name)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    figure.supxlabel("drugs assayed")
    figure.supylabel("macro-F1 on test drugs")
    figure.text(
        0.99, 0.0, "diamonds: strategy; circles: random; bands: sd over seeds", ha="right", color=GREY
    )
    return figure


def growth(tables: dict[str, pd.DataFrame]) -> Figure:
    """Random addition to the whole pool: macro-F1 on the test drugs, per target, mean and sd over seeds."""
    scores = tables["scores"]
    own = scores[scores["strategy"].isin(["random", "pretrained"]) & (scores["fit"] == "natural")]
    figure, axis = plt.subplots(figsize=(5.2, 3.4))
    for (target, rows), colour, marker in zip(
        own.groupby("target", sort=False), (BLUE, ORANGE, GREEN) * 9, MARKERS * 9, strict=False
    ):
        by_drugs = rows.groupby("drugs")["macro_f1"].agg(["mean", "std"])
        look = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.2, "capsize": 2}
        axis.errorbar(by_drugs.index, by_drugs["mean"], by_drugs["std"], label=target, **look)
    axis.set(xlabel="random drugs assayed, up to the whole pool", ylabel="macro-F1 on test drugs")
    axis.legend()
    return figure


def planes(tables: dict[str, pd.DataFrame]) -> Figure:
    """Measured responses of the pool on a t-SNE plane, with the anchors of some strategies (first seed)."""
    responses, anchors = tables["responses"], tables["anchors"]
    budget = tables["strategies"]["drugs"].min()
    seed = anchors["seed"].min()
    targets = responses["target"].unique()
    names = [name for name in SHOWN_ON_PLANE if name in set(anchors["strategy"])]
    figure, axes = plt.subplots(
        len(targets), len(names), figsize=(2.5 * len(names), 2.4 * len(targets)), squeeze=False
    )
    for line, target in zip(axes, targets, strict=True):
        pool = responses[responses["target"] == target]
        for axis, name in zip(line, names, strict=True):
            mine = anchors[
                (anchors["strategy"] == name) & (anchors["seed"] == seed) & (anchors["rank"] <= budget)
            ]
            mine = mine[[target in joint.split("+") for joint in mine["targets"]]]
            chosen = pool[pool["drug_id"].isin(mine["drug_id"])]
            axis.scatter(pool["x"], pool["y"], s=7, color=LIGHT, linewidths=0)
            axis.scatter(chosen["x"], chosen["y"], s=16, color=BLUE, marker="D", linewidths=0)
            axis.set(xticks=[], yticks=[])
            if target == targets[0]:
                axis.set_title(name)
        line[0].set_ylabel(target)
    figure.text(
        0.5, -0.01, f"grey: pool; diamonds: first {budget} anchors, seed {seed}", ha="center", color=GREY
    )
    return figure


def coverage(tables: dict[str, pd.DataFrame]) -> Figure:
    """Coverage of the anchors against the macro-F1 they led to, every campaign a point."""
    table = tables["coverage"]
    table = table[table["drugs"] == table["drugs"].min()]
    measures = {
        "hull_coverage": "convex hull of anchors / of pool",
        "distance_variance": "variance of pairwise distances, anchors / pool",
        "changed": "share of the anchors' genes that change",
    }
    correlation = tables["correlation"].set_index(["target", "drugs", "measure"])["spearman"]
    targets = table["target"].unique()
    figure, axes = plt.subplots(
        len(measures), len(targets), figsize=(3.2 * len(targets), 8.2), squeeze=False, sharey="col"
    )
    names = table["strategy"].unique()
    for line, (measure, label) in zip(axes, measures.items(), strict=True):
        for axis, target in zip(line, targets, strict=True):
            own = table[table["target"] == target]
            for name, marker, colour in zip(
                names, MARKERS * 2, (BLUE, ORANGE, GREEN, GREY) * 6, strict=False
            ):
                part = own[own["strategy"] == name]
                look = {"s": 18, "color": colour, "marker": marker, "alpha": 0.85, "linewidths": 0}
                axis.scatter(part[measure], part["macro_f1"], label=name, **look)
            rho = correlation[target, own["drugs"].iloc[0], measure]
            axis.set(title=f"{target}, Spearman {rho:+.2f}", xlabel=label)
        line[0].set_ylabel("macro-F1")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def main() -> None:
    """Draw every figure of one scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", help="a folder under results/")
    out = HERE / "results" / parser.parse_args().scenario
    names = ("scores", "strategies", "anchors", "responses", "coverage", "correlation")
    tables = {name: pd.read_csv(out / f"{name}.csv") for name in names}
    for draw in (differences, curves, growth, planes, coverage):
        figure = draw(tables)
        figure.tight_layout()
        for suffix in (".png", ".svg"):
            # Without a date the same tables give the same file.
            dated = {"Date": None} if suffix == ".svg" else None
            with atomic_path(out / "figures" / f"{draw.__name__}{suffix}") as temporary:
                figure.savefig(temporary, bbox_inches="tight", metadata=dated)
        plt.close(figure)


if __name__ == "__main__":
    main()
