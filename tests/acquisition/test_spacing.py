"""Evenly spaced drugs in place of many."""

import numpy as np
import pytest

from anchordrug.acquisition.spacing import evenly_spaced


@pytest.mark.parametrize(
    ("drugs", "most", "kept"),
    [(9, 5, [0, 2, 4, 6, 8]), (5, 5, [0, 1, 2, 3, 4]), (3, 5, [0, 1, 2]), (0, 5, []), (7, 1, [0])],
)
def test_all_drugs_or_as_many_as_asked_from_the_first_to_the_last(drugs, most, kept):
    assert evenly_spaced(10 + np.arange(drugs), most).tolist() == [10 + place for place in kept]
