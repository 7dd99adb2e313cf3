"""Fitted predictors without a network, and pools made of them."""

import numpy as np

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import ResponsePrior, mechanism_codes

MECHANISMS = ["HDAC inhibitor", "EGFR inhibitor", "EGFR inhibitor|HER2 inhibitor", None]


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Stored:
    """A fitted predictor that hands out stored predictions, drug by drug.

    `table` [drugs, genes, 3]; `passes` [passes, drugs, genes, 3] or noise drawn on demand; `vectors`
    [drugs, genes, width] the embeddings, else the predictions; `push` [genes, 3, features] what a shift of
    the features does to the logits.
    """

    def __init__(self, table, passes=None, vectors=None, push=None, genes_at_once=2):
        self.table = np.asarray(table, np.float32)
        self.passes = None if passes is None else np.asarray(passes, np.float32)
        self.vectors = self.table if vectors is None else np.asarray(vectors, np.float32)
        if push is None:
            push = 30 * np.random.default_rng(0).normal(size=(self.table.shape[1], 3, 5))
        self.push = push
        self.genes_at_once = genes_at_once
        self.calls = 0

    def probabilities(self, drugs):
        self.calls += 1
        return self.table[drugs]

    def labels(self, drugs):
        return self.probabilities(drugs).argmax(axis=2).astype(np.int8)

    def dropout_probabilities(self, drugs, passes, rng):
        self.calls += 1
        if self.passes is not None:
            assert passes == len(self.passes)
            yield from self.passes[:, drugs]
            return
        for _ in range(passes):
            noisy = self.table[drugs] * rng.uniform(0.5, 1.5, (len(drugs), *self.table.shape[1:]))
            yield (noisy / noisy.sum(axis=2, keepdims=True)).astype(np.float32)

    def embeddings(self, drugs):
        self.calls += 1
        for start in range(0, self.table.shape[1], self.genes_at_once):
            genes = slice(start, start + self.genes_at_once)
            yield self.vectors[drugs][:, genes].copy(), self.table[drugs][:, genes].copy()

    def loss_gradient(self, drugs, shift, labels):
        self.calls += 1
        features = self.push.shape[2]
        assert shift.shape in ((len(drugs), 0), (len(drugs), features))
        assert shift.dtype == np.float32
        assert labels.shape == (len(drugs), len(self.push))
        predicted = np.empty(labels.shape, np.int8)
        gradient = np.empty((len(drugs), features), np.float32)
        for row, drug in enumerate(drugs):
            moved = shift[row] if shift.size else np.zeros(features)
            predicted[row], gradient[row] = self.one_gradient(drug, moved.astype(float), labels[row])
        return predicted, gradient

    def one_gradient(self, drug, moved, labels):
        logits = np.log(np.maximum(self.table[drug].astype(float), 1e-6)) + self.push @ moved
        error = softmax(logits) - np.eye(3)[labels]
        return logits.argmax(axis=1), np.einsum("gc,gcf->f", error, self.push) / len(labels)


def random_probabilities(rng, *shape, coarse=False):
    p = rng.dirichlet([0.5, 0.5, 0.5], shape)
    if coarse:  # so that ties between drugs are common
        choices = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
        p = choices[rng.integers(0, len(choices), shape)]
    return p.astype(np.float32)


def random_catalogue(rng, drugs, bits=16, coarse=False):
    fingerprints = (rng.random((drugs, bits)) < 0.3).astype(np.float32)
    if coarse:
        fingerprints = fingerprints[rng.integers(0, 3, drugs) % drugs]
    mechanisms = [MECHANISMS[i] for i in rng.integers(0, len(MECHANISMS), drugs)]
    return catalogue_of(fingerprints, mechanisms, rng, coarse)


def catalogue_of(fingerprints, mechanisms, rng, coarse=False):
    """A catalogue with prior responses; two drugs in three, and the first, are known to source lines."""
    drugs, genes = len(fingerprints), 5
    lines = np.append(rng.integers(0, 3, drugs), 0).astype(np.float32)
    lines[0] = max(lines[0], 1)
    total = rng.normal(size=(drugs + 1, genes))
    total = (np.round(total) if coarse else total) * lines[:, None]
    # A row per known drug, and the last.
    rows = [*np.flatnonzero(lines), drugs]
    counts = np.zeros((2, len(rows), genes), np.float32)
    prior = ResponsePrior(
        PackedBits.of(fingerprints),
        mechanism_codes(mechanisms),
        lines,
        lines[rows, None],
        total[rows].astype(np.float32),
        *counts,
    )
    return Catalogue(fingerprints, mechanisms, prior)


def reordered(catalogue, order):
    """The same drugs in another order of the drug table; the prior's last row is nobody's."""
    prior = catalogue.prior
    lines = prior.lines[[*order, -1]]
    rows = prior.row_of[[*order[lines[:-1] > 0], -1]]
    again = ResponsePrior(
        PackedBits.of(prior.bits[order]),
        prior.mechanism[order],
        lines,
        prior.counts[rows],
        prior.total[rows],
        prior.down[rows],
        prior.up[rows],
    )
    mechanisms = [catalogue.mechanisms[row] for row in order]
    return Catalogue(catalogue.fingerprints[order], mechanisms, again)


def fake_view(seed, pool=12, genes=4, coarse=False, anchors=0):
    """A pool and anchors that are scattered rows of a larger drug table."""
    rng = np.random.default_rng(seed)
    drugs = 3 * pool + anchors
    table = random_probabilities(rng, drugs, genes, coarse=coarse)
    rows = rng.permutation(drugs)
    catalogue = random_catalogue(rng, drugs, coarse=coarse)
    return PoolView(Stored(table), rows[:pool], rows[pool : pool + anchors], catalogue)


def view_of(predictor, anchors=()):
    """All drugs of `predictor` but the anchors as a pool, in order, with nothing known of them."""
    drugs = len(predictor.table)
    anchors = np.array(anchors, np.int64)
    free = np.setdiff1d(np.arange(drugs), anchors)
    return PoolView(predictor, free, anchors, Catalogue(np.zeros((drugs, 4), np.float32), [None] * drugs))


def choose(name, view, batch, seed=0):
    return strategy(name)(view, batch, np.random.default_rng(seed))
