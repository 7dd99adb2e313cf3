"""How much of the pool's responses the anchors cover (PAPER, Analyses: figures 2 and 3)."""

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

PERPLEXITY = 30


def response_plane(z: np.ndarray, seed: int) -> np.ndarray:
    """Return a t-SNE plane of responses [drugs, genes], float64 [drugs, 2].

    Raises
    ------
    ValueError
        There are fewer than four drugs, too few for a plane.
    """
    from sklearn.manifold import TSNE

    if len(z) < 4:
        raise ValueError(f"{len(z)} responses; a plane needs four at least")
    perplexity = min(PERPLEXITY, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, random_state=seed).fit_transform(z).astype(np.float64)


def hull_coverage(plane: np.ndarray, chosen: np.ndarray) -> float:
    """Return the area of the convex hull of the `chosen` points over that of all points of `plane` [n, 2].

    Fewer than three points, or points on a line, cover nothing.
    """
    whole = _hull_area(plane)
    return _hull_area(plane[chosen]) / whole if whole else 0.0


def _hull_area(points: np.ndarray) -> float:
    try:
        return float(ConvexHull(points).volume)  # in two dimensions, scipy's volume is the area
    except (QhullError, ValueError):
        return 0.0


def distance_variance(z: np.ndarray) -> float:
    """Return the variance of the pairwise Euclidean distances of responses [drugs, genes]; 0 for one pair."""
    distances = pdist(z.astype(np.float64))
    return float(distances.var(ddof=1)) if len(distances) > 1 else 0.0
