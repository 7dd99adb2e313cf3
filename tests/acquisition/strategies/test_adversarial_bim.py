"""The smallest perturbations, against one drug at a time followed to its end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.acquisition import Catalogue, PoolView
from tests.acquisition.fakes import Stored, choose, random_probabilities, softmax, view_of
from tests.predictors.mlp.networks import small_fitted

SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=30, deadline=None)


class Curved(Stored):
    """Logits out(tanh(hidden(features + shift))) for every gene, with the gradient derived by hand."""

    def __init__(self, rng, drugs, genes, scale, features=6, width=4):
        self.features = rng.normal(size=(drugs, features))
        self.hidden = rng.normal(size=(genes, width, features))
        self.out = scale * rng.normal(size=(genes, 3, width))
        table = np.array([softmax(self.logits(drug, np.zeros(features))) for drug in range(drugs)])
        super().__init__(table, push=np.zeros((genes, 3, features)))

    def logits(self, drug, moved):
        return np.einsum("gcw,gw->gc", self.out, np.tanh(self.hidden @ (self.features[drug] + moved)))

    def one_gradient(self, drug, moved, labels):
        logits = self.logits(drug, moved)
        error = softmax(logits) - np.eye(3)[labels]
        slope = 1 - np.tanh(self.hidden @ (self.features[drug] + moved)) ** 2
        return logits.argmax(axis=1), np.einsum(
            "gc,gcw,gw,gwf->f", error, self.out, slope, self.hidden
        ) / len(labels)


def length(vector):
    return sum(float(x) ** 2 for x in vector) ** 0.5


def path_by_loop(predictor, drug, features, steps=200):
    """The length of one drug's perturbation, and whether a tenth of its genes turned."""
    one = np.array([drug])
    labels = predictor.probabilities(one).argmax(axis=2)
    before = np.zeros((1, features), np.float32)
    share_before = 1.0
    _, gradient = predictor.loss_gradient(one, np.zeros((1, 0), np.float32), labels)
    for _ in range(steps):
        shift = (before + np.float32(1e-3) * gradient).astype(np.float32)
        predicted, gradient = predictor.loss_gradient(one, shift, labels)
        share = sum(int(a == b) for a, b in zip(predicted[0], labels[0], strict=True)) / labels.shape[1]
        if share < 0.9:
            t = (share_before - 0.9) / (share_before - share)
            return length((before + t * (shift - before))[0].tolist()), True
        before, share_before = shift, share
    return length(before[0].tolist()), False


def lengths_by_loop(predictor, drugs, features):
    """The lengths of all drugs; those that never end come after all that do."""
    paths = [path_by_loop(predictor, drug, features) for drug in drugs]
    longest = max([length for length, ended in paths if ended], default=0)
    return [length if ended else longest + length for length, ended in paths]


def test_a_drug_that_never_moves_comes_after_the_one_that_ends():
    predictor = Curved(np.random.default_rng(1), 9, 1, 40.0)
    lengths = [path_by_loop(predictor, drug, 6) for drug in range(9)]
    shortest = min((found, drug) for drug, (found, ended) in enumerate(lengths) if ended)
    assert min(found for found, _ in lengths) < shortest[0]
    assert choose("adversarial_bim", view_of(predictor), 1).positions.tolist() == [shortest[1]]


