"""A heatmap of drugs x genes, both in the order of a hierarchical clustering."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from anchordrug.report.plots import COLOURS, FAINT, Figure, Points, svg_of

MOST_DRUGS, MOST_GENES = 40, 40
DOWN, UP = COLOURS[0], COLOURS[1]
# Colours are full from this share of all scores on: measured scores are larger and would pale the others.
FULL_FROM = 0.97
# Inches: a cell, a tree, the names of drugs and those of genes.
CELL, TREE, DRUG_NAMES, GENE_NAMES = 0.17, 0.5, 2.1, 1.0


def heatmap(scores: np.ndarray, drugs: Sequence[str], genes: Sequence[str], score: str) -> Figure | None:
    """Draw the genes that differ most between some drugs; None for fewer than two drugs or genes.

    Drugs are clustered by the correlation of their responses, genes by that of theirs, with average linkage.
    Leaves are in the order in which neighbours are most similar (Bar-Joseph et al. 2001).

    Parameters
    ----------
    scores
        [drugs, all genes], NaN where a gene was not measured.
    score
        The name of the scores.
    """
    if not scores.size:
        return None
    full = max(float(np.nanquantile(np.abs(scores), FULL_FROM)), 1e-9)
    filled = np.nan_to_num(scores.astype(np.float64)).clip(-full, full)
    chosen = np.sort(np.argsort(-filled.std(axis=0), kind="stable")[:MOST_GENES])
    if len(drugs) < 2 or len(chosen) < 2:
        return None
    trees = _tree(filled[:, chosen]), _tree(filled[:, chosen].T)
    down, across = (hierarchy.leaves_list(tree) for tree in trees)
    values = scores[:, chosen][np.ix_(down, across)]
    titles: list[str] = [drugs[int(drug)] for drug in down]
    names: list[str] = [genes[int(gene)] for gene in chosen[across]]
    labels = [
        f"{drug}, {gene}: {'not measured' if np.isnan(value) else f'{score} {value:+.1f}'}"
        for drug, row in zip(titles, values, strict=True)
        for gene, value in zip(names, row, strict=True)
    ]
    svg = svg_of(
        lambda axes: _draw(axes, values / full, titles, names, trees),
        "",
        "",
        width=TREE + CELL * len(names) + DRUG_NAMES,
        height=GENE_NAMES + CELL * len(titles) + TREE,
    )
    shows = (
        f"{len(titles)} drugs in {len(names)} genes: blue goes down, orange goes up, with full colour from "
        f"{score} = ±{full:.1f}. Drugs and genes with similar responses are side by side."
    )
    return Figure(svg, shows, (Points("cells", labels),))


def _tree(rows: np.ndarray) -> np.ndarray:
    """Return the tree of `rows`; a constant row, which correlates with nothing, is at distance 1 from all."""
    with np.errstate(invalid="ignore", divide="ignore"):
        distances = np.nan_to_num(pdist(rows, "correlation"), nan=1.0)
    return hierarchy.linkage(np.maximum(distances, 0), "average", optimal_ordering=True)


def _draw(
    axes, shares: np.ndarray, drugs: Sequence[str], genes: Sequence[str], trees: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw cells, names and trees; the first drug is at the bottom, where its tree begins."""
    from matplotlib import colors
    from matplotlib.collections import PolyCollection

    squares = [
        [(x, y), (x + 0.94, y), (x + 0.94, y + 0.94), (x, y + 0.94)]
        for y in range(len(drugs))
        for x in range(len(genes))
    ]
    opacity = np.nan_to_num(np.minimum(np.abs(shares), 1)).ravel()
    colours = [DOWN if share < 0 else UP for share in shares.ravel()]
    axes.add_collection(
        PolyCollection(squares, facecolors=colors.to_rgba_array(colours, opacity), gid="cells")
    )
    axes.set(xlim=(0, len(genes)), ylim=(0, len(drugs)))
    axes.set_xticks(np.arange(len(genes)) + 0.47, genes, rotation=90, fontsize=8)
    axes.set_yticks(np.arange(len(drugs)) + 0.47, drugs, fontsize=8)
    axes.yaxis.tick_right()
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    figure, wide, high = axes.figure, CELL * len(genes), CELL * len(drugs)
    width, height = figure.get_size_inches()
    figure.set_layout_engine("none")
    axes.set_position([TREE / width, GENE_NAMES / height, wide / width, high / height])
    places = [0, GENE_NAMES, TREE, high], [TREE, GENE_NAMES + high, wide, TREE]
    for tree, side, (left, bottom, across, up) in zip(trees, ("left", "top"), places, strict=True):
        beside = figure.add_axes([left / width, bottom / height, across / width, up / height])
        hierarchy.dendrogram(
            tree, ax=beside, orientation=side, no_labels=True, link_color_func=lambda _: FAINT
        )
        beside.axis("off")
