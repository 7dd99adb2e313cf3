"""Figures of metrics as SVG: they open offline, in a browser, a word processor or a drawing program."""

import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pandas as pd

# Told apart in greyscale and by the colour-blind (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Colour, marker and size of the drugs of a library; those drawn last are on top.
MAP_GROUPS = {
    "far": (COLOURS[3], "D", 12),
    "near": (COLOURS[4], "^", 18),
    "seen": (COLOURS[0], "o", 14),
    "measured": (COLOURS[1], "*", 80),
}
# A page that shows figures on a dark ground replaces these two.
_WIDEST_NAME = 28  # letters
INK, FAINT = "#000000", "#808080"


@dataclass(frozen=True)
class Points:
    """Points that a page may name: the id of their group in the SVG, and a label of each, in order."""

    group: str
    labels: Sequence[str]


@dataclass(frozen=True)
class Figure:
    """A figure: SVG text, a sentence on its content, and its named points."""

    svg: str
    shows: str
    points: tuple[Points, ...] = ()


def reliability(table: pd.DataFrame) -> Figure:
    """Draw how often the most probable label is right against its probability.

    Parameters
    ----------
    table
        target, confidence, accuracy.
    """

    def draw(axes) -> None:
        axes.plot([1 / 3, 1], [1 / 3, 1], color=FAINT, linewidth=0.8, zorder=0)
        _curves(axes, table, "target", "confidence", "accuracy")

    svg = svg_of(draw, "probability of the most probable label", "share that is right")
    return Figure(svg, "Share of most probable labels that are right against their predicted probability.")


def risk_coverage(table: pd.DataFrame) -> Figure:
    """Draw macro-F1 of the most certain answers against the share answered.

    Parameters
    ----------
    table
        target, coverage, macro_f1.
    """

    def draw(axes) -> None:
        _curves(axes, table, "target", "coverage", "macro_f1")
        axes.invert_xaxis()

    svg = svg_of(draw, "share of labels answered", "macro-F1 of the answers")
    return Figure(svg, "Macro-F1 of the most certain answers against the share of labels answered.")


def learning_curve(table: pd.DataFrame) -> Figure:
    """Draw macro-F1 after every round, a curve for each strategy.

    Parameters
    ----------
    table
        strategy, drugs, macro_f1.
    """
    svg = svg_of(
        lambda axes: _curves(axes, table, "strategy", "drugs", "macro_f1"),
        "anchor drugs",
        "macro-F1 on the test drugs",
    )
    strategies = ", ".join(table["strategy"].unique())
    return Figure(svg, f"Macro-F1 on the test drugs against the number of anchors, for {strategies}.")


def predictors(table: pd.DataFrame) -> Figure:
    """Draw the macro-F1 of every predictor with its interval, one below the other.

    Parameters
    ----------
    table
        predictor, macro_f1, low, high.
    """

    def draw(axes) -> None:
        middle = table["macro_f1"].to_numpy()
        ends = np.abs(table[["low", "high"]].to_numpy().T - middle)
        place = np.arange(len(table))[::-1]
        axes.errorbar(middle, place, xerr=ends, fmt="o", color=COLOURS[0], markersize=5, capsize=3)
        # A long name must leave room for the axis.
        axes.set_yticks(place, [textwrap.fill(name, _WIDEST_NAME) for name in table["predictor"]])

    lines = sum(len(textwrap.wrap(name, _WIDEST_NAME)) for name in table["predictor"])
    svg = svg_of(draw, "macro-F1 and 95% interval", "", height=0.15 * lines + 0.16 * len(table) + 0.8)
    return Figure(svg, "Macro-F1 of every predictor and baseline with its 95% interval.")


