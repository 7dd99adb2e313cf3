"""What `speed.py` measures: each way of the package beside its limit, on one core, by processor time."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import curation as release
import numpy as np
import pretraining
import response
import torch
from projects import ROOT, exported, network_settings
from rdkit import Chem, RDConfig, rdBase
from rdkit.Chem import rdFingerprintGenerator
from speed_products import products_of
from speed_table import Figure

from anchordrug.acquisition import strategy
from anchordrug.chem.fingerprints import packed_fingerprints
from anchordrug.chem.structures import standardise
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits
from anchordrug.labels import labels_of
from anchordrug.prediction.inference import OnnxPredictor, opened
from anchordrug.predictors.base import Fitted, Task, Work
from anchordrug.predictors.loading import learn, load_predictor, task_of
from anchordrug.predictors.mlp.predictor import MlpFitted
from anchordrug.predictors.mlp.training import Profiles, train
from anchordrug.settings import Settings, read_settings

KIND = (2, 1024)
PROGRAM = Path(sys.executable).with_name("anchordrug")
# What `anchordrug predict` cannot do without.
PACKAGES = ("numpy", "onnxruntime", "pandas", "pyarrow.csv", "pyarrow.parquet", "rdkit.Chem", "typer")
# Reads the columns that curation knows, and the matrix in bands.
BARE_CURATION = """
import sys
import h5py, pandas, pyarrow
from pyarrow import csv
columns = ["sig_id", "pert_id", "cell_iname", "pert_type", "is_gold", "cc_q75", "pct_self_rank_q25"]
columns += ["pert_dose", "pert_dose_unit", "pert_idose", "pert_time", "pert_time_unit", "pert_itime"]
kinds = csv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pyarrow.string()))
csv.read_csv(sys.argv[1], parse_options=csv.ParseOptions(delimiter="\\t"), convert_options=kinds).to_pandas()
with h5py.File(sys.argv[2]) as file:
    matrix = file["0/DATA/0/matrix"]
    for first in range(0, len(matrix), 2048):
        matrix[first : first + 2048]
"""


@dataclass(frozen=True)
class Size:
    """How much is measured: drugs and experiments that are learned from, and so on."""

    drugs: int
    experiments: int
    genes: int
    molecules: int
    pool: int
    chosen: int
    signatures: int
    rounds: int
    seconds: float
    starts: int


FULL = Size(1_200, 3_800, 307, 4_000, 10_000, 30, 10_000, 5, 0.5, 5)
TINY = Size(80, 240, 16, 20, 300, 3, 40, 1, 0.01, 1)


def in_turns(
    what: str,
    unit: str,
    limit: str,
    rounds: int,
    ours: Callable[[], float],
    of_limit: Callable[[], float],
) -> Figure:
    """Measure two rates in turns."""
    pairs = [(ours(), of_limit()) for _ in range(rounds)]
    rates, limits = zip(*pairs, strict=True)
    share = median(rate / most for rate, most in pairs)
    return Figure(what, unit, median(rates), limit, median(limits), share)


def rate_of(call: Callable[[], object], things: int, seconds: float) -> Callable[[], float]:
    """Return a call that measures how many things a second of processor time a call does."""
    call()

    def rate() -> float:
        begun, done = time.process_time(), 0
        while not done or time.process_time() - begun < seconds:
            call()
            done += things
        return done / (time.process_time() - begun)

    return rate


def seconds_of(*command: object) -> float:
    """Return the processor time of a command and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@cache
def smiles_of(count: int) -> list[str]:
    """Return molecules that ship with rdkit and can be standardised."""
    lines = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()

    def usable() -> Iterator[str]:
        for line in lines:
            text = line.split()[0]
            try:
                standardise(text)
            except ValueError:
                continue
            yield text

    return list(islice(usable(), count))