def check(selection, lengths, batch):
    order = sorted(range(len(lengths)), key=lambda position: lengths[position])
    np.testing.assert_allclose(-selection.scores, [lengths[i] for i in order[:batch]], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(
        -selection.scores, [lengths[i] for i in selection.positions], rtol=1e-3, atol=1e-7
    )


def gentle(seed, drugs, genes, scale):
    """Straight logits: drugs that end after a step, after many and never."""
    rng = np.random.default_rng(seed)
    push = scale * rng.normal(size=(genes, 3, 5)) * rng.uniform(0.2, 2, (genes, 1, 1))
    return Stored(random_probabilities(rng, drugs, genes), push=push)


@given(
    seed=SEEDS, share=st.floats(0, 1), genes=st.integers(1, 24), scale=st.sampled_from([1.0, 3.0, 10.0, 40.0])
)
@settings(max_examples=60, deadline=None)
def test_it_is_every_drug_followed_to_its_end(seed, share, genes, scale):
    predictor = gentle(seed, 9, genes, scale)
    batch = max(1, round(share * 9))
    lengths = lengths_by_loop(predictor, range(9), 5)
    check(choose("adversarial_bim", view_of(predictor), batch), lengths, batch)


@given(
    seed=SEEDS,
    share=st.floats(0, 1),
    genes=st.integers(1, 24),
    scale=st.sampled_from([3.0, 10.0, 40.0, 200.0]),
)
@settings(max_examples=25, deadline=None)
def test_it_is_every_drug_followed_to_its_end_where_logits_bend(seed, share, genes, scale):
    predictor = Curved(np.random.default_rng(seed), 9, genes, scale)
    batch = max(1, round(share * 9))
    lengths = lengths_by_loop(predictor, range(9), 6)
    check(choose("adversarial_bim", view_of(predictor), batch), lengths, batch)


def test_the_examples_hold_drugs_that_end_at_once_later_and_never():
    ended = []
    for scale in (3.0, 10.0, 40.0):
        predictor = gentle(3, 9, 20, scale)
        ended += [path_by_loop(predictor, drug, 5, steps)[1] for steps in (1, 200) for drug in range(9)]
    assert 0 < sum(ended) < len(ended)


@given(seed=SEEDS, batch=st.integers(1, 8))
@quick
def test_a_smaller_batch_is_the_beginning_of_a_larger_one(seed, batch):
    predictor = gentle(seed, 9, 12, 10.0)
    large = choose("adversarial_bim", view_of(predictor), 9)
    small = choose("adversarial_bim", view_of(predictor), batch)
    assert small.positions.tolist() == large.positions[:batch].tolist()
    np.testing.assert_allclose(small.scores, large.scores[:batch], rtol=1e-6)


@pytest.mark.parametrize(
    ("genes", "turned", "ends"), [(10, 1, False), (10, 2, True), (20, 2, False), (20, 3, True)]
)
def test_nine_tenths_kept_is_not_yet_the_end(genes, turned, ends):
    table = np.tile([0.999, 0.0005, 0.0005], (1, genes, 1))
    table[0, :turned] = [0.5001, 0.4999, 0]
    push = np.zeros((genes, 3, 2))
    push[:turned, 1, 0] = 40
    push[turned:, 1, 1] = 1e-3
    score = -choose("adversarial_bim", view_of(Stored(table, push=push)), 1).scores[0]
    found, ended = path_by_loop(Stored(table, push=push), 0, 2)
    assert ended == ends
    np.testing.assert_allclose(score, found, rtol=1e-4)


def test_the_length_is_interpolated_within_the_last_step():
    # Every step moves the only feature by 1e-3 x 100 x 0.5: at the first, all ten genes turn at once.
    table = np.tile([0.5 + 1e-6, 0.5 - 1e-6, 0], (1, 10, 1))
    push = np.zeros((10, 3, 1))
    push[:, 1] = 100
    score = -choose("adversarial_bim", view_of(Stored(table, push=push)), 1).scores[0]
    np.testing.assert_allclose(score, 0.1 * 1e-3 * 100 * 0.5, rtol=1e-3)


def test_a_drug_that_nothing_moves_has_gone_nowhere():
    table = np.tile([0.5, 0.3, 0.2], (3, 4, 1))
    selection = choose("adversarial_bim", view_of(Stored(table, push=np.zeros((4, 3, 2)))), 3)
    assert selection.positions.tolist() == [0, 1, 2]
    assert np.abs(selection.scores).tolist() == [0, 0, 0]


def test_it_ends_as_soon_as_no_other_drug_can_come_first():
    # The first drug ends at once. The second goes farther than it, but would not end within 200 steps.
    sure = 1 - 5e-4
    table = np.array([np.tile([0.5 + 1e-6, 0.5 - 1e-6, 0], (10, 1)), np.tile([sure, 1 - sure, 0], (10, 1))])
    push = np.zeros((10, 3, 1))
    push[:, 1] = 100
    alone, both = Stored(table[:1], push=push), Stored(table, push=push)
    choose("adversarial_bim", view_of(alone), 1)
    assert alone.calls == 3  # the labels, the gradient where the drug stands, and where the first step led
    assert choose("adversarial_bim", view_of(both), 1).positions.tolist() == [0]
    assert both.calls < 150


def test_drugs_are_known_by_their_rows_of_the_drug_table():
    predictor = gentle(4, 12, 10, 10.0)
    drugs = np.array([7, 2, 11, 5])
    catalogue = Catalogue(np.zeros((12, 4), np.float32), [None] * 12)
    selection = choose("adversarial_bim", PoolView(predictor, drugs, np.array([1]), catalogue), 4)
    check(selection, lengths_by_loop(predictor, drugs, 5), 4)


@pytest.mark.parametrize("batch", [1, 4, 9])
def test_it_follows_the_network_too(batch):
    fitted = small_fitted(drugs=9, genes=11, sharpness=10)
    paths = [path_by_loop(fitted, drug, 12) for drug in range(9)]
    assert {ended for _, ended in paths} == {True, False}
    pool = np.arange(9)
    view = PoolView(fitted, pool, pool[:0], Catalogue(fitted.features.drugs, [None] * 9))
    check(choose("adversarial_bim", view, batch), lengths_by_loop(fitted, range(9), 12), batch)
