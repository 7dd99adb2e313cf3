"""Packed bits against the array they were packed from."""

import numpy as np
import pytest

from anchordrug.predictors.response.packed_bits import PackedBits


@pytest.mark.parametrize("width", [1, 8, 13, 1024])
@pytest.mark.parametrize("rows", [slice(None), [], [3, 0, 3], np.array([-1]), slice(1, 3)])
def test_rows_are_those_of_the_array(width, rows):
    fingerprints = np.random.default_rng(0).integers(-1, 3, (5, width)) * 0.5
    bits = PackedBits.of(fingerprints)
    assert (len(bits), bits.width) == (5, width)
    found = bits[rows]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (fingerprints > 0).astype(np.float32)[rows])
