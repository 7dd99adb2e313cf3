"""The autoencoder's embeddings."""

import numpy as np
from sklearn.decomposition import PCA

from anchordrug.features.blocks import unit_rows
from anchordrug.features.cell_lines import embed_cell_lines

OPTIONS = {"dim": 6, "epochs": 150, "learning_rate": 1e-3}


def expression(lines=30, genes=50):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(lines, 4)) @ rng.normal(size=(4, genes)) + 8).astype(np.float32)


def test_same_seed_same_embedding_whatever_the_global_state():
    import torch

    one = embed_cell_lines(expression(), seed=1, **OPTIONS)
    torch.manual_seed(99)
    np.testing.assert_array_equal(one, embed_cell_lines(expression(), seed=1, **OPTIONS))
    assert one.shape == (30, 6)
    assert one.dtype == np.float32
    assert not np.allclose(one, embed_cell_lines(expression(), seed=2, **OPTIONS))


def test_neighbours_in_expression_are_neighbours_in_the_embedding():
    data = expression()
    ours = unit_rows(embed_cell_lines(data, seed=0, **OPTIONS))
    theirs = unit_rows(PCA(4).fit_transform((data - data.mean(0)) / data.std(0)))
    upper = np.triu_indices(len(data), 1)
    agreement = np.corrcoef((ours @ ours.T)[upper], (theirs @ theirs.T)[upper])[0, 1]
    assert agreement > 0.6


def test_a_gene_without_spread_does_no_harm():
    data = expression()
    data[:, 3] = 5
    assert np.isfinite(embed_cell_lines(data, seed=0, **OPTIONS)).all()


def test_unit_rows():
    rows = unit_rows(np.array([[3, 4], [0, 0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]])
    assert rows.dtype == np.float32
