"""Pre-training at the size of the paper, and all that comes after it at the size of the release.

    python benchmarks/pretraining.py --out benchmarks/results/pretraining.json

Responses are simulated; structures are real molecules that ship with rdkit, most with a substituent in place
of a hydrogen. Each part runs in a process of its own, whose peak memory is its own too (an interpreter with
torch in it has some 400 MiB before it starts):

- training: rows, that is (experiment, gene) pairs, a second of the paper's network, and one whole epoch; in
  turns with torch.mm doing nothing but the matrix products of such a step, forward and backward, for the same
  block and for the block that suits them best (the ceiling). The annotation counts as dense there, and the
  gradient of the inputs, which training does not need, is left out.
- kill: a training process gets SIGKILL after its first checkpoint, at random; one that takes up what it left
  has to end with the weights of one that was never cut, bit for bit.
- cell_lines: the autoencoder of untreated expression.
- response_gp, response_net, acquisition: pre-training on the source lines, a fit to 30 anchors, predictions
  for the whole library, and the choice of 30 drugs from it; once with the drugs that were measured, once
  with a library in which most were not.

Only parts that are named run, and take their place next to the others in the output.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from projects import ROOT, network_settings
from safetensors.torch import load_file, save_file

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits
from anchordrug.features.cell_lines import embed_cell_lines
from anchordrug.files.tables import read_json, write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Work
from anchordrug.predictors.loading import learn, load_predictor, task_of
from anchordrug.predictors.mlp import predictor as mlp
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.mlp.params import MlpPretraining
from anchordrug.predictors.mlp.training import Profiles, TrainingPlan, balanced, train
from anchordrug.predictors.response.prior import prior_of
from anchordrug.settings import Settings, read_settings

HERE = Path(__file__).resolve().parent
PARTS = ("training", "kill", "cell_lines", "response_gp", "response_net", "acquisition")
# Numbers of the release: PAPER, Data; drugs of its library, cell lines and genes of untreated expression.
DRUGS, LIBRARY, TERMS, DIM = 5886, 35_000, 1107, 128
LINES, EXPRESSED = 1210, 15_000
SOURCES, TARGET = 20, "SIM-T1"
ANCHORS = 30
BLOCKS = ((8, 307), (16, 154), (32, 39), (32, 154), (64, 154), (64, 307), (128, 307))
ROUNDS, SHARE = 7, 20
KILL_EPOCHS = 3


def structures(count: int, work: Path) -> list[str]:
    """Return the SMILES of so many different molecules; they are made once."""
    # The benchmark of inference keeps itself to one core when it is imported.
    from inference import molecules

    path = work / f"molecules-{count}.smi"
    if not path.exists():
        molecules(count, path)
    with path.open(encoding="utf-8") as file:
        return [line.split()[0] for line in islice(file, count)]


def features_of(drugs: int, genes: int, settings: Settings, work: Path) -> FeatureBlocks:
    """Return fingerprints of real molecules, an annotation as sparse as GO's, and random embeddings."""
    rng = np.random.default_rng(0)
    kept = work / f"fingerprints-{drugs}.npy"
    if not kept.exists():
        # Neighbours in the file are alike: those with numbers of their own come from all over it.
        smiles = np.random.default_rng(0).permutation(structures(LIBRARY, work))[:drugs]
        np.save(kept, drug_bits(smiles, settings.featurize.drug) > 0)
    return FeatureBlocks(
        unit_rows(np.load(kept)),
        unit_rows(rng.normal(size=(SOURCES + 1, DIM))),
        unit_rows(rng.random((genes, TERMS)) < 0.012),
    )


