"""Inner products and distances of embeddings, against embeddings that are built in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import kernel
from tests.acquisition.strategies.embeddings import embeddings_of, gradients_of, random_predictor, squared

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=40, deadline=None)


def check_kernel(products, rows):
    np.testing.assert_allclose(products, rows @ rows.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(products, products.T)
    for i in range(len(rows)):
        found = kernel.squared_distances(products, i)
        assert found.dtype == np.float64
        assert (found >= 0).all()
        assert found[i] == 0
        np.testing.assert_allclose(found, [squared(rows[i], row) for row in rows], rtol=1e-4, atol=1e-4)


@given(seed=SEEDS, coarse=st.booleans())
@quick
def test_the_kernel_of_embeddings_gives_the_distances_of_whole_embeddings(seed, coarse):
    predictor = random_predictor(seed, coarse=coarse)
    check_kernel(kernel.embedding_kernel(predictor, np.arange(14)), embeddings_of(predictor))


@given(seed=SEEDS, coarse=st.booleans())
@quick
def test_the_kernel_of_gradients_gives_the_distances_of_whole_gradients(seed, coarse):
    predictor = random_predictor(seed, coarse=coarse)
    check_kernel(kernel.gradient_kernel(predictor, np.arange(14)), gradients_of(predictor))


@pytest.mark.parametrize("product", [1 - 2**-23, 1, 1 + 2**-23])
def test_a_distance_that_is_nothing_but_rounding_is_zero(product):
    products = np.array([[1, product, 0.999], [product, 1, 0.999], [0.999, 0.999, 1]], np.float32)
    distances = kernel.squared_distances(products, 0)
    assert distances[:2].tolist() == [0, 0]
    assert distances[2] == pytest.approx(0.002, rel=1e-4)


def test_a_kernel_holds_only_the_drugs_asked_for_in_their_order():
    predictor = random_predictor(0)
    drugs = np.array([9, 2, 13])
    rows = embeddings_of(predictor)[drugs]
    np.testing.assert_allclose(kernel.embedding_kernel(predictor, drugs), rows @ rows.T, rtol=1e-4, atol=1e-5)


@given(
    drugs=st.integers(1, 11),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seed=SEEDS,
    layout=st.sampled_from(["C", "F", "strided"]),
)
@quick
def test_gram_is_the_product_of_all_parts_side_by_side(drugs, widths, seed, layout):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(drugs, width)).astype(np.float32) for width in widths]
    expected = np.concatenate(parts, axis=1).astype(float)
    expected = expected @ expected.T
    if layout == "strided":
        given_parts = [np.repeat(part, 2, axis=1)[:, ::2] for part in parts]
    else:
        given_parts = [np.asarray(part, order=layout) for part in parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "TILE", 3)
        found = kernel.gram(iter(given_parts), drugs)
    assert found.dtype == np.float32
    assert found.shape == (drugs, drugs)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for part, same in zip(given_parts, parts, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("drugs", [1, 2, 3, 4, 5, 6, 7, 9, 10])
def test_gram_is_mirrored_whole_around_the_size_of_a_tile(drugs, monkeypatch):
    monkeypatch.setattr(kernel, "TILE", 3)
    rows = np.random.default_rng(drugs).integers(-3, 4, (drugs, 5)).astype(np.float32)
    np.testing.assert_array_equal(kernel.gram([rows[:, :2], rows[:, 2:]], drugs), rows @ rows.T)
