"""Training: blocks through the factorised first layer against dense rows in batches of 32.

Pre-training: both sides train the paper's network on the same experiments (all cell lines but one target)
and are scored, without any label of the target, on all its drugs. Fine-tuning: both start from the network
that the blocks pre-trained, learn from the same 30 random anchors with balanced labels, and are scored on
the test drugs.

Rows are (drug, gene) pairs. The dense side is the network as it is usually written: rows of all features
through Linear layers, torch.optim.Adam with its defaults. Its rate is measured once more with the fused
Adam that the factorised side uses, and it is that faster variant that is trained and scored.

    python benchmarks/training.py --raw $ANCHORDRUG_LINCS

takes about 15 minutes on 2 cores, half of them for the dense side; with `--dense-epochs 0`, seven.
"""

import argparse
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from projects import ROOT, network_settings
from torch import nn

from anchordrug.atlas.curate import Curated, Rules, curate
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import split_drugs
from anchordrug.atlas.tables import atlas_of
from anchordrug.evaluation.metrics import macro_f1
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits, gene_terms, line_embeddings
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.params import MlpParams
from anchordrug.predictors.mlp.predictor import MlpFitted, plan_of
from anchordrug.predictors.mlp.training import LEFT_OUT, Profiles, TrainingPlan, balanced, train
from anchordrug.raw.bundle import RawBundle, find_bundle
from anchordrug.raw.expression import read_expression
from anchordrug.raw.ontology import read_annotation
from anchordrug.settings import Settings, read_settings

DENSE_BATCH = 32
TIMED_STEPS = 400
ROUNDS = 3
ANCHORS, SEEDS = 30, 3


def load(raw: Path, settings: Settings) -> tuple[ResponseAtlas, FeatureBlocks]:
    """Curate and featurize a raw bundle in memory, as the stages do."""
    bundle = find_bundle(raw)
    curated = curate(bundle, Rules(settings.curate.dose_um, settings.curate.time_h, settings.curate.quality))
    atlas = atlas_of(curated.responses, curated.z, curated.drugs, curated.genes, curated.cell_lines)
    return atlas, features_of(bundle, curated, atlas.cell_lines, settings)


def features_of(bundle: RawBundle, curated: Curated, lines: list[str], settings: Settings) -> FeatureBlocks:
    """Return the three feature blocks in the order of the curated tables."""
    assert bundle.annotation is not None
    assert bundle.expression is not None
    names, _, annotation = read_annotation(bundle.annotation)
    known, columns, values = read_expression(bundle.expression)
    expression = pd.DataFrame(values, index=pd.Index(known), columns=pd.Index(columns))
    annotated_as = curated.genes["annotated_as"].tolist()
    return FeatureBlocks(
        unit_rows(drug_bits(curated.drugs["smiles"], settings.featurize.drug)),
        unit_rows(line_embeddings(expression, lines, settings.featurize.cell)),
        unit_rows(gene_terms(annotated_as, names, annotation)),
    )


def dense_network(shape: MlpShape, seed: int) -> nn.Sequential:
    """Return the paper's network over rows of all features."""
    torch.manual_seed(seed)
    widths = [sum(shape.inputs), *shape.hidden]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE), nn.Dropout(shape.dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 3))


def dense_steps(
    network: nn.Sequential, optimizer: torch.optim.Adam, data: Profiles, rows: np.ndarray
) -> None:
    """Train on `rows` (flat positions in the labels) in batches of 32."""
    genes = data.labels.shape[1]
    features = data.features
    drugs, lines, terms = map(torch.from_numpy, (features.drugs, features.cell_lines, features.genes))
    labels = torch.from_numpy(data.labels.astype(np.int64)).reshape(-1)
    drug, line = torch.from_numpy(data.drug), torch.from_numpy(data.cell_line)
    network.train()
    for start in range(0, len(rows), DENSE_BATCH):
        batch = torch.from_numpy(rows[start : start + DENSE_BATCH])
        experiment, gene = batch // genes, batch % genes
        inputs = torch.cat([drugs[drug[experiment]], lines[line[experiment]], terms[gene]], dim=1)
        loss = nn.functional.cross_entropy(network(inputs), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def dense_rate(data: Profiles, shape: MlpShape, fused: bool, rng: np.random.Generator) -> float:
    """Return rows a second of dense training after a warm-up."""
    network = dense_network(shape, 0)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=fused)
    rows = rng.permutation(data.labels.size)[: TIMED_STEPS * DENSE_BATCH]
    dense_steps(network, optimizer, data, rows[: 20 * DENSE_BATCH])
    start = time.perf_counter()
    dense_steps(network, optimizer, data, rows)
    return len(rows) / (time.perf_counter() - start)