def atlas_of(drugs: int, experiments: int, genes: int) -> ResponseAtlas:
    """Return simulated responses of the first drugs in all source lines, and of some in the target."""
    rng = np.random.default_rng(0)
    measured = min(DRUGS, drugs, experiments)
    # Each drug once, the others wherever chance has it.
    first = np.arange(measured) * SOURCES + rng.integers(0, SOURCES, measured)
    rest = rng.permutation(np.setdiff1d(np.arange(measured * SOURCES), first))[: experiments - measured]
    drug, line = np.divmod(np.concatenate([first, rest]), SOURCES)
    of_target = rng.permutation(measured)[: measured // 6]
    drug, line = np.append(drug, of_target), np.append(line, np.full(len(of_target), SOURCES))
    programmes = rng.normal(size=(40, genes)).astype(np.float32)
    strength = rng.gamma(0.5, 1, (measured, 1)).astype(np.float32)
    shared = strength * programmes[rng.integers(0, 40, measured)]
    z = shared[drug] + rng.normal(size=(len(drug), genes)).astype(np.float32)
    table = pd.DataFrame({"drug_id": [f"SIM-D{k}" for k in range(drugs)]})
    # Of three drugs in ten a mechanism is known.
    table["moa"] = [f"SIM-M{code}" if code < 60 else None for code in rng.integers(0, 200, drugs)]
    names = [f"SIM-S{k}" for k in range(SOURCES)]
    return ResponseAtlas(z, drug, line, table, [*names, TARGET], [f"SIM-G{k}" for k in range(genes)])


def profiles(experiments: int, genes: int, settings: Settings, work: Path) -> Profiles:
    """Return what the paper's network is pre-trained on."""
    atlas = atlas_of(DRUGS, experiments, genes).without([TARGET])
    labels = labels_of(atlas.z, settings.curate.threshold)
    return Profiles(features_of(DRUGS, genes, settings, work), atlas.drug, atlas.cell_line, labels)


def network_of(data: Profiles, params: MlpPretraining) -> FactorisedMlp:
    """Return the paper's network, untrained."""
    blocks = (data.features.drugs, data.features.cell_lines, data.features.genes)
    widths = tuple(block.shape[1] for block in blocks)
    return FactorisedMlp(MlpShape(widths, params.hidden, params.dropout), 0)


def plan_of(params: MlpPretraining, epochs: int) -> TrainingPlan:
    """Return the plan of the settings for so many epochs."""
    return replace(mlp.plan_of(params, params.seed, "cpu"), epochs=epochs)


def products(shape: MlpShape, drugs: int, genes: int) -> Callable[[], None]:
    """Return a call that does every matrix product of a training step, and nothing else."""
    (bits, cell, terms), (wide, middle, narrow) = shape.inputs, shape.hidden
    rows = drugs * genes
    layers = [(rows, wide, middle, True), (rows, middle, narrow, True), (rows, narrow, 3, True)]
    layers += [(drugs, bits, wide, False), (drugs, cell, wide, False), (genes, terms, wide, False)]
    work = []
    for n, before, after, inner in layers:
        x, weight, gradient = torch.rand(n, before), torch.rand(before, after), torch.rand(n, after)
        work.append((x, weight, torch.empty(n, after)))
        work.append((x.T, gradient, torch.empty(before, after)))
        if inner:
            work.append((gradient, weight.T, torch.empty(n, before)))

    def run() -> None:
        for a, b, out in work:
            torch.mm(a, b, out=out)

    return run


def rate_of_products(shape: MlpShape, block: tuple[int, int], seconds: float = 1.0) -> float:
    """Return the rows a second of the products alone."""
    call = products(shape, *block)
    call()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        call()
        done += block[0] * block[1]
    return done / (time.perf_counter() - start)


def training(asked: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Measure training against the ceiling, in turns, and then whole epochs."""
    data = profiles(asked.experiments, asked.genes, settings, asked.work)
    params = network_settings(settings).pretrain
    network, plan = network_of(data, params), plan_of(params, 1)
    same = (params.block_drugs, params.block_genes)
    best = max(BLOCKS, key=lambda block: max(rate_of_products(network.shape, block, 0.3) for _ in range(2)))
    share = slice(0, SHARE * same[0])
    part = Profiles(data.features, data.drug[share], data.cell_line[share], data.labels[share])
    train(network, part, plan)
    found: dict[str, list[float]] = {"training": [], "products": [], "products, best block": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        train(network, part, plan)
        found["training"].append(part.labels.size / (time.perf_counter() - start))
        found["products"].append(rate_of_products(network.shape, same))
        found["products, best block"].append(rate_of_products(network.shape, best))
    print({name: round(median(values)) for name, values in found.items()}, flush=True)
    # With a checkpoint after the epoch, as in the stage.
    checkpoint = asked.work / "measured.safetensors"
    checkpoint.unlink(missing_ok=True)
    start = time.perf_counter()
    train(network_of(data, params), data, plan_of(params, asked.epochs_measured), checkpoint=checkpoint)
    epoch = (time.perf_counter() - start) / asked.epochs_measured
    checkpoint.unlink()
    start = time.perf_counter()
    balanced(data.labels, np.random.default_rng(0))
    balancing = time.perf_counter() - start
    ours = np.array(found["training"])
    return {
        "experiments": len(data.drug),
        "drugs": len(set(data.drug)),
        "genes": asked.genes,
        "network": [sum(network.shape.inputs), *network.shape.hidden, 3],
        "block": list(same),
        "best_block_of_products": list(best),
        "rows_a_second": {name: round(median(values)) for name, values in found.items()},
        "share_of_ceiling": round(float(np.median(ours / found["products"])), 3),
        "share_of_best_ceiling": round(float(np.median(ours / found["products, best block"])), 3),
        "epoch_seconds": round(epoch, 1),
        "epoch_rows_a_second": round(data.labels.size / epoch),
        "hours_for_45_epochs": round(45 * epoch / 3600, 2),
        "balanced_seconds": round(balancing, 2),
    }


def trained(asked: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Train with a checkpoint in the asked folder and write the weights there; `kill` runs it."""
    data = profiles(asked.kill_experiments, asked.genes, settings, asked.work)
    params = network_settings(settings).pretrain
    network = network_of(data, params)
    train(network, data, plan_of(params, KILL_EPOCHS), checkpoint=asked.folder / "checkpoint.safetensors")
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        asked.folder / "weights.safetensors",
    )
    return {}


def kill(asked: argparse.Namespace, settings: Settings) -> dict[str, object]:  # noqa: ARG001
    """Kill a training process after its first checkpoint; compare what it ends with when taken up."""
    weights, seconds = [], {}
    delay = float(np.random.default_rng().random())
    for name in ("whole", "cut"):
        folder = asked.work / f"kill-{name}"
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        if name == "cut":
            process = start_part(asked, "trained", folder)
            while not (folder / "checkpoint.safetensors").exists():
                if process.poll() is not None:
                    raise SystemExit("training ended before it was killed")
                time.sleep(0.05)
            # At any time of the second epoch.
            time.sleep(delay * seconds["whole"] / (KILL_EPOCHS + 1))
            process.send_signal(signal.SIGKILL)
            process.wait()
            if (folder / "weights.safetensors").exists():
                raise SystemExit("training ended before it was killed")
        start = time.perf_counter()
        process = start_part(asked, "trained", folder)
        if process.wait():
            raise SystemExit("training failed")
        seconds[name] = time.perf_counter() - start
        weights.append(load_file(folder / "weights.safetensors"))
    same = all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())
    return {
        "experiments": asked.kill_experiments,
        "epochs": KILL_EPOCHS,
        "killed_seconds_after_checkpoint": round(delay * seconds["whole"] / (KILL_EPOCHS + 1), 2),
        "seconds_whole": round(seconds["whole"], 1),
        "seconds_resumed": round(seconds["cut"], 1),
        "weights": sum(one.numel() for one in weights[0].values()),
        "identical": same,
    }


