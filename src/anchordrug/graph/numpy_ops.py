"""The array operations that response predictions are written in.

A prediction is one function of these operations and Python's arithmetic. With `NumpyOps` it computes; with
`anchordrug.graph.onnx_ops.GraphOps` the same function writes the nodes of an ONNX graph, so that the two
cannot drift apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

# A numpy array or a tensor of a graph under construction.
Array = Any


class NumpyOps:
    """The operations on numpy arrays."""

    abs = staticmethod(np.abs)
    sqrt = staticmethod(np.sqrt)
    tanh = staticmethod(np.tanh)
    log = staticmethod(np.log)
    maximum = staticmethod(np.maximum)
    where = staticmethod(np.where)
    equal = staticmethod(np.equal)

    @staticmethod
    def cast(values: Array, dtype: type) -> Array:
        """Return `values` as `dtype`."""
        return values.astype(dtype)

    @staticmethod
    def rows(table: np.ndarray, index: Array) -> Array:
        """Return the rows of `table` at `index` [n]; -1 is the last one."""
        return table[index]

    @staticmethod
    def total(values: Array) -> Array:
        """Return the sum over the last axis, which stays with length 1."""
        return values.sum(axis=-1, keepdims=True)

    @staticmethod
    def kth_largest(values: Array, k: int) -> Array:
        """Return the k-th largest value of each row, [n, 1]."""
        if k == 1:  # many times faster
            return values.max(axis=-1, keepdims=True)
        return np.partition(values, -k, axis=-1)[..., -k, None]

    @staticmethod
    def stack(values: Sequence[Array]) -> Array:
        """Return arrays of one shape side by side along a new last axis."""
        return np.stack(values, axis=-1)

    @staticmethod
    def concat(values: Sequence[Array]) -> Array:
        """Return arrays joined along the last axis."""
        return np.concatenate(values, axis=-1)

    @staticmethod
    def expand(values: Array, axis: int) -> Array:
        """Return `values` with a new axis of length 1."""
        return np.expand_dims(values, axis)

    @staticmethod
    def reshape(values: Array, shape: tuple[int, ...]) -> Array:
        """Return `values` in another shape; -1 means the remaining size."""
        return values.reshape(shape)

    @staticmethod
    def log_softmax(logits: Array) -> Array:
        """Return log probabilities over the last axis."""
        shifted = logits - logits.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    @staticmethod
    def softmax(logits: Array) -> Array:
        """Return probabilities over the last axis."""
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