def block_rate(data: Profiles, shape: MlpShape, plan: TrainingPlan) -> float:
    """Return rows a second of one epoch of block training on a share of the experiments."""
    share = slice(0, 20 * plan.block_drugs)
    part = Profiles(data.features, data.drug[share], data.cell_line[share], data.labels[share])
    epoch = replace(plan, epochs=1)
    network = FactorisedMlp(shape, 0)
    train(network, part, epoch)
    start = time.perf_counter()
    train(network, part, epoch)
    return part.labels.size / (time.perf_counter() - start)


def as_factorised(dense: nn.Sequential, shape: MlpShape) -> FactorisedMlp:
    """Return a factorised network with the weights of a dense one: prediction is the same, but fast."""
    linear = [layer for layer in dense if isinstance(layer, nn.Linear)]
    network = FactorisedMlp(shape, 0)
    drug, cell, gene = linear[0].weight.detach().T.split(list(shape.inputs))
    weights = {"weight_drug": drug, "weight_cell": cell, "weight_gene": gene, "bias": linear[0].bias}
    for name, layer in zip(("layer2", "layer3", "output"), linear[1:], strict=True):
        weights |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    network.load_state_dict(weights)
    return network.eval()


def as_dense(network: FactorisedMlp) -> nn.Sequential:
    """Return the dense network with the weights of a factorised one."""
    dense = dense_network(network.shape, 0)
    linear = [layer for layer in dense if isinstance(layer, nn.Linear)]
    state = network.state_dict()
    with torch.no_grad():
        stacked = torch.cat([state["weight_drug"], state["weight_cell"], state["weight_gene"]])
        linear[0].weight.copy_(stacked.T)
        linear[0].bias.copy_(state["bias"])
    for name, layer in zip(("layer2", "layer3", "output"), linear[1:], strict=True):
        layer.load_state_dict({key: state[f"{name}.{key}"] for key in ("weight", "bias")})
    return dense


