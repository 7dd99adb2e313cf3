"""The training loop and the factorised network, against a dense network and brute force."""

import multiprocessing
import random
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anchordrug.errors import SettingsError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.predictors.device import device_of
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.predictor import MlpFitted, MlpPredictor
from anchordrug.predictors.mlp.training import (
    LEFT_OUT,
    Profiles,
    TrainingPlan,
    balanced,
    blocks,
    train,
)
from tests.processes import kill_at_call

SHAPE = MlpShape((12, 5, 7), (16, 8, 6), 0.4)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
# Fewer calls than 58 epochs of the small network make.
CALLS = 20_000
PLAN = TrainingPlan(epochs=3, learning_rate=1e-2, block_drugs=3, block_genes=4, seed=1)


def features(rng, drugs=9, lines=3, genes=11):
    return FeatureBlocks(
        unit_rows(rng.integers(0, 2, (drugs, 12))),
        unit_rows(rng.normal(size=(lines, 5))),
        unit_rows(rng.integers(0, 2, (genes, 7))),
    )


def profiles(seed=0):
    rng = np.random.default_rng(seed)
    blocks_ = features(rng)
    labels = rng.integers(0, 3, (20, 11)).astype(np.int8)
    return Profiles(blocks_, rng.integers(0, 9, 20), rng.integers(0, 3, 20), labels)


def dense_twin(network: FactorisedMlp) -> nn.Sequential:
    """The paper's network as it is usually written: one row of all features in."""
    first = nn.Linear(sum(SHAPE.inputs), SHAPE.hidden[0])
    with torch.no_grad():
        stacked = torch.cat([network.weight_drug, network.weight_cell, network.weight_gene])
        first.weight.copy_(stacked.T)
        first.bias.copy_(network.bias)
    layers = [first, network.layer2, network.layer3, network.output]
    return nn.Sequential(layers[0], *(part for layer in layers[1:] for part in (nn.LeakyReLU(SLOPE), layer)))


def dense_rows(drugs, lines, genes):
    return torch.stack([torch.cat([d, c, g]) for d, c in zip(drugs, lines, strict=True) for g in genes])


