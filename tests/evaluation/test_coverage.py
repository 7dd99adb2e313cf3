"""Coverage of the pool's responses against areas and distances worked out by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.evaluation.coverage import distance_variance, hull_coverage, response_plane


def largest_triangle_fan(points):
    """The hull's area as the shoelace formula over its corners, found by brute force."""
    corners = []
    for i, j in combinations(range(len(points)), 2):
        edge = points[j] - points[i]
        side = [edge[0] * (p[1] - points[i][1]) - edge[1] * (p[0] - points[i][0]) for p in points]
        if min(side) >= -1e-12 or max(side) <= 1e-12:
            corners += [i, j]
    hull = points[sorted(set(corners))]
    middle = hull.mean(axis=0)
    hull = hull[np.argsort(np.arctan2(*(hull - middle).T))]
    x, y = hull.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


@given(st.integers(0, 1000), st.integers(4, 15), st.data())
def test_coverage_is_the_ratio_of_two_areas(seed, points, data):
    plane = np.random.default_rng(seed).normal(size=(points, 2))
    size = data.draw(st.integers(3, points))
    chosen = np.arange(points)[:size]
    expected = largest_triangle_fan(plane[chosen]) / largest_triangle_fan(plane)
    assert hull_coverage(plane, chosen) == pytest.approx(expected)


@given(st.integers(0, 1000), st.integers(4, 20))
def test_coverage_grows_with_the_anchors_up_to_one(seed, points):
    plane = np.random.default_rng(seed).normal(size=(points, 2))
    covered = [hull_coverage(plane, np.arange(size)) for size in range(points + 1)]
    assert covered[:3] == [0, 0, 0]
    assert (np.diff(covered) >= -1e-12).all()
    assert covered[-1] == pytest.approx(1)


def test_half_of_a_square():
    plane = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    assert hull_coverage(plane, np.array([0, 1, 2])) == pytest.approx(0.5)


def test_points_on_a_line_cover_nothing():
    line = np.column_stack([np.arange(5.0), np.arange(5.0)])
    assert hull_coverage(line, np.arange(5)) == 0


def test_distance_variance_is_that_of_all_pairs():
    z = np.random.default_rng(0).normal(size=(7, 30))
    distances = [np.sqrt(((a - b) ** 2).sum()) for a, b in combinations(z, 2)]
    assert distance_variance(z) == pytest.approx(np.var(distances, ddof=1))
    assert distance_variance(z[:2]) == 0
    assert distance_variance(z[:1]) == 0


def test_the_plane_keeps_clusters_apart_and_is_the_same_for_the_same_seed():
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 15)
    z = rng.normal(size=(3, 40))[kind] * 5 + rng.normal(size=(45, 40))
    plane = response_plane(z, seed=0)
    assert plane.shape == (45, 2)
    np.testing.assert_array_equal(plane, response_plane(z, seed=0))
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (kind[distance.argmin(axis=1)] == kind).all()


def test_too_few_responses_for_a_plane_are_an_error():
    with pytest.raises(ValueError, match="four at least"):
        response_plane(np.zeros((3, 5)), seed=0)