def structures(size: Size, folder: Path) -> Iterator[Figure]:  # noqa: ARG001
    """Standardise structures; the limit parses them and computes InChIKey and bits."""
    # Of all sizes: molecules grow along the file.
    texts = smiles_of(size.molecules)[:: -(-size.molecules // 1000)]
    bits = rdFingerprintGenerator.GetMorganGenerator(KIND[0], fpSize=KIND[1])

    def ours() -> None:
        for text in texts:
            packed_fingerprints(standardise(text).molecule, [KIND])

    def bare() -> None:
        with rdBase.BlockLogs():
            for text in texts:
                molecule = Chem.MolFromSmiles(text)
                Chem.MolToSmiles(molecule)
                Chem.MolToInchiKey(molecule)
                bits.GetFingerprint(molecule)

    rates = (rate_of(call, len(texts), size.seconds) for call in (ours, bare))
    limit = "parse, SMILES, InChIKey and bits alone, rdkit"
    yield in_turns("structures, standardised, with bits", "structures", limit, size.rounds, *rates)


def settings_for(predictor: str) -> Settings:
    """Return the shipped settings with another predictor, which learns for one epoch."""
    settings = read_settings(ROOT / "params.yaml")
    blocks = {name: dict(block) for name, block in settings.predictors.items()}
    pretrain: Any = blocks[predictor]["pretrain"]
    blocks[predictor]["pretrain"] = pretrain | {"epochs": 1}
    return settings.model_copy(update={"predictor": predictor, "predictors": blocks})


@cache
def task_in(size: Size, predictor: str) -> Task:
    """Return the task of a simulated target."""
    settings = settings_for(predictor)
    rng = np.random.default_rng(0)
    atlas = pretraining.atlas_of(size.drugs, size.experiments, size.genes)
    texts = smiles_of(size.drugs)
    atlas = replace(atlas, drugs=atlas.drugs.assign(inchikey=[standardise(text).inchikey for text in texts]))
    features = FeatureBlocks(
        unit_rows(drug_bits(texts, settings.featurize.drug)),
        unit_rows(rng.normal(size=(pretraining.SOURCES + 1, pretraining.DIM))),
        unit_rows(rng.random((size.genes, pretraining.TERMS)) < 0.012),
    )
    return task_of(settings, atlas, features, pretraining.TARGET)


@cache
def model_of(size: Size, predictor: str, folder: Path) -> OnnxPredictor:
    """Return an exported predictor of the simulated target: the network untrained, the ensemble fitted."""
    settings, task = settings_for(predictor), task_in(size, predictor)
    if predictor == "mlp":
        network = pretraining.network_of(profiles_of(size), network_settings(settings).pretrain)
        fitted: Fitted = MlpFitted(network, task.features, task.cell_line)
    else:
        learn(settings, task, folder / predictor, {}, Work())
        ready = load_predictor(settings, task, folder / predictor)
        fitted = ready.fit(np.zeros(0, np.int64), np.zeros((0, size.genes), np.float32), seed=0)
    path = folder / f"{predictor}.onnx"
    exported(path, fitted, task, np.zeros(0, np.int64), predictor)
    return opened(path.read_bytes(), path, threads=1)


def ensemble(size: Size, folder: Path) -> Iterator[Figure]:
    """Predict by the default predictor; the limit is the matrix products of the exported graph."""
    yield _inference(size, folder, "ensemble", "drugs")


def network(size: Size, folder: Path) -> Iterator[Figure]:
    """Predict by the paper's network; the limit is the same."""
    yield _inference(size, folder, "mlp", "(drug, gene) pairs")


@cache
def _inference(size: Size, folder: Path, predictor: str, unit: str) -> Figure:
    """Predict fingerprints that are ready."""
    model = model_of(size, predictor, folder)
    at_once = model.card["drugs_a_run"]
    count = max(64, at_once)
    bits = drug_bits((smiles_of(size.molecules) * count)[:count], settings_for(predictor).featurize.drug)
    keys, things = [""] * count, count * (size.genes if predictor == "mlp" else 1)
    alone = products_of(model, bits[:at_once].astype(np.float32), keys[:at_once])
    calls = -(-count // at_once)

    def limit() -> None:
        for _ in range(calls):
            alone()

    rates = (rate_of(call, things, size.seconds) for call in (lambda: model.predict(bits, keys), limit))
    name = f"{predictor}{' (default)' if predictor == 'ensemble' else ''}, inference"
    return in_turns(name, unit, "its matrix products alone, onnxruntime", size.rounds, *rates)


def profiles_of(size: Size) -> Profiles:
    """Return what the paper's network is pre-trained on."""
    task = task_in(size, "mlp")
    labels = labels_of(task.sources.z, task.threshold)
    return Profiles(task.features, task.sources.drug, task.sources.cell_line, labels)


def training(size: Size, folder: Path) -> Iterator[Figure]:  # noqa: ARG001
    """Train the paper's network; the limits are the products of a step, and these with Adam's step."""
    torch.set_num_threads(1)
    data, params = profiles_of(size), network_settings(settings_for("mlp")).pretrain
    network, plan = pretraining.network_of(data, params), pretraining.plan_of(params, 1)
    block = (min(params.block_drugs, size.drugs), min(params.block_genes, size.genes))
    share = slice(0, 8 * block[0])
    part = Profiles(data.features, data.drug[share], data.cell_line[share], data.labels[share])
    products = pretraining.products(network.shape, *block)
    adam = torch.optim.Adam(network.parameters(), lr=1e-6, fused=True)
    for weight in network.parameters():
        weight.grad = torch.rand_like(weight)

    def with_adam() -> None:
        products()
        adam.step()

    ours = rate_of(lambda: train(network, part, plan), part.labels.size, size.seconds)
    for limit, call in (
        ("the products of a step alone, torch", products),
        ("these products and Adam's step", with_adam),
    ):
        bare = rate_of(call, block[0] * block[1], size.seconds)
        name = f"mlp, training; {'with' if call is with_adam else 'without'} Adam in the limit"
        yield in_turns(name, "(drug, gene) pairs", limit, size.rounds, ours, bare)


def predict(size: Size, folder: Path) -> Iterator[Figure]:
    """Run `anchordrug predict`; the limit starts, standardises and predicts, and reads and writes nothing."""
    (prepared,) = structures(size, folder)
    inferred = _inference(size, folder, "ensemble", "drugs")
    library, out = folder / "library.smi", folder / "labels.parquet"
    texts = smiles_of(size.molecules)
    library.write_text("".join(f"{text} M{number}\n" for number, text in enumerate(texts)))
    words = ("predict", "--model", folder / "ensemble.onnx", "--layout", "wide", "--out", out, "--drugs")
    few = folder / "few.smi"
    few.write_text(f"{texts[0]} M\n")
    begun = seconds_of(PROGRAM, *words, few)
    limit = len(texts) / (begun + len(texts) * (1 / prepared.rate + 1 / inferred.rate))
    rate = len(texts) / seconds_of(PROGRAM, *words, library)
    name = f"`anchordrug predict`, ensemble, {len(texts):,} molecules"
    yield Figure(name, "molecules", rate, "its start, structures and inference alone", limit, rate / limit)


def choice(size: Size, folder: Path) -> Iterator[Figure]:  # noqa: ARG001
    """Choose from a pool; the limit is the products of all drugs' features with a matrix, three times."""
    view = response.simulated_view(size.pool)
    features = np.random.default_rng(0).random((size.pool, 1024), np.float32)
    matrix = features[:1024].T @ features[:1024]

    def products() -> None:
        for _ in range(3):
            np.matmul(features, matrix)

    def ours() -> None:
        strategy("a_optimal")(view, size.chosen, np.random.default_rng(0))

    name = f"`a_optimal`, {size.chosen} of {size.pool:,} drugs"
    rates = (rate_of(call, size.pool, size.seconds) for call in (ours, products))
    limit = "three products of all features with a matrix, numpy"
    yield in_turns(name, "drugs", limit, min(size.rounds, 2), *rates)


def curation(size: Size, folder: Path) -> Iterator[Figure]:
    """Curate a bundle of the release's format; the limit reads its largest table and its matrix."""
    work = folder / "curation"
    release.make(work, [size.signatures])
    matrix, table = release.matrix_of(work, size.signatures), work / "tables/siginfo_beta.txt"

    def ours() -> float:
        shutil.rmtree(work / f"project-{size.signatures}/tables", ignore_errors=True)
        return size.signatures / seconds_of(
            PROGRAM, "--project", work / f"project-{size.signatures}", "curate"
        )

    def bare() -> float:
        return size.signatures / seconds_of(sys.executable, "-c", BARE_CURATION, table, matrix)

    name = f"`anchordrug curate`, {size.signatures:,} signatures and a table of {release.SIGNATURES:,}"
    limit = "pyarrow reads the table, h5py the matrix"
    yield in_turns(name, "signatures", limit, min(size.rounds, 3), ours, bare)


def start(size: Size, folder: Path) -> Iterator[Figure]:
    """Predict one molecule; the limit imports the packages that this needs."""
    drug, out = folder / "one.csv", folder / "one-out.csv"
    drug.write_text("drug_id,smiles\na,CCO\n", encoding="utf-8")
    model_of(size, "ensemble", folder)
    words = ("predict", "--model", folder / "ensemble.onnx", "--out", out, "--drugs", drug)
    imports = f"import {', '.join(PACKAGES)}"

    def ours() -> float:
        return 1 / seconds_of(PROGRAM, *words)

    def bare() -> float:
        return 1 / seconds_of(sys.executable, "-c", imports)

    name, limit = "`anchordrug predict` of one molecule, with its start", "the imports alone"
    yield in_turns(name, "runs", limit, size.starts, ours, bare)
