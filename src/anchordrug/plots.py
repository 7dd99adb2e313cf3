"""Pictures of metrics as SVG: they open offline, in a browser or a word processor."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from anchordrug.io import atomic_path

# Told apart in greyscale and by the colour-blind (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")


def write_reliability(table: pd.DataFrame, path: Path) -> None:
    """Draw how often the likeliest label is right against its probability.

    Parameters
    ----------
    table
        target, confidence, accuracy.
    """
    with _axes(path, "probability of the likeliest label", "share that is right") as axes:
        axes.plot([1 / 3, 1], [1 / 3, 1], color="grey", linewidth=0.8, zorder=0)
        _curves(axes, table, "confidence", "accuracy")
        axes.set_aspect("equal")


def write_risk_coverage(table: pd.DataFrame, path: Path) -> None:
    """Draw macro-F1 of the most certain answers against the share answered.

    Parameters
    ----------
    table
        target, coverage, macro_f1.
    """
    with _axes(path, "share of labels answered", "macro-F1 of the answers") as axes:
        _curves(axes, table, "coverage", "macro_f1")
        axes.invert_xaxis()


def _curves(axes, table: pd.DataFrame, x: str, y: str) -> None:
    for place, (target, own) in enumerate(table.groupby("target", sort=False)):
        axes.plot(
            own[x],
            own[y],
            color=COLOURS[place % len(COLOURS)],
            linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
            marker="o",
            markersize=3,
            label=str(target),
        )
    axes.legend(frameon=False)


@contextmanager
def _axes(path: Path, x: str, y: str) -> Iterator:
    """Yield axes of a new figure; write it when the block is done, the same bytes for the same curves."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "anchordrug", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = pyplot.subplots(figsize=(4.5, 4), layout="constrained")
        axes.set(xlabel=x, ylabel=y)
        axes.spines[["top", "right"]].set_visible(False)
        yield axes
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata={"Date": None})
        pyplot.close(figure)
