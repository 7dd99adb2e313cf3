"""response_net: training and prediction are one function, and nothing but the seed decides the weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.response.net import COMPONENTS, drug_inputs, gene_paths, prior_basis
from anchordrug.predictors.response.net_training import ResponseNet, finetune_net, net_data, net_fit
from anchordrug.predictors.response.prior import Evidence
from tests.predictors.response.response_worlds import NET, THRESHOLD, fixed_world


@pytest.fixture(scope="module")
def world():
    return fixed_world()


@pytest.fixture(scope="module")
def trained(world):
    """Network and losses; tests must not train it further."""
    return world.pretrained()


def data_of(world, drugs, z):
    prior = world.prior()
    labels = labels_of(z, THRESHOLD)
    return net_data(world.basis(), prior.evidence_of(drugs), prior.bits[drugs], world.cells[0], labels)


def new_network(world, seed=0):
    basis = world.basis()
    return ResponseNet(
        world.bits.shape[1], basis.components.shape[1], world.cells.shape[1], 8, NET, seed
    ).eval()


def randomised(network, seed=0):
    """The network with every weight drawn at random, so that no part of it is silent."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.4)
    return network


def same_weights(one, other):
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


def loss_of(network, data):
    with torch.no_grad():
        logits = network(data.drugs, data.cells, data.paths)
        return float(functional.cross_entropy(logits.flatten(0, 1), data.labels.flatten()))


@pytest.mark.parametrize("seed", [0, 1])
def test_arrays_and_network_give_the_same_logits(world, seed):
    network = randomised(new_network(world), seed)
    drugs = world.everything
    data = data_of(world, drugs, np.zeros((len(drugs), 8), np.float32))
    with torch.no_grad():
        theirs = network(data.drugs, data.cells, data.paths).numpy()
    fit = net_fit(network, world.basis(), world.cells[0])
    prior = world.prior()
    ours = fit.logits(NumpyOps, prior.evidence_of(drugs), prior.bits[drugs])
    assert ours.dtype == np.float32
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_arrays_and_a_trained_network_give_the_same_logits(world, trained):
    network, _ = trained
    drugs = world.everything
    data = data_of(world, drugs, np.zeros((len(drugs), 8), np.float32))
    with torch.no_grad():
        theirs = network(data.drugs, data.cells, data.paths).numpy()
    prior = world.prior()
    fit = net_fit(network, world.basis(), world.cells[0])
    ours = fit.logits(NumpyOps, prior.evidence_of(drugs), prior.bits[drugs])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_every_part_of_the_input_reaches_the_logits(world):
    network = randomised(new_network(world))
    prior, drugs = world.prior(), world.everything
    evidence = prior.evidence_of(drugs)

    def logits(evidence=evidence, bits=prior.bits[:], cell=world.cells[0]):
        return net_fit(network, world.basis(), cell).logits(NumpyOps, evidence, bits)

    whole = logits()
    for other in (
        logits(bits=1 - prior.bits[:]),
        logits(cell=world.cells[1]),
        logits(replace(evidence, prior=-evidence.prior)),
        logits(replace(evidence, lines=evidence.lines + 1)),
    ):
        assert np.abs(other - whole).max(axis=(1, 2)).min() > 1e-3


def test_a_network_without_training_predicts_the_same_probability_for_everything(world):
    network = new_network(world)
    assert not network.path.any()
    prior, drugs = world.prior(), world.everything
    logits = net_fit(network, world.basis(), world.cells[0]).logits(
        NumpyOps, prior.evidence_of(drugs), prior.bits[drugs]
    )
    np.testing.assert_allclose(NumpyOps.softmax(logits), 1 / 3, atol=1e-7)


def test_the_gene_paths_are_trained(trained):
    network, _ = trained
    assert (network.path != 0).all()


def test_the_path_of_a_gene_sees_its_own_prior_alone():
    prior = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    other = prior.copy()
    other[:, 2] += 1
    before, after = (np.stack(gene_paths(NumpyOps, one)) for one in (prior, other))
    changed = before != after
    assert changed[:, :, 2].all(axis=0).all()
    assert not changed[:, :, [0, 1, 3]].any()