def coverage_map(drugs: pd.DataFrame) -> Figure:
    """Draw the drugs in the plane of their prior responses, the anchors marked by round.

    Parameters
    ----------
    drugs
        x, y, role (test or pool), round (0 for a drug that is not an anchor), label.
    """
    points = []

    def draw(axes) -> None:
        for role, name, style in (
            ("test", "test drug", {"facecolors": "none", "edgecolors": FAINT, "marker": "s"}),
            ("pool", "pool", {"color": FAINT, "alpha": 0.6}),
        ):
            own = drugs[(drugs["role"] == role) & (drugs["round"] == 0)]
            axes.scatter(own["x"], own["y"], s=11, linewidths=0.7, label=name, gid=role, **style)
            points.append(Points(role, own["label"].tolist()))
        for number in sorted(set(drugs["round"]) - {0}):
            own = drugs[drugs["round"] == number]
            place = number - 1
            axes.scatter(
                own["x"],
                own["y"],
                s=42,
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                label=f"round {number}",
                gid=f"anchors-{number}",
            )
            points.append(Points(f"anchors-{number}", own["label"].tolist()))
        axes.set(xticks=[], yticks=[])
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=3)

    svg = svg_of(draw, "t-SNE of responses in other cell lines", "", height=4.8)
    anchors = int((drugs["round"] > 0).sum())
    shows = f"{len(drugs)} drugs in a plane of their responses in other cell lines, {anchors} anchors marked."
    return Figure(svg, shows, tuple(points))


def library_map(drugs: pd.DataFrame) -> Figure:
    """Draw the drugs of a library in a plane, by evidence group; `MAP_GROUPS` in that order.

    Parameters
    ----------
    drugs
        x, y, group, label.
    """
    points = []

    def draw(axes) -> None:
        for group, (colour, marker, size) in MAP_GROUPS.items():
            own = drugs[drugs["group"] == group]
            if own.empty:
                continue
            gid = "anchors" if group == "measured" else group
            style = {"color": colour, "marker": marker, "s": size, "linewidths": 0}
            axes.scatter(own["x"], own["y"], label=f"{group} ({len(own)})", gid=gid, **style)
            points.append(Points(gid, own["label"].tolist()))
        axes.set(xticks=[], yticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
        drawn = [handles[::-1] for handles in axes.get_legend_handles_labels()]
        axes.legend(*drawn, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)

    svg = svg_of(draw, "", "", width=6.4, height=4.8)
    counts = ", ".join(f"{count} {group}" for group, count in drugs["group"].value_counts().items())
    return Figure(svg, f"{len(drugs)} drugs in a plane of their responses: {counts}.", tuple(points))


def genes(table: pd.DataFrame) -> Figure:
    """Draw the macro-F1 of every gene against that of the consensus.

    Parameters
    ----------
    table
        gene, macro_f1, consensus.
    """

    def draw(axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=0)
        axes.scatter(table["consensus"], table["macro_f1"], s=14, color=COLOURS[0], alpha=0.7, gid="genes")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")

    labels = [
        f"{gene}: macro-F1 {ours:.2f}, consensus {theirs:.2f}"
        for gene, ours, theirs in zip(table["gene"], table["macro_f1"], table["consensus"], strict=True)
    ]
    svg = svg_of(draw, "macro-F1 of the consensus of other cell lines", "macro-F1 of the predictor")
    better = int((table["macro_f1"] > table["consensus"]).sum())
    shows = f"Macro-F1 of {len(table)} genes against the consensus of other cell lines; {better} are above."
    return Figure(svg, shows, (Points("genes", labels),))


def _curves(axes, table: pd.DataFrame, key: str, x: str, y: str) -> None:
    for place, (name, own) in enumerate(table.groupby(key, sort=False)):
        axes.plot(
            own[x],
            own[y],
            color=COLOURS[place % len(COLOURS)],
            linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            label=str(name),
        )
    axes.legend(frameon=False)


def svg_of(draw: Callable[..., None], x: str, y: str, *, width: float = 4.8, height: float = 3.8) -> str:
    """Return the drawing of `draw` as SVG, the same text for the same data."""
    target = BytesIO()
    # The page's font has letters that matplotlib's own lacks.
    with _axes(x, y, width, height) as (figure, axes), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        draw(axes)
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue().decode("utf-8")


@contextmanager
def _axes(x: str, y: str, width: float, height: float) -> Iterator[tuple]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(
        {
            "svg.hashsalt": "anchordrug",
            "svg.fonttype": "none",
            "text.parse_math": False,
            "font.size": 9,
            "savefig.transparent": True,
        }
    ):
        figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
        axes.set(xlabel=x, ylabel=y)
        axes.spines[["top", "right"]].set_visible(False)
        yield figure, axes
        pyplot.close(figure)