def finetuning(
    network: FactorisedMlp,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    target: str,
    settings: Settings,
    params: MlpParams,
) -> dict[str, list[float]]:
    """Return macro-F1 on the test drugs after fine-tuning to 30 random anchors, per seed, of both sides."""
    split, finetune, threshold = settings.split, params.fit, settings.curate.threshold
    test, pool = split_drugs(
        atlas, target, by=split.by, test_fraction=split.test_fraction, pool=split.pool, seed=split.seed
    )
    measured, line = atlas.of(target), atlas.cell_lines.index(target)
    truth = labels_of(measured.responses_of(test), threshold)
    scores: dict[str, list[float]] = {"blocks": [], "dense": []}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        anchors = rng.permutation(pool)[:ANCHORS]
        labels = balanced(labels_of(measured.responses_of(anchors), threshold), rng)
        data = Profiles(features, anchors, np.full(ANCHORS, line), labels)
        blocks = FactorisedMlp(network.shape, 0)
        blocks.load_state_dict(network.state_dict())
        train(blocks, data, plan_of(finetune, seed, "cpu"))
        dense = as_dense(network)
        optimizer = torch.optim.Adam(dense.parameters(), finetune.learning_rate, fused=True)
        kept = np.flatnonzero(labels.ravel() != LEFT_OUT)
        for _ in range(finetune.epochs):
            dense_steps(dense, optimizer, data, rng.permutation(kept))
        for name, tuned in (("blocks", blocks), ("dense", as_factorised(dense, network.shape))):
            predicted = MlpFitted(tuned, features, line).probabilities(test).argmax(axis=2)
            scores[name].append(round(macro_f1(truth, predicted), 4))
        print(
            f"fine-tuned, seed {seed}: blocks {scores['blocks'][-1]}, dense {scores['dense'][-1]}", flush=True
        )
    return scores


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="raw bundle")
    parser.add_argument("--target", default="THP1", help="cell line that is left out and scored")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of block training")
    parser.add_argument("--dense-epochs", type=int, default=1, help="epochs of the dense side; 0: rates only")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/training.json")
    arguments = parser.parse_args()

    settings = read_settings(ROOT / "params.yaml")
    params = network_settings(settings)
    atlas, features = load(arguments.raw, settings)
    sources, target = atlas.without([arguments.target]), atlas.of(arguments.target)
    threshold = settings.curate.threshold
    data = Profiles(features, sources.drug, sources.cell_line, labels_of(sources.z, threshold))
    inputs = (features.drugs.shape[1], features.cell_lines.shape[1], features.genes.shape[1])
    pretrain = params.pretrain
    shape = MlpShape(inputs, pretrain.hidden, pretrain.dropout)
    plan = replace(plan_of(pretrain, pretrain.seed, "cpu"), epochs=arguments.epochs)
    truth = labels_of(target.z, threshold)
    line = atlas.cell_lines.index(arguments.target)

    def score(network: FactorisedMlp) -> float:
        return macro_f1(truth, MlpFitted(network, features, line).probabilities(target.drug).argmax(axis=2))

    rng = np.random.default_rng(0)
    rates = {"blocks": [], "dense": [], "dense, fused Adam": []}
    for _ in range(ROUNDS):
        rates["blocks"].append(block_rate(data, shape, plan))
        rates["dense"].append(dense_rate(data, shape, False, rng))
        rates["dense, fused Adam"].append(dense_rate(data, shape, True, rng))
    rate = {name: float(np.median(values)) for name, values in rates.items()}
    result: dict[str, object] = {
        "experiments": len(data.drug),
        "genes": data.labels.shape[1],
        "source_cell_lines": len(set(sources.cell_line)),
        "target": arguments.target,
        "threads": torch.get_num_threads(),
        "block": [plan.block_drugs, plan.block_genes],
        "rows_per_second": {name: round(value) for name, value in rate.items()},
        "ratio": round(rate["blocks"] / rate["dense"], 1),
        "ratio_to_fused": round(rate["blocks"] / rate["dense, fused Adam"], 1),
    }
    for name, value in rate.items():
        print(f"{name:20s} {value:10,.0f} rows/s   1 : {rate['blocks'] / value:.1f}")

    network, curve = FactorisedMlp(shape, pretrain.seed), []
    start = time.perf_counter()

    def after_epoch(epoch: int, loss: float) -> None:
        network.eval()
        curve.append(round(score(network), 4))
        network.train()
        print(f"blocks epoch {epoch}: loss {loss:.4f}, macro-F1 {curve[-1]:.4f}", flush=True)

    train(network, data, plan, after_epoch=after_epoch)
    result["seconds"] = round(time.perf_counter() - start)
    result |= {"macro_f1": curve[-1], "macro_f1_by_epoch": curve}
    write_json(result, arguments.out)

    if arguments.dense_epochs:
        dense, dense_curve = dense_network(shape, pretrain.seed), []
        optimizer = torch.optim.Adam(dense.parameters(), pretrain.learning_rate, fused=True)
        start = time.perf_counter()
        for epoch in range(1, arguments.dense_epochs + 1):
            dense_steps(dense, optimizer, data, rng.permutation(data.labels.size))
            dense_curve.append(round(score(as_factorised(dense, shape)), 4))
            print(f"dense epoch {epoch}: macro-F1 {dense_curve[-1]:.4f}", flush=True)
            result["dense_seconds"] = round(time.perf_counter() - start)
            result |= {"dense_macro_f1": max(dense_curve), "dense_macro_f1_by_epoch": dense_curve}
            write_json(result, arguments.out)
        result["finetuned_macro_f1"] = finetuning(
            network, atlas, features, arguments.target, settings, params
        )
        write_json(result, arguments.out)


if __name__ == "__main__":
    main()