def test_the_factorised_network_is_the_dense_one_in_values_and_gradients():
    network = FactorisedMlp(SHAPE, seed=3)
    dense = dense_twin(network)
    rng = np.random.default_rng(0)
    f = features(rng)
    drugs, lines, genes = (torch.from_numpy(x) for x in (f.drugs[:4], f.cell_lines[[0, 1, 1, 2]], f.genes))
    target = torch.from_numpy(rng.integers(0, 3, 4 * len(genes)))

    ours = network(drugs, lines, genes).reshape(-1, 3)
    theirs = dense(dense_rows(drugs, lines, genes))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)

    nn.functional.cross_entropy(theirs, target).backward()
    first = dense[0]
    assert isinstance(first, nn.Linear)
    assert first.weight.grad is not None
    expected = first.weight.grad.T.split(list(SHAPE.inputs))
    expected_head = [p.grad.clone() for p in network.layer2.parameters() if p.grad is not None]
    network.zero_grad()
    nn.functional.cross_entropy(ours, target).backward()
    for ours_grad, theirs_grad in zip(
        (network.weight_drug.grad, network.weight_cell.grad, network.weight_gene.grad), expected, strict=True
    ):
        torch.testing.assert_close(ours_grad, theirs_grad, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(network.bias.grad, first.bias.grad, atol=1e-6, rtol=1e-4)
    for parameter, theirs_grad in zip(network.layer2.parameters(), expected_head, strict=True):
        torch.testing.assert_close(parameter.grad, theirs_grad, atol=1e-6, rtol=1e-4)


def test_gradients_under_dropout_agree_with_plain_autograd():
    """The fused hidden layer against the same mask applied by ordinary operations."""
    network = FactorisedMlp(SHAPE, seed=3)
    f = features(np.random.default_rng(0))
    inputs = [torch.from_numpy(x) for x in (f.drugs[:3], f.cell_lines, f.genes)]
    network(*inputs, noise=np.random.Generator(np.random.SFC64(5))).square().sum().backward()
    fused = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    noise = np.random.Generator(np.random.SFC64(5))
    a, b = network.experiment_terms(*inputs[:2]), network.gene_terms(inputs[2])
    hidden = nn.functional.leaky_relu(a[:, None] + b[None], SLOPE)
    hidden = hidden * network._kept(tuple(hidden.shape), noise) * network._scale
    for layer in (network.layer2, network.layer3):
        hidden = nn.functional.leaky_relu(layer(hidden), SLOPE)
        hidden = hidden * network._kept(tuple(hidden.shape), noise) * network._scale
    network.output(hidden).square().sum().backward()
    plain = [p.grad for p in network.parameters()]
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    network = FactorisedMlp(MlpShape((12, 5, 7), (16, 8, 6), rate), seed=0)
    mask = network._kept((1000, 1003), np.random.Generator(np.random.SFC64(0))) * network._scale
    dropped = (mask == 0).float().mean().item()
    assert abs(dropped - rate) < 4 * np.sqrt(rate * (1 - rate) / mask.numel()) + 2**-16
    assert abs(mask.mean().item() - 1) < 0.02
    assert mask.unique().numel() <= 2


def test_the_first_layer_starts_like_one_wide_layer():
    weights = torch.cat([p.detach().ravel() for p in list(FactorisedMlp(SHAPE, 0).parameters())[:3]])
    assert weights.abs().max() <= 1 / np.sqrt(sum(SHAPE.inputs))


@given(
    experiments=st.integers(1, 30),
    genes=st.integers(1, 30),
    block=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_shows_every_pair_once(experiments, genes, block, seed):
    plan = TrainingPlan(1, 1e-3, block[0], block[1], seed)
    seen = np.zeros((experiments, genes), int)
    for rows, columns in blocks(experiments, genes, plan, np.random.default_rng(seed)):
        assert len(rows) <= block[0]
        assert len(columns) <= block[1]
        seen[np.ix_(rows, columns)] += 1
    assert (seen == 1).all()


@given(counts=st.lists(st.integers(0, 60), min_size=3, max_size=3), seed=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_balancing_keeps_half_the_sum_of_the_two_others(counts, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], counts)).astype(np.int8)[None]
    before = labels.copy()
    result = balanced(labels, np.random.default_rng(seed))
    np.testing.assert_array_equal(labels, before)
    majority = int(np.argmax(counts))
    for label in range(3):
        others = (sum(counts) - counts[majority]) // 2
        expected = min(counts[label], others) if label == majority else counts[label]
        assert (result == label).sum() == expected
    assert ((result == labels) | (result == LEFT_OUT)).all()


def weights_after(plan, data, **options):
    network = FactorisedMlp(SHAPE, seed=0)
    losses = train(network, data, plan, **options)
    return losses, [p.detach().clone() for p in network.parameters()]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again = weights_after(PLAN, profiles()), weights_after(PLAN, profiles())
    assert first[0] == again[0]
    assert all(torch.equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    other = weights_after(TrainingPlan(3, 1e-2, 3, 4, seed=2), profiles())
    assert not torch.equal(first[1][0], other[1][0])


@pytest.mark.parametrize("cut_after", [1, 2])
def test_a_run_that_was_cut_ends_with_the_same_weights(tmp_path, cut_after):
    class CutError(Exception):
        pass

    def cut(epoch, _):
        if epoch == cut_after:
            raise CutError

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(CutError):
        weights_after(PLAN, profiles(), checkpoint=checkpoint, after_epoch=cut)
    seen = []
    resumed = weights_after(PLAN, profiles(), checkpoint=checkpoint, after_epoch=lambda e, _: seen.append(e))
    whole = weights_after(PLAN, profiles())
    assert seen == list(range(cut_after + 1, 4))
    assert resumed[0] == whole[0]
    assert all(torch.equal(a, b) for a, b in zip(resumed[1], whole[1], strict=True))


def cut_short(data):
    return data[: len(data) // 2]


def of_zeros(data):
    return bytes(len(data))


def with_nan(data):
    return data[:-4] + np.float32(np.nan).tobytes()


@pytest.mark.parametrize("damage", [cut_short, of_zeros, with_nan, lambda _: b""])
def test_a_damaged_checkpoint_starts_over_with_a_line(tmp_path, damage):
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights_after(replace(PLAN, epochs=2), profiles(), checkpoint=checkpoint)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    seen, said = [], []
    resumed = weights_after(
        PLAN,
        profiles(),
        checkpoint=checkpoint,
        after_epoch=lambda e, _: seen.append(e),
        say=said.append,
    )
    whole = weights_after(PLAN, profiles())
    assert said == [f"{checkpoint}: is damaged; starting over"]
    assert seen == [1, 2, 3]
    assert resumed[0] == whole[0]
    assert all(torch.equal(a, b) for a, b in zip(resumed[1], whole[1], strict=True))


def train_until_killed(plan, checkpoint, call):
    """Run in a process of its own; `call` says when after the first epoch it ends."""
    torch.set_num_threads(1)

    def after_epoch(epoch, _):
        if epoch == 1:
            kill_at_call(call)

    weights_after(plan, profiles(), checkpoint=checkpoint, after_epoch=after_epoch)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_that_was_killed_at_any_time_ends_with_the_same_weights(tmp_path, seed):
    checkpoint = tmp_path / "checkpoint.safetensors"
    plan = replace(PLAN, epochs=60)
    call = random.Random(seed).randrange(1, CALLS)
    process = multiprocessing.get_context("spawn").Process(
        target=train_until_killed, args=(plan, checkpoint, call)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    seen = []
    resumed = weights_after(plan, profiles(), checkpoint=checkpoint, after_epoch=lambda e, _: seen.append(e))
    whole = weights_after(plan, profiles())
    assert 1 < seen[0] <= seen[-1] == 60
    assert resumed[0] == whole[0]
    assert all(torch.equal(a, b) for a, b in zip(resumed[1], whole[1], strict=True))


def test_training_learns_what_can_be_learned():
    rng = np.random.default_rng(0)
    f = features(rng, drugs=40)
    rule = rng.normal(size=(12, 11))
    score = f.drugs @ rule
    labels = (1 + (score > 0.3).astype(int) - (score < -0.3).astype(int)).astype(np.int8)
    network = FactorisedMlp(MlpShape((12, 5, 7), (64, 32, 16), 0.1), seed=0)
    data = Profiles(f, np.arange(40), np.zeros(40, int), labels)
    losses = train(network, data, TrainingPlan(150, 1e-2, 8, 11, 0))
    predicted = MlpFitted(network, f, 0).probabilities(np.arange(40)).argmax(axis=2)
    assert losses[-1] < 0.6 * losses[0]
    assert (predicted == labels).mean() > 0.8


def test_labels_left_out_do_not_count():
    data = profiles()
    half = data.labels.copy()
    half[10:] = LEFT_OUT
    cut = Profiles(data.features, data.drug[:10], data.cell_line[:10], data.labels[:10])
    plan = TrainingPlan(1, 0.0, 50, 50, 0)
    np.testing.assert_allclose(
        weights_after(plan, Profiles(data.features, data.drug, data.cell_line, half))[0][0],
        weights_after(plan, cut)[0][0],
        rtol=0.2,  # other dropout noise, same rows
    )
    nothing = Profiles(data.features, data.drug, data.cell_line, np.full_like(half, LEFT_OUT))
    start = [p.detach().clone() for p in FactorisedMlp(SHAPE, 0).parameters()]
    assert all(torch.equal(a, b) for a, b in zip(weights_after(PLAN, nothing)[1], start, strict=True))


def predictor(balance=True):
    return MlpPredictor(FactorisedMlp(SHAPE, 0).eval(), profiles().features, 1, 1.5, PLAN, balance)


def test_every_fit_starts_from_the_pretrained_weights():
    one = predictor()
    z = np.random.default_rng(0).normal(scale=2, size=(4, 11)).astype(np.float32)
    drugs = np.arange(9)
    before = one.fit(np.zeros(0, int), z[:0], seed=0).probabilities(drugs)
    first = one.fit(np.arange(4), z, seed=0).probabilities(drugs)
    again = one.fit(np.arange(4), z, seed=0).probabilities(drugs)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(before, one.fit(np.zeros(0, int), z[:0], seed=9).probabilities(drugs))
    assert np.abs(first - before).max() > 1e-4
    np.testing.assert_allclose(first.sum(axis=2), 1, rtol=1e-5)


def test_only_a_final_fit_is_balanced():
    z = np.zeros((4, 11), np.float32)
    z[0] = 3
    drugs = np.arange(9)

    def fit(balance, final):
        return predictor(balance).fit(np.arange(4), z, seed=0, final=final).probabilities(drugs)

    np.testing.assert_array_equal(fit(True, False), fit(False, False))
    np.testing.assert_array_equal(fit(False, True), fit(False, False))
    assert fit(True, True)[..., 2].mean() > fit(False, True)[..., 2].mean()


def test_dropout_passes_differ_and_their_mean_is_near_the_prediction():
    fitted = predictor().fit(np.zeros(0, int), np.zeros((0, 11), np.float32), seed=0)
    drugs = np.arange(9)
    passes = list(fitted.dropout_probabilities(drugs, 200, np.random.default_rng(0)))
    assert len(passes) == 200
    assert np.abs(passes[0] - passes[1]).max() > 1e-3
    np.testing.assert_allclose(np.mean(passes, axis=0), fitted.probabilities(drugs), atol=0.05)
    again = next(fitted.dropout_probabilities(drugs, 1, np.random.default_rng(0)))
    np.testing.assert_array_equal(passes[0], again)


def test_training_leaves_the_process_its_denormal_numbers():
    weights_after(TrainingPlan(1, 1e-3, 2, 3, 0), profiles())
    assert (np.full(8, 5e-324) * np.ones(8) > 0).all()


def test_without_a_gpu_auto_is_the_cpu_and_cuda_a_mistake(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [device_of(name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(SettingsError, match="--device cuda: torch finds no GPU here; give --device cpu"):
        device_of("cuda")
    with pytest.raises(SettingsError, match="--device cud: not one of auto, cpu, cuda; did you mean 'cuda'"):
        device_of("cud")


def test_with_a_gpu_auto_takes_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [device_of(name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]


@needs_gpu
def test_a_gpu_trains_much_the_same_network_and_hands_it_back():
    plan = replace(PLAN, epochs=20)
    on_cpu, on_gpu = (weights_after(replace(plan, device=one), profiles()) for one in ("cpu", "cuda"))
    assert all(weight.device.type == "cpu" for weight in on_gpu[1])
    np.testing.assert_allclose(on_gpu[0], on_cpu[0], rtol=0.05)


@needs_gpu
def test_a_run_on_a_gpu_that_was_cut_goes_on_anywhere(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights_after(replace(PLAN, epochs=2, device="cuda"), profiles(), checkpoint=checkpoint)
    for device in ("cuda", "cpu"):
        losses, _ = weights_after(replace(PLAN, device=device), profiles(), checkpoint=checkpoint)
        assert len(losses) == PLAN.epochs
