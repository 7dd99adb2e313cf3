"""Figures inside a page: every point has its label, however few there are."""

import pandas as pd
import pytest

from anchordrug.report.inline_svg import inline_svg
from anchordrug.report.plots import coverage_map


@pytest.mark.parametrize("tested", [1, 2, 3, 7])
@pytest.mark.parametrize("anchors", [1, 2, 7])
def test_every_point_of_a_map_has_its_label(anchors, tested):
    roles = ["test"] * tested + ["pool"] * (anchors + 1)
    rounds = [0] * (tested + 1) + [2] * anchors
    drugs = pd.DataFrame({"x": range(len(roles)), "y": range(len(roles)), "role": roles, "round": rounds})
    drugs["label"] = [f"drug {place}!" for place in range(len(drugs))]
    page = inline_svg(coverage_map(drugs), "map")
    assert [page.count(f'data-tip="{label}"') for label in drugs["label"]] == [1] * len(drugs)
    assert page.count('role="img"') == anchors