def cell_lines(asked: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Time the autoencoder."""
    del asked
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(30, EXPRESSED)).astype(np.float32)
    expression = rng.normal(size=(LINES, 30)).astype(np.float32) @ kinds
    expression += rng.normal(size=expression.shape).astype(np.float32)
    cell = settings.featurize.cell
    start = time.perf_counter()
    found = embed_cell_lines(
        expression, dim=cell.dim, epochs=cell.epochs, learning_rate=cell.learning_rate, seed=cell.seed
    )
    return {
        "cell_lines": LINES,
        "genes": EXPRESSED,
        "epochs": cell.epochs,
        "dim": found.shape[1],
        "seconds": round(time.perf_counter() - start, 1),
    }


def response(asked: argparse.Namespace, settings: Settings, drugs: int) -> dict[str, object]:
    """Time all that a predictor goes through, or what the strategies take."""
    settings = settings.model_copy(update={"predictor": asked.predictor})
    atlas = atlas_of(drugs, asked.experiments, asked.genes)
    task = task_of(settings, atlas, features_of(drugs, asked.genes, settings, asked.work), TARGET)
    folder = asked.work / f"{asked.predictor}-{drugs}"
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def took(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = round(now - last, 1), now

    if asked.part == "acquisition":
        prior = prior_of(task)
        everything = np.arange(drugs)
        for name, queries in (("random", None), ("a_optimal", None), ("a_optimal, queries", everything)):
            catalogue = Catalogue(task.features.drugs, [None] * drugs, prior, queries)
            view = PoolView(None, everything, everything[:0], catalogue)  # pyright: ignore[reportArgumentType]
            strategy(name.split(",")[0])(view, ANCHORS, np.random.default_rng(0))
            took(name)
        return {"drugs": drugs, "anchors": ANCHORS, "seconds": seconds}
    learn(settings, task, folder, {}, Work())
    took("pretrain")
    predictor = load_predictor(settings, task, folder)
    took("load, prior")
    anchors = atlas.of(TARGET).drug[:ANCHORS]
    fitted = predictor.fit(anchors, atlas.of(TARGET).responses_of(anchors), seed=0, final=True)
    took("fit")
    probabilities = fitted.probabilities(np.arange(drugs))
    took("predict")
    if not np.isfinite(probabilities).all():
        raise SystemExit("predictions are not finite")
    return {"drugs": drugs, "anchors": ANCHORS, "seconds": seconds}


def start_part(asked: argparse.Namespace, part: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a part in a process of its own, which writes result.json into `folder`."""
    words = ["--experiments", str(asked.experiments), "--genes", str(asked.genes)]
    words += ["--epochs-measured", str(asked.epochs_measured), "--work", str(asked.work)]
    words += ["--kill-experiments", str(asked.kill_experiments), "--folder", str(folder), *more]
    cores = str(os.cpu_count())
    environment = os.environ | {"OMP_NUM_THREADS": cores, "OPENBLAS_NUM_THREADS": cores}
    return subprocess.Popen([sys.executable, __file__, "--part", part, *words], env=environment)


def run_part(asked: argparse.Namespace) -> None:
    """Run one part in this process and write what it found."""
    settings = read_settings(ROOT / "params.yaml")
    if asked.part in ("response_gp", "response_net", "acquisition"):
        found = response(asked, settings, asked.drugs)
    else:
        parts = {"training": training, "trained": trained, "kill": kill, "cell_lines": cell_lines}
        found = parts[asked.part](asked, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found |= {"peak_rss_mib": round(peak / 1024), "load_at_end": round(os.getloadavg()[0], 1)}
    write_json(found, asked.folder / "result.json")


def main() -> None:
    """Run the parts one after another, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--experiments", type=int, default=17_624, help="(drug, source line) pairs")
    parser.add_argument("--genes", type=int, default=307)
    parser.add_argument("--epochs-measured", type=int, default=1, help="whole epochs that are timed")
    parser.add_argument("--kill-experiments", type=int, default=3000)
    parser.add_argument("--drugs", type=int, default=0, help="drugs of the library; default: both sizes")
    parser.add_argument("--out", type=Path, default=HERE / "results/pretraining.json", help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.work = asked.work.resolve()
    asked.predictor = asked.part if asked.part != "acquisition" else "response_gp"
    if asked.part:
        run_part(asked)
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: no such part")
    settings = read_settings(ROOT / "params.yaml")
    for drugs in {asked.drugs} if asked.drugs else {DRUGS, LIBRARY}:
        features_of(drugs, asked.genes, settings, asked.work)
    result = read_json(asked.out) if asked.out.exists() else {}
    result["cores"] = os.cpu_count()
    for part in asked.parts or PARTS:
        sizes = [asked.drugs] if asked.drugs else [DRUGS, LIBRARY]
        for drugs in sizes if part in ("response_gp", "response_net", "acquisition") else [0]:
            name = f"{part}, {drugs:,} drugs" if drugs else part
            folder = asked.work / "parts"
            folder.mkdir(exist_ok=True)
            load = os.getloadavg()[0]
            if start_part(asked, part, folder, "--drugs", str(drugs)).wait():
                raise SystemExit(f"{name}: failed")
            result[name] = {**json.loads((folder / "result.json").read_text()), "load_before": round(load, 1)}
            print(f"{name}: {result[name]}", flush=True)
            write_json(result, asked.out)


if __name__ == "__main__":
    main()
