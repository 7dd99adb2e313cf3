"""Predictability of genes: what drugs share across lines scores high, noise does not, no peeking."""

from dataclasses import replace

import numpy as np
import pytest

from anchordrug.predictors.response.predictability import predictability
from tests.predictors.response.response_worlds import THRESHOLD, random_world

WORLD = random_world()


def scores_of(atlas, **options):
    options = {"folds": 4, "seed": 0} | options
    return predictability(atlas, WORLD.bits, WORLD.mechanism, THRESHOLD, **options)


def with_noise(gene):
    z = WORLD.sources.z.copy()
    z[:, gene] = np.random.default_rng(1).normal(size=len(z))
    return replace(WORLD.sources, z=z)


@pytest.mark.parametrize("gene", [0, 5])
def test_a_gene_of_noise_ranks_last(gene):
    found = scores_of(with_noise(gene))
    mean = found.scores.mean(axis=0)
    assert np.argmin(mean) == gene
    assert abs(mean[gene]) < 0.3
    assert np.delete(mean, gene).min() > 0.4


def test_a_constant_gene_scores_nothing():
    z = WORLD.sources.z.copy()
    z[:, 2] = 1.5
    assert (scores_of(replace(WORLD.sources, z=z)).scores[:, 2] == 0).all()


def test_lines_with_too_few_drugs_play_no_target():
    sources = WORLD.sources
    sizes = np.bincount(sources.cell_line)
    found = scores_of(sources)
    assert sorted(found.lines) == [line for line in np.flatnonzero(sizes) if sizes[line] >= 10]
    assert found.scores.shape == (len(found.lines), len(sources.genes))


def test_one_line_is_not_enough():
    with pytest.raises(ValueError, match="no two cell lines"):
        scores_of(WORLD.sources.restricted_to(WORLD.sources.cell_line == 1))


def test_labels_of_noise_cannot_be_learned_by_heart():
    """With every response replaced by noise, a prediction that had seen its drug would correlate with it."""
    noise = np.random.default_rng(2).normal(size=WORLD.sources.z.shape).astype(np.float32)
    assert abs(scores_of(replace(WORLD.sources, z=noise)).scores.mean()) < 0.15


def test_the_seed_deals_the_folds():
    one, same, other = (scores_of(WORLD.sources, seed=seed).scores for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
