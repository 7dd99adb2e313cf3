"""Doses, times and assays of an atlas, and campaigns at others."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.conditions import conditions_of, other_conditions
from anchordrug.atlas.responses import ResponseAtlas


def atlas_of(doses, times, assays=None):
    """Return an atlas of as many experiments as doses, each of a drug of its own."""
    count = len(doses)
    drugs = pd.DataFrame({"drug_id": [f"D{number}" for number in range(count)]})
    table = {"replicates": 1, "assay": assays or ["L1000"] * count, "dose_um": doses, "time_h": times}
    experiments = pd.DataFrame({**table, "origin": "here"})
    rows = np.arange(count)
    z = np.zeros((count, 2), np.float32)
    return ResponseAtlas(z, rows, np.zeros(count, int), drugs, ["A"], ["X", "Y"], experiments=experiments)


def test_conditions_are_distinct_and_ascending():
    atlas = atlas_of([10.0, 1.0, 10.0], [24.0, 6.0, 24.0], ["L1000", "RNA counts", "L1000"])
    assert conditions_of(atlas) == ([1.0, 10.0], [6.0, 24.0], ["L1000", "RNA counts"])


def test_conditions_of_several_atlases_are_those_of_all():
    assert conditions_of(atlas_of([10.0], [24.0]), atlas_of([1.0], [24.0])) == (
        [1.0, 10.0],
        [24.0],
        ["L1000"],
    )


def test_conditions_of_an_atlas_without_a_table_of_experiments_are_unknown():
    atlas = ResponseAtlas(
        np.zeros((1, 1), np.float32), np.zeros(1, int), np.zeros(1, int), pd.DataFrame(), ["A"], ["X"]
    )
    assert conditions_of(atlas) == ([], [], [])
    assert other_conditions(atlas, 1.0, 24.0) is None


@pytest.mark.parametrize(("dose", "time"), [(10.0, 24.0), (9.2, 24.0), (11.0, None)])
def test_a_campaign_at_the_dose_and_time_of_its_source_lines_hears_nothing(dose, time):
    assert other_conditions(atlas_of([10.0, 10.0, 1.0], [24.0] * 3), dose, time) is None


@pytest.mark.parametrize(
    ("dose", "time", "said"),
    [
        (
            1.0,
            24.0,
            "are at 1 uM and 24 h, but 2 of 3 experiments in the source lines have 10 uM and 24 h;",
        ),
        (
            10.0,
            6.0,
            "are at 10 uM and 6 h, but 3 of 3 experiments in the source lines have 10 uM and 24 h",
        ),
        (
            3.0,
            None,
            "are at 3 uM, but 3 of 3 experiments in the source lines have 10 uM and 24 h, 1 uM and",
        ),
        (8.9, 24.0, "are at 8.9 uM and 24 h, but 3 of 3"),
    ],
)
def test_a_campaign_at_another_dose_or_time_is_told_so(dose, time, said):
    assert said in str(other_conditions(atlas_of([10.0, 10.0, 1.0], [24.0] * 3), dose, time))