def test_the_same_seed_builds_the_same_network_and_another_seed_another(world):
    assert same_weights(new_network(world, 0), new_network(world, 0))
    assert not torch.equal(new_network(world, 0).drug.weight, new_network(world, 1).drug.weight)


def test_the_same_seed_trains_the_same_weights_and_another_seed_other_ones(world, trained):
    network, losses = trained
    again, same = world.pretrained()
    other, different = world.pretrained(seed=1)
    assert same_weights(network, again)
    assert losses == same
    assert losses != different
    state = other.state_dict()
    assert not any(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_training_lowers_the_loss_and_leaves_a_network_that_is_ready_to_predict(trained):
    network, losses = trained
    assert len(losses) == NET.epochs
    assert losses[-1] < losses[0] < 1.2
    assert not network.training


def test_dropout_acts_in_training(world, trained):
    assert world.pretrained(settings=replace(NET, dropout=0.0))[1] != trained[1]


def test_building_and_training_leave_torchs_random_numbers_alone(world):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    network, _ = world.pretrained()
    finetune_net(network, data_of(world, *world.anchors(8)), NET, seed=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_was_drawn_before_does_not_change_the_weights(world, trained):
    torch.manual_seed(77)
    torch.rand(5)
    assert same_weights(trained[0], world.pretrained()[0])


@pytest.mark.parametrize("count", [1, 8, 20])
def test_finetuning_lowers_the_loss_on_its_own_drugs(world, count):
    network, _ = world.pretrained()
    data = data_of(world, *world.anchors(count))
    before = loss_of(network, data)
    finetune_net(network, data, replace(NET, finetune_epochs=12), seed=0)
    assert loss_of(network, data) < before - 0.01
    assert not network.training


def test_finetuning_has_a_seed_of_its_own(world):
    def tuned(seed):
        network, _ = world.pretrained()
        finetune_net(network, data_of(world, *world.anchors(8)), NET, seed)
        return network

    assert same_weights(tuned(3), tuned(3))
    assert not same_weights(tuned(3), tuned(4))


def test_profiles_to_train_on_have_a_row_for_every_drug(world):
    drugs, z = world.anchors(9)
    data = data_of(world, drugs, z)
    prior = world.prior()
    evidence = prior.evidence_of(drugs)
    assert data.drugs.shape == (9, world.bits.shape[1] + world.basis().components.shape[1] + 2)
    assert data.drugs.dtype == data.cells.dtype == data.paths.dtype == torch.float32
    np.testing.assert_array_equal(data.cells.numpy(), np.tile(2 * world.cells[0], (9, 1)))
    np.testing.assert_array_equal(data.paths.numpy(), np.stack(gene_paths(NumpyOps, evidence.prior), axis=-1))
    np.testing.assert_array_equal(data.labels.numpy(), labels_of(z, THRESHOLD))


def test_a_drug_without_bits_and_one_that_nobody_measured_have_finite_inputs(world):
    genes = len(world.basis().mean)
    nothing, zero = np.zeros((1, genes), np.float32), np.zeros((1, 1), np.float32)
    evidence = Evidence(nothing, nothing, nothing, zero, zero)
    inputs = drug_inputs(NumpyOps, world.basis(), evidence, np.zeros((1, world.bits.shape[1]), np.float32))
    assert np.isfinite(inputs).all()
    assert not inputs[:, : world.bits.shape[1]].any()
    # Neither seen nor measured in any line.
    assert inputs[:, -2:].tolist() == [[0, 0]]


def test_the_bits_of_a_drug_weigh_the_same_however_many_there_are(world):
    prior, drugs = world.prior(), world.everything
    inputs = drug_inputs(NumpyOps, world.basis(), prior.evidence_of(drugs), prior.bits[:])
    lengths = np.linalg.norm(inputs[:, : world.bits.shape[1]], axis=1)
    some = prior.bits[:].any(axis=1)
    np.testing.assert_allclose(lengths[some], 4, rtol=1e-5)
    assert (~some).sum() == 1


def random_prior(seed, drugs, genes):
    rng = np.random.default_rng(seed)
    # Components of clearly different size, so that they are not arbitrary.
    return (rng.normal(size=(drugs, genes)) * 1.5 ** np.arange(genes) + rng.normal(size=genes)).astype(
        np.float32
    )


@given(seed=st.integers(0, 10**6), drugs=st.integers(20, 60), genes=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_components_are_orthogonal_of_one_length_and_their_largest_entry_is_positive(seed, drugs, genes):
    prior = random_prior(seed, drugs, genes)
    basis = prior_basis(prior)
    components = basis.components.astype(np.float64)
    assert components.shape == (genes, genes)
    gram = components.T @ components
    np.testing.assert_allclose(gram / gram[0, 0], np.eye(genes), atol=1e-4)
    largest = np.abs(components).argmax(axis=0)
    assert (components[largest, np.arange(genes)] > 0).all()
    projected = (prior - basis.mean) @ components
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-3)
    # The first component varies by a quarter, each next one by no more.
    spread = projected.std(axis=0)
    assert spread[0] == pytest.approx(0.25, rel=1e-3)
    assert (np.diff(spread) < 1e-6).all()


@given(seed=st.integers(0, 10**6), drugs=st.integers(20, 60), genes=st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_components_are_uncorrelated_over_the_drugs(seed, drugs, genes):
    prior = random_prior(seed, drugs, genes)
    basis = prior_basis(prior)
    projected = ((prior - basis.mean) @ basis.components).astype(np.float64)
    covariance = projected.T @ projected / drugs
    assert np.abs(covariance - np.diag(covariance.diagonal())).max() < 1e-4 * covariance[0, 0]


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_order_of_drugs_does_not_change_the_basis(seed):
    prior = random_prior(seed, 40, 5)
    one = prior_basis(prior)
    other = prior_basis(prior[np.random.default_rng(seed).permutation(40)])
    # Two entries of a component may be about as large; then the sign may be either.
    entries = np.sort(np.abs(one.components), axis=0)
    clear = entries[-1] - entries[-2] > 1e-3 * entries[-1]
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-5)
    scale = np.abs(one.components).max()
    np.testing.assert_allclose(one.components[:, clear], other.components[:, clear], atol=1e-3 * scale)


def test_a_shift_of_all_drugs_moves_the_mean_and_nothing_else():
    prior = random_prior(3, 50, 6)
    shift = np.arange(6, dtype=np.float32)
    one, other = prior_basis(prior), prior_basis(prior + shift)
    np.testing.assert_allclose(other.mean, one.mean + shift, atol=1e-4)
    np.testing.assert_allclose(other.components, one.components, atol=1e-4)


def test_the_unit_of_the_prior_does_not_change_what_the_network_sees():
    prior = random_prior(4, 50, 6)
    one, other = prior_basis(prior), prior_basis(prior * np.float32(7))
    np.testing.assert_allclose(
        (prior * np.float32(7) - other.mean) @ other.components,
        (prior - one.mean) @ one.components,
        atol=1e-4,
    )


def test_of_many_genes_so_many_components_are_kept():
    basis = prior_basis(np.random.default_rng(0).normal(size=(100, COMPONENTS + 6)))
    assert basis.components.shape == (COMPONENTS + 6, COMPONENTS)
    gram = basis.components.T @ basis.components
    np.testing.assert_allclose(gram / gram[0, 0], np.eye(COMPONENTS), atol=1e-4)


def test_a_prior_that_says_nothing_has_a_basis_all_the_same():
    basis = prior_basis(np.zeros((12, 5), np.float32))
    assert np.isfinite(basis.components).all()
    assert not basis.mean.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_trains_much_the_same_network_and_hands_it_back(world):
    calm = replace(NET, dropout=0.0)
    _, on_cpu = world.pretrained(settings=calm)
    network, on_gpu = world.pretrained(settings=replace(calm, device="cuda"))
    assert network.path.device.type == "cpu"
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0.05)
    drugs, z = world.anchors(10)
    finetune_net(network, data_of(world, drugs, z), replace(calm, device="cuda"), seed=0)
    assert network.path.device.type == "cpu"
