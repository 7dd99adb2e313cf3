"""The training loop, for pre-training and fine-tuning: blocks of experiments x genes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.atomic import atomic_path
from anchordrug.files.json_text import parsed

LEFT_OUT = -1


@dataclass(frozen=True)
class Profiles:
    """Experiments to train on: labels int8 [experiments, genes] with their drugs and cell lines.

    `drug` and `cell_line`, int64 [experiments], are rows of the feature blocks; a label of -1 is left out.
    """

    features: FeatureBlocks
    drug: np.ndarray
    cell_line: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class TrainingPlan:
    """Epochs, Adam's learning rate, the block of experiments x genes that makes a mini-batch; cpu or cuda."""

    epochs: int
    learning_rate: float
    block_drugs: int
    block_genes: int
    seed: int
    device: str = "cpu"


def balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Down-sample the majority class to half the sum of the two others (PAPER, Model).

    Rows beyond that number become -1 in a copy of `labels`; where the majority is not a larger, none do.
    """
    counts = np.bincount(labels[labels != LEFT_OUT].astype(np.int64), minlength=3)
    majority = int(counts.argmax())
    keep = int(counts.sum() - counts[majority]) // 2
    result = labels.copy()
    positions = np.flatnonzero(labels.ravel() == majority)
    result.ravel()[rng.permutation(positions)[keep:]] = LEFT_OUT
    return result


def blocks(
    experiments: int, genes: int, plan: TrainingPlan, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield one epoch: every (experiment, gene) once, in blocks of random experiments x random genes.

    The order of all blocks of the epoch is random too, so consecutive blocks share no experiments.
    """
    order = rng.permutation(experiments)
    epoch = []
    for start in range(0, experiments, plan.block_drugs):
        gene_order = rng.permutation(genes)
        epoch += [
            (order[start : start + plan.block_drugs], gene_order[first : first + plan.block_genes])
            for first in range(0, genes, plan.block_genes)
        ]
    for position in rng.permutation(len(epoch)):
        yield epoch[position]


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    # Adam's moments of bits that a batch lacks decay into denormal numbers, which cost three times the step.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_denormals_flushed()
def train(
    network: nn.Module,
    profiles: Profiles,
    plan: TrainingPlan,
    *,
    after_epoch: Callable[[int, float], None] | None = None,
    checkpoint: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[float]:
    """Train `network` in place with cross entropy and Adam; return the mean loss of every epoch.

    `network(drugs, cell_lines, genes, noise)` maps feature rows [n, .], [n, .], [m, .] to logits
    [n, m, 3]; `noise` is the generator of its dropout. Every epoch draws from (seed, epoch), so a
    run that resumes from `checkpoint` ends with the same weights, bit for bit, as one that was never cut.
    On a GPU matrix products are in bfloat16, weights and Adam in float32. The network ends on the CPU.

    Parameters
    ----------
    after_epoch
        Called with the epoch (from 1) and its mean loss.
    checkpoint
        Written after every epoch; read at the start if it exists. The caller removes it at the end.
    say
        Told that the checkpoint is damaged; training then starts over.
    """
    device = torch.device(plan.device)
    network.to(device)
    drugs, cell_lines, genes = (
        torch.from_numpy(block).to(device)
        for block in (profiles.features.drugs, profiles.features.cell_lines, profiles.features.genes)
    )
    labels = torch.from_numpy(profiles.labels.astype(np.int64)).to(device)
    drug_of, line_of = torch.from_numpy(profiles.drug), torch.from_numpy(profiles.cell_line)
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate, fused=True)
    losses = _resumed(network, optimizer, checkpoint, say) if checkpoint and checkpoint.exists() else []
    network.train()
    for epoch in range(len(losses), plan.epochs):
        order, noise = (np.random.Generator(np.random.SFC64([plan.seed, epoch, use])) for use in (0, 1))
        total = rows = 0.0
        for experiments, chosen_genes in blocks(len(labels), labels.shape[1], plan, order):
            rows_here, genes_here = torch.from_numpy(experiments), torch.from_numpy(chosen_genes)
            target = labels[rows_here[:, None], genes_here].reshape(-1)
            counted = int((target != LEFT_OUT).sum())
            if counted == 0:
                continue
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = network(
                    drugs[drug_of[rows_here]], cell_lines[line_of[rows_here]], genes[genes_here], noise
                )
            loss = functional.cross_entropy(logits.float().reshape(-1, 3), target, ignore_index=LEFT_OUT)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * counted
            rows += counted
        losses.append(total / max(rows, 1))
        if checkpoint:
            _store(network, optimizer, losses, checkpoint)
        if after_epoch:
            after_epoch(epoch + 1, losses[-1])
    network.to("cpu").eval()
    return losses


def _store(network: nn.Module, optimizer: torch.optim.Adam, losses: list[float], path: Path) -> None:
    tensors = {f"weight.{name}": value.detach() for name, value in network.named_parameters()}
    for (name, _), state in zip(
        network.named_parameters(), optimizer.state_dict()["state"].values(), strict=True
    ):
        tensors |= {f"{key}.{name}": torch.as_tensor(value) for key, value in state.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"losses": json.dumps(losses)}))


def _resumed(
    network: nn.Module, optimizer: torch.optim.Adam, path: Path, say: Callable[[str], None]
) -> list[float]:
    """Return the losses of the epochs that need not be trained again."""
    try:
        return _resume(network, optimizer, path)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        say(f"{path}: is damaged; starting over")
        return []


def _resume(network: nn.Module, optimizer: torch.optim.Adam, path: Path) -> list[float]:
    """Take weights and Adam's state from a checkpoint; a damaged one changes nothing."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        losses = parsed(file.metadata()["losses"])
    weights = dict(network.named_parameters())
    for key in ("weight", "exp_avg", "exp_avg_sq"):
        for name, weight in weights.items():
            found = tensors[f"{key}.{name}"]
            if found.shape != weight.shape or not torch.isfinite(found).all():
                raise ValueError(f"{key}.{name}")
    state = {
        position: {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        for position, name in enumerate(weights)
    }
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[f"weight.{name}"])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return losses
