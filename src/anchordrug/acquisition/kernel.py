"""Distances between drugs whose embeddings are those of all genes side by side.

Such an embedding has genes x width numbers, far too many to keep for a large pool. The strategies only need
inner products between drugs, and these are sums over genes: they are added up in one [drugs, drugs] matrix,
a few genes at a time.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.linalg.blas import ssyrk  # pyright: ignore[reportAttributeAccessIssue]  # compiled

from anchordrug.predictors.base import FittedNetwork

TILE = 2048
ROUNDING = 1e-5
# Rows (1, -1, 0)/sqrt 2 and (1, 1, -2)/sqrt 6: an orthonormal basis of three numbers that sum to 0.
_SUM_ZERO = np.array([[1, -1, 0], [1, 1, -2]], np.float32) / np.sqrt(np.array([[2], [6]], np.float32))


def gram(parts: Iterable[np.ndarray], drugs: int) -> np.ndarray:
    """Return the float32 [drugs, drugs] inner products of rows that come in `parts` [drugs, some columns].

    BLAS adds up one triangle in place; it is mirrored by tiles, so that no second matrix is held.
    """
    result = np.zeros((drugs, drugs), np.float32, order="F")
    for part in parts:
        columns = np.ascontiguousarray(part, np.float32).T  # [columns, drugs] in the order that BLAS wants
        result = ssyrk(1.0, columns, beta=1.0, c=result, trans=1, overwrite_c=1)
    for start in range(0, drugs, TILE):
        rows = slice(start, start + TILE)
        corner = np.triu(result[rows, rows])
        result[rows, rows] = corner + np.triu(corner, 1).T
        result[start + TILE :, rows] = result[rows, start + TILE :].T
    return result


def embedding_kernel(predictor: FittedNetwork, drugs: np.ndarray) -> np.ndarray:
    """Return inner products of the drugs' penultimate embeddings, all genes concatenated."""
    parts = (embeddings.reshape(len(drugs), -1) for embeddings, _ in predictor.embeddings(drugs))
    return gram(parts, len(drugs))


def gradient_kernel(predictor: FittedNetwork, drugs: np.ndarray) -> np.ndarray:
    """Return inner products of the drugs' gradient embeddings, all genes concatenated (BADGE).

    The gradient of a gene's loss with respect to the last layer's weights, its most probable label taken for
    true, is (p - onehot) x embedding. The first factor sums to 0, so two coordinates hold it.
    """
    return gram(_gradients(predictor, drugs), len(drugs))


def _gradients(predictor: FittedNetwork, drugs: np.ndarray) -> Iterator[np.ndarray]:
    for embeddings, probabilities in predictor.embeddings(drugs):
        residual = probabilities - np.eye(3, dtype=np.float32)[probabilities.argmax(axis=2)]
        plane = residual @ _SUM_ZERO.T
        yield (plane[:, :, :, None] * embeddings[:, :, None, :]).reshape(len(drugs), -1)


def squared_distances(kernel: np.ndarray, position: int) -> np.ndarray:
    """Return the squared Euclidean distance of every drug to the drug at `position`, float64 [drugs].

    It is 0 where nothing but rounding is left of it, as for twins with the same fingerprint.
    """
    norms = kernel.diagonal().astype(np.float64)
    both = norms + norms[position]
    distances = both - 2 * kernel[:, position].astype(np.float64)
    return np.where(distances > both * ROUNDING, distances, 0)
