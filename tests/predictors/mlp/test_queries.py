"""What strategies ask of a fitted network, against the dense network in float64."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from anchordrug.features.blocks import FeatureBlocks
from anchordrug.predictors.mlp import predictor as mlp
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.predictor import MlpFitted
from tests.acquisition.fakes import softmax
from tests.predictors.mlp.networks import dense_rows, dense_twin, small_fitted

ALL = np.arange(9)
EPSILON = float(np.finfo(np.float32).eps)
cases = given(
    seed=st.integers(0, 1000), drugs=st.lists(st.integers(0, 8), min_size=1, max_size=9, unique=True)
)
quick = settings(max_examples=20, deadline=None)


def together(fitted, drugs):
    embeddings, probabilities = zip(*fitted.embeddings(drugs), strict=True)
    return np.concatenate(embeddings, axis=1), np.concatenate(probabilities, axis=1)


def dense_embeddings(fitted, drugs):
    rows = dense_rows(fitted.features, drugs, fitted.cell_line)
    return dense_twin(fitted.network)[:-1](rows)


def dense_gradients(fitted, drug, shift, labels):
    """float64 [12] each: gradients of the mean cross entropy over genes that float32 may rightly give.

    Where the argument of a leaky ReLU is 0 within the rounding of float32, its slope on either side is right.
    """
    rows = dense_rows(fitted.features, [drug], fitted.cell_line, shift[None])[0]
    *linears, output = [layer for layer in dense_twin(fitted.network) if isinstance(layer, nn.Linear)]
    hidden, slopes, kinks = rows, [], []
    # Features and shift are multiplied and rounded apart, though they may cancel each other.
    error, size = torch.zeros_like(rows), rows.abs()
    size[:, :12] += 2 * torch.from_numpy(np.abs(shift))
    for number, layer in enumerate(linears):
        weight, bias = layer.weight.detach(), layer.bias.detach()
        terms = layer.in_features + 1
        error = error @ weight.T.abs() + terms * EPSILON * (size @ weight.T.abs() + bias.abs())
        argument = hidden @ weight.T + bias
        slopes.append(torch.where(argument > 0, 1.0, SLOPE).double())
        kinks += [(number, gene, unit) for gene, unit in (argument.abs() <= error).nonzero().tolist()]
        hidden = argument * slopes[-1]
        size = hidden.abs()
    p = (hidden @ output.weight.T + output.bias).softmax(-1).detach()
    loss = (p - functional.one_hot(torch.from_numpy(labels.astype(np.int64)), 3)) / len(labels)
    for chosen in itertools.product([1.0, SLOPE], repeat=len(kinks)):
        for (number, gene, unit), slope in zip(kinks, chosen, strict=True):
            slopes[number][gene, unit] = slope
        gradient = loss @ output.weight.detach()
        for layer, slope in zip(reversed(linears), reversed(slopes), strict=True):
            gradient = (gradient * slope) @ layer.weight.detach()
        yield gradient.sum(0)[:12].numpy()


@cases
@quick
def test_embeddings_are_the_last_hidden_layer_of_the_dense_network(seed, drugs):
    fitted = small_fitted(seed=seed, share=0.1 + 0.8 * (seed % 2))
    embeddings, _ = together(fitted, np.array(drugs))
    assert embeddings.shape == (len(drugs), 11, 6)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(
        embeddings, dense_embeddings(fitted, drugs).detach().numpy(), rtol=1e-4, atol=1e-6
    )


@cases
@quick
def test_probabilities_beside_embeddings_are_made_of_them_and_are_those_predicted(seed, drugs):
    fitted = small_fitted(seed=seed, sharpness=5)
    embeddings, probabilities = together(fitted, np.array(drugs))
    assert probabilities.dtype == np.float32
    made = fitted.network.output(torch.from_numpy(embeddings)).softmax(-1).numpy()
    np.testing.assert_allclose(probabilities, made, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(probabilities, fitted.probabilities(np.array(drugs)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("numbers", [1, 53, 54, 55, 107, 108, 300, 9 * 11 * 6 - 1, 9 * 11 * 6, 10**6])
@pytest.mark.parametrize("block", [1, 4, 100])
def test_how_many_genes_come_at_once_does_not_matter(numbers, block, monkeypatch):
    fitted = small_fitted()
    expected = together(fitted, ALL)
    monkeypatch.setattr(mlp, "EMBEDDING_NUMBERS", numbers)
    monkeypatch.setattr(mlp, "DRUGS_A_BLOCK", block)
    chunks = [(a.copy(), b.copy()) for a, b in fitted.embeddings(ALL)]
    assert all(a.size <= max(numbers, 9 * 6) for a, _ in chunks)
    assert len(chunks) == -(-11 // min(11, max(1, numbers // 54)))
    for one, other in zip(zip(*chunks, strict=True), expected, strict=True):
        np.testing.assert_allclose(np.concatenate(one, axis=1), other, rtol=1e-5, atol=1e-7)


def test_chunks_of_embeddings_may_be_kept_while_others_come(monkeypatch):
    fitted = small_fitted()
    expected = together(fitted, ALL)[0]
    monkeypatch.setattr(mlp, "EMBEDDING_NUMBERS", 100)
    kept = []
    for embeddings, _ in fitted.embeddings(ALL):
        kept.append(embeddings)
        fitted.probabilities(ALL)
        fitted.loss_gradient(ALL, np.zeros((9, 0), np.float32), np.zeros((9, 11), np.int8))
    np.testing.assert_allclose(np.concatenate(kept, axis=1), expected, rtol=1e-5, atol=1e-7)


def require_gradient(found, expected):
    """Check a gradient against those that are right, nearest first."""
    nearest = min(expected, key=lambda gradient: np.abs(gradient - found).max())
    np.testing.assert_allclose(found, nearest, rtol=1e-4, atol=2e-7)


# An argument of the first leaky ReLU is 4e-7: in float32 it may be on either side of 0.
@example(seed=815, drugs=[0, 3, 4, 2])
@cases
@quick
def test_the_gradient_is_that_of_the_dense_network(seed, drugs):
    fitted = small_fitted(seed=seed, sharpness=3)
    rng = np.random.default_rng(seed)
    shift = rng.normal(scale=0.05, size=(len(drugs), 12)).astype(np.float32)
    labels = rng.integers(0, 3, (len(drugs), 11)).astype(np.int8)
    _, gradient = fitted.loss_gradient(np.array(drugs), shift, labels)
    assert gradient.shape == (len(drugs), 12)
    assert gradient.dtype == np.float32
    for row, drug in enumerate(drugs):
        require_gradient(gradient[row], dense_gradients(fitted, drug, shift[row], labels[row]))


def test_the_gradient_of_the_dense_network_is_that_of_central_differences():
    fitted = small_fitted(seed=1, sharpness=3)
    rng = np.random.default_rng(1)
    shift, h = rng.normal(scale=0.05, size=12), 1e-6
    labels = rng.integers(0, 3, 11).astype(np.int8)

    def loss(shift):
        rows = dense_rows(fitted.features, [4], fitted.cell_line, shift[None])
        (p,) = softmax(dense_twin(fitted.network)(rows).detach().numpy())
        return -np.log(p[np.arange(11), labels]).mean()

    slopes = [(loss(shift + h * bit) - loss(shift - h * bit)) / (2 * h) for bit in np.eye(12)]
    (gradient,) = dense_gradients(fitted, 4, shift, labels)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)


@cases
@quick
def test_the_gradient_of_several_genes_is_the_mean_of_those_of_each(seed, drugs):
    fitted = small_fitted(seed=seed, sharpness=3)
    labels = np.random.default_rng(seed).integers(0, 3, (len(drugs), 11)).astype(np.int8)
    nothing = np.zeros((len(drugs), 0), np.float32)
    drugs = np.array(drugs)
    blocks = fitted.features
    alone = [
        MlpFitted(
            fitted.network, FeatureBlocks(blocks.drugs, blocks.cell_lines, blocks.genes[[gene]]), 1
        ).loss_gradient(drugs, nothing, labels[:, [gene]])
        for gene in range(11)
    ]
    predicted, gradient = fitted.loss_gradient(drugs, nothing, labels)
    np.testing.assert_allclose(gradient, np.mean([one for _, one in alone], axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(predicted, np.concatenate([one for one, _ in alone], axis=1))


@cases
@quick
def test_a_shift_moves_the_rows_of_the_drugs(seed, drugs):
    fitted = small_fitted(seed=seed, sharpness=5)
    rng = np.random.default_rng(seed)
    drugs = np.array(drugs)
    shift = rng.normal(scale=0.3, size=(len(drugs), 12)).astype(np.float32)
    labels = rng.integers(0, 3, (len(drugs), 11)).astype(np.int8)
    moved_rows = fitted.features.drugs.copy()
    moved_rows[drugs] += shift
    moved = MlpFitted(
        fitted.network, FeatureBlocks(moved_rows, fitted.features.cell_lines, fitted.features.genes), 1
    )
    ours = fitted.loss_gradient(drugs, shift, labels)
    theirs = moved.loss_gradient(drugs, np.zeros((len(drugs), 0), np.float32), labels)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-3, atol=1e-6)
    p = np.sort(moved.probabilities(drugs), axis=2)
    clear = p[:, :, 2] - p[:, :, 1] > 1e-5
    np.testing.assert_array_equal(ours[0][clear], moved.probabilities(drugs).argmax(axis=2)[clear])
    np.testing.assert_array_equal(ours[0][clear], theirs[0][clear])


def test_no_shift_and_a_shift_of_zero_are_the_same():
    fitted = small_fitted()
    labels = np.zeros((9, 11), np.int8)
    none = fitted.loss_gradient(ALL, np.zeros((9, 0), np.float32), labels)
    zero = fitted.loss_gradient(ALL, np.zeros((9, 12), np.float32), labels)
    np.testing.assert_array_equal(none[0], zero[0])
    np.testing.assert_allclose(none[1], zero[1], rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(none[0], fitted.probabilities(ALL).argmax(axis=2))


@pytest.mark.parametrize("block", [1, 2, 100])
def test_a_drugs_gradient_does_not_depend_on_the_drugs_beside_it(block, monkeypatch):
    fitted = small_fitted()
    labels = np.random.default_rng(0).integers(0, 3, (9, 11)).astype(np.int8)
    shift = np.random.default_rng(1).normal(size=(9, 12)).astype(np.float32)
    expected = fitted.loss_gradient(ALL, shift, labels)
    monkeypatch.setattr(mlp, "DRUGS_A_BLOCK", block)
    order = np.array([4, 8, 0])
    found = fitted.loss_gradient(order, shift[order], labels[order])
    np.testing.assert_array_equal(found[0], expected[0][order])
    np.testing.assert_allclose(found[1], expected[1][order], rtol=1e-4, atol=1e-7)


def test_questions_leave_the_network_its_features_and_the_arguments_as_they_are():
    fitted = small_fitted()
    weights = {name: value.clone() for name, value in fitted.network.state_dict().items()}
    rows, shift = fitted.features.drugs.copy(), np.ones((9, 12), np.float32)
    labels = np.zeros((9, 11), np.int8)
    before = fitted.probabilities(ALL)
    fitted.loss_gradient(ALL, shift, labels)
    list(fitted.embeddings(ALL))
    np.testing.assert_array_equal(fitted.probabilities(ALL), before)
    assert all(torch.equal(value, weights[name]) for name, value in fitted.network.state_dict().items())
    assert all(parameter.grad is None for parameter in fitted.network.parameters())
    np.testing.assert_array_equal(fitted.features.drugs, rows)
    assert (shift == 1).all()
    assert (labels == 0).all()


@given(seed=st.integers(0, 1000), share=st.sampled_from([0.0, 0.02, 0.1, 0.5]), n=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_features_that_are_mostly_zeros_are_multiplied_like_all_others(seed, share, n):
    shape = MlpShape((40, 5, 30), (16, 8, 6), 0.4)
    rng = np.random.default_rng(seed)
    network = FactorisedMlp(shape, seed)
    drugs, lines, genes = (
        torch.from_numpy(
            (rng.normal(size=(rows, width)) * (rng.random((rows, width)) < keep)).astype(np.float32)
        )
        for rows, width, keep in ((n, 40, share), (n, 5, 1), (7, 30, share))
    )
    rows = torch.stack(
        [torch.cat([d, c, g]) for d, c in zip(drugs, lines, strict=True) for g in genes]
    ).double()
    target = torch.from_numpy(rng.integers(0, 3, n * 7))
    dense, ours = dense_twin(network), network(drugs, lines, genes).reshape(-1, 3)
    theirs = dense(rows)
    np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-4, atol=1e-5)
    functional.cross_entropy(ours, target).backward()
    functional.cross_entropy(theirs, target).backward()
    expected = dense[0].weight.grad.T.split(list(shape.inputs))
    for weight, gradient in zip(
        (network.weight_drug, network.weight_cell, network.weight_gene), expected, strict=True
    ):
        np.testing.assert_allclose(weight.grad, gradient, rtol=1e-3, atol=1e-6)
