"""Seeds of k-means++; their draws are compared with a plain loop through the strategies that use them."""

import numpy as np

from anchordrug.acquisition import kernel
from anchordrug.acquisition.k_means_plus_plus import k_means_plus_plus
from tests.acquisition.strategies.embeddings import random_predictor


def test_the_first_seed_of_k_means_was_drawn_at_distance_zero():
    products = kernel.embedding_kernel(random_predictor(0), np.arange(14))
    positions, distances = k_means_plus_plus(products, 5, 3, np.random.default_rng(0))
    assert (positions[0], distances[0]) == (5, 0)
