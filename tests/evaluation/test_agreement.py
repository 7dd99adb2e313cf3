"""Correlations against numpy's, and drugs in thirds by how many genes they change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.evaluation.metrics import correlations, strength_thirds

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=60, deadline=None)


@given(
    seed=SEEDS,
    drugs=st.integers(1, 6),
    genes=st.integers(2, 40),
    offset=st.sampled_from([0, 5]),
    size=st.sampled_from([0.01, 1, 30]),
)
@quick
def test_correlations_are_those_of_numpy(seed, drugs, genes, offset, size):
    rng = np.random.default_rng(seed)
    measured = rng.normal(offset, size, (drugs, genes))
    predicted = 0.5 * measured + rng.normal(-offset, size, (drugs, genes))
    found = correlations(measured, predicted)
    assert found.dtype == np.float64
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(measured, predicted, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    single = correlations(measured.astype(np.float32), predicted.astype(np.float32))
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, expected, atol=1e-2 if size < 1 else 1e-4)


def test_a_row_correlates_with_itself_and_against_its_negative():
    rows = np.random.default_rng(0).normal(size=(4, 9))
    np.testing.assert_allclose(correlations(rows, 3 * rows + 1), 1)
    np.testing.assert_allclose(correlations(rows, 2 - rows), -1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0, 0.1, -1 / 3, 4, 1e3 / 7])
def test_a_constant_row_correlates_with_nothing(constant, dtype):
    rows = np.random.default_rng(0).normal(size=(3, 978)).astype(dtype)
    other = rows.copy()
    other[1] = constant
    np.testing.assert_allclose(correlations(rows, other), [1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(correlations(other, rows), [1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(correlations(other, other), [1, 0, 1], atol=1e-9)


@given(seed=SEEDS, drugs=st.integers(0, 30), genes=st.integers(1, 6))
@quick
def test_thirds_differ_by_at_most_one_drug_and_rise_with_the_genes_changed(seed, drugs, genes):
    labels = np.random.default_rng(seed).integers(0, 3, (drugs, genes)).astype(np.int8)
    thirds = strength_thirds(labels)
    assert all(third.dtype == bool and third.shape == (drugs,) for third in thirds)
    np.testing.assert_array_equal(sum(third.astype(int) for third in thirds), np.ones(drugs))
    sizes = [int(third.sum()) for third in thirds]
    assert max(sizes) - min(sizes) <= 1
    # Ordered by genes changed and then by row, the thirds are three stretches.
    ranked = sorted(range(drugs), key=lambda drug: (sum(label != 1 for label in labels[drug]), drug))
    stretches = [next(k for k, third in enumerate(thirds) if third[drug]) for drug in ranked]
    assert stretches == sorted(stretches)


def test_weak_medium_and_strong_drugs_by_hand():
    labels = np.ones((6, 5), np.int8)
    for drug, changed in enumerate([5, 0, 3, 1, 4, 2]):
        labels[drug, :changed] = 2 * (drug % 2)
    weak, medium, strong = (np.flatnonzero(third).tolist() for third in strength_thirds(labels))
    assert (weak, medium, strong) == ([1, 3], [2, 5], [0, 4])


def test_drugs_that_change_equally_many_genes_stay_in_order():
    thirds = strength_thirds(np.zeros((7, 4), np.int8))
    assert [np.flatnonzero(third).tolist() for third in thirds] == [[0, 1, 2], [3, 4], [5, 6]]
