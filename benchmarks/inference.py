"""Speed and memory of `anchordrug predict`, against what the machine allows.

    python benchmarks/inference.py --raw $ANCHORDRUG_LINCS --target THP1 --molecules 1000000 \
        --out benchmarks/results/inference.json

Side by side, in turns, on fingerprints that are ready: the paper's network, exported, with labels and trust;
the matrix products alone, in onnxruntime, with the number of drugs a call that suits them best (the ceiling);
and the dense formulation, in which every (drug, gene) is a row of all inputs (in torch, best of several batch
sizes, building the rows included and not). Fingerprints are timed apart. Then the command itself predicts so
many molecules with the default predictor, fit to 30 random anchors, into a wide parquet of labels while its
memory is watched: real molecules that ship with rdkit, each with substituents in place of hydrogens.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
import torch
from onnx import TensorProto, helper, numpy_helper
from predictors import prepare
from projects import ROOT, exported, loaded, network_settings
from rdkit import Chem, RDConfig, rdBase
from torch.nn import functional

from anchordrug.chem.workers import Fingerprinter
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import write_json
from anchordrug.prediction.inference import OnnxPredictor, load_onnx
from anchordrug.prediction.runtime import onnxruntime
from anchordrug.predictors.mlp.network import SLOPE, FactorisedMlp
from anchordrug.predictors.mlp.predictor import MlpPredictor
from anchordrug.settings import read_settings

HERE = Path(__file__).resolve().parent
SUBSTITUENTS = (
    *("C", "CC", "C(C)C", "C1CC1", "O", "OC", "OCC", "N", "NC", "N(C)C", "NC(C)=O", "F", "Cl", "Br", "C#N"),
    *("C(=O)O", "C(=O)OC", "C(=O)N", "C(=O)C", "S(=O)(=O)C", "S(=O)(=O)N", "C(F)(F)F", "OC(F)(F)F", "SC"),
    *("c1ccccc1", "c1ccncc1", "Cc1ccccc1", "N1CCOCC1", "N1CCCC1", "N1CCNCC1", "CO", "CN", "C=C", "C#C"),
    *("OCCO", "NS(C)(=O)=O"),
)
# Seconds that a way is timed for in each of so many rounds, and drugs a call of ours.
SECONDS, ROUNDS, DRUGS = 0.4, 15, 64
ANCHORS = 30


def exported_network(folder: Path, target: str) -> tuple[Path, FactorisedMlp, FeatureBlocks, int]:
    """Export the pre-trained network of `target`; its anchors do not matter here."""
    data = loaded(folder)
    project, atlas, task = data.project, data.atlas, data.task(target)
    settings, params = project.settings, network_settings(project.settings)
    state = MlpPredictor.load_state(project.pretrained(target), params)
    anchors, z = np.zeros(0, np.int64), np.zeros((0, len(atlas.genes)), np.float32)
    fitted = MlpPredictor.ready(task, params, state).fit(anchors, z, seed=0)
    path = folder / f"{target}.onnx"
    exported(path, fitted, task, anchors, settings.predictor)
    return path, fitted.network, task.features, fitted.cell_line


def exported_default(folder: Path, target: str) -> Path:
    """Export the pre-trained default predictor of `target`, fit to random anchors."""
    data = loaded(folder)
    task = data.task(target)
    _, pool = data.split(target, 0)
    anchors = np.sort(np.random.default_rng(0).choice(pool, ANCHORS, replace=False))
    fitted = data.predictor(task).fit(anchors, data.atlas.of(target).responses_of(anchors), seed=0)
    path = folder / f"{target}.onnx"
    exported(path, fitted, task, anchors, data.project.settings.predictor)
    return path


def products(network: FactorisedMlp, genes: int, drugs: int) -> Callable[[], object]:
    """Return a call of onnxruntime that does the network's matrix products for so many drugs."""
    weights = [
        network.weight_drug.numpy(),
        *(one.weight.T.numpy() for one in (network.layer2, network.layer3, network.output)),
    ]
    rows = [drugs, *[drugs * genes] * 3]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", [f"x{k}", f"w{k}"], [f"y{k}"]) for k in range(4)],
        "products",
        [value(f"x{k}", TensorProto.FLOAT, [rows[k], weight.shape[0]]) for k, weight in enumerate(weights)],
        [value(f"y{k}", TensorProto.FLOAT, [rows[k], weight.shape[1]]) for k, weight in enumerate(weights)],
        [numpy_helper.from_array(np.ascontiguousarray(weight), f"w{k}") for k, weight in enumerate(weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {f"x{k}": rng.random((rows[k], weight.shape[0]), np.float32) for k, weight in enumerate(weights)}
    return lambda: session.run(None, feed)


def dense(
    network: FactorisedMlp, features: FeatureBlocks, line: int, batch: int, *, building: bool
) -> Callable[[], object]:
    """Return a call of torch that predicts `batch` (drug, gene) pairs from rows of all inputs."""
    parts = (network.weight_drug, network.weight_cell, network.weight_gene)
    first = torch.cat([one.detach() for one in parts]).T.contiguous()
    layers = [(first, network.bias.detach())]
    layers += [(one.weight, one.bias) for one in (network.layer2, network.layer3, network.output)]
    genes, cell = torch.from_numpy(features.genes), torch.from_numpy(features.cell_lines[line])
    gene = torch.arange(batch) % len(genes)
    drugs = torch.from_numpy(features.drugs)[torch.arange(batch) // len(genes)]
    rows = torch.empty(batch, first.shape[1])

    def build() -> None:
        torch.cat([drugs, cell.expand(batch, -1), genes[gene]], dim=1, out=rows)

    build()

    @torch.inference_mode()
    def run() -> torch.Tensor:
        if building:
            build()
        hidden = rows
        for weight, bias in layers[:-1]:
            hidden = functional.leaky_relu_(functional.linear(hidden, weight, bias), SLOPE)
        return functional.linear(hidden, *layers[-1]).softmax(-1)

    return run


def rate(call: Callable[[], object], rows: int) -> float:
    """Return the rows a second of a call that does so many, done over and over for a while."""
    # Threads of the way before may still be spinning.
    time.sleep(0.02)
    call()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        call()
        done += rows
    return done / (time.perf_counter() - start)


def rates(
    predictor: OnnxPredictor, network: FactorisedMlp, features: FeatureBlocks, line: int
) -> dict[str, list[float]]:
    """Return (drug, gene) rows a second of each way, a figure a round; the ways take turns."""
    genes = len(predictor.genes)
    bits = (features.drugs[:DRUGS] > 0).astype(np.uint8)
    keys = [""] * len(bits)
    sizes = (1024, 4096, 16384)
    # Calls with the rows that they do; the best of a way is found first.
    ways: dict[str, list[tuple[Callable[[], object], int]]] = {
        "ours": [(lambda: predictor.predict(bits, keys), len(bits) * genes)],
        "ceiling": [(products(network, genes, k), k * genes) for k in (1, 2, 4, 8, 16)],
        "dense": [(dense(network, features, line, k, building=True), k) for k in sizes],
        "dense, rows ready": [(dense(network, features, line, k, building=False), k) for k in sizes],
    }
    best = {
        name: max(calls, key=lambda one: max(rate(*one) for _ in range(3))) for name, calls in ways.items()
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, call in best.items():
            found[name].append(rate(*call))
    return found


def substituted(smiles: str) -> list[str]:
    """Return a molecule with one substituent more, at every place and of every kind."""
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        return []
    found = {}
    for atom in molecule.GetAtoms():
        if atom.GetSymbol() != "C" or atom.GetTotalNumHs() == 0:
            continue
        for group in SUBSTITUENTS:
            joined = Chem.RWMol(Chem.CombineMols(molecule, Chem.MolFromSmiles(group)))
            joined.AddBond(atom.GetIdx(), molecule.GetNumAtoms(), Chem.BondType.SINGLE)
            changed = joined.GetAtomWithIdx(atom.GetIdx())
            changed.SetNumExplicitHs(max(0, changed.GetNumExplicitHs() - 1))
            changed.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
            with rdBase.BlockLogs():
                try:
                    Chem.SanitizeMol(joined)
                except Chem.MolSanitizeException:
                    continue
            found[Chem.MolToSmiles(joined)] = None
    return list(found)


def molecules(count: int, path: Path) -> None:
    """Write a SMILES file of so many different molecules."""
    source = Path(RDConfig.RDDataDir) / "NCI/first_5K.smi"
    parents = [line.split()[0] for line in source.read_text().splitlines() if line.strip()]

    def different() -> Iterator[str]:
        seen = set()
        with ProcessPoolExecutor() as pool:
            for group in pool.map(substituted, parents, chunksize=16):
                for smiles in group:
                    if smiles not in seen:
                        seen.add(smiles)
                        yield smiles

    number = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for number, smiles in enumerate(islice(different(), count), start=1):
            file.write(f"{smiles} M{number}\n")
    if number < count:
        raise SystemExit(f"only {number:,} molecules can be made")


def memory_of(process: int) -> float:
    """Return the resident memory in MiB of a process and all its descendants, shared pages once each."""
    total = 0
    for status in Path("/proc").glob("[0-9]*"):
        try:
            ancestors, pid = [], int(status.name)
            while pid > 1:
                ancestors.append(pid)
                pid = int((Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if process in ancestors:
                rollup = (status / "smaps_rollup").read_text()
                total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration, ValueError):
            continue
    return total / 1024


def command(model: Path, library: Path, out: Path) -> dict[str, float]:
    """Run `anchordrug predict` on the library; return its seconds and peak memory."""
    shutil.rmtree(f"{out}.part", ignore_errors=True)
    words = ["predict", "--model", model, "--drugs", library, "--layout", "wide", "--out", out]
    start = time.perf_counter()
    process = subprocess.Popen([Path(sys.executable).with_name("anchordrug"), *map(str, words)])
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"predict ended with {process.returncode}")
    file = pq.ParquetFile(out)
    return {
        "seconds": time.perf_counter() - start,
        "peak_rss_mib": peak,
        "drugs": file.metadata.num_rows,
        "columns": file.metadata.num_columns,
        "parquet_mib": out.stat().st_size / 2**20,
    }


def fingerprints_a_second(library: Path, kind: tuple[int, int]) -> float:
    """Return how many structures a second the pool standardises and fingerprints, nothing next to it."""
    with library.open(encoding="utf-8") as file:
        structures = [line.split()[0] for line in islice(file, 10_000)]
    batches = [structures[start : start + 1000] for start in range(0, len(structures), 1000)]
    with Fingerprinter([kind]) as fingerprinting:
        next(fingerprinting.of(batches[:1], 1))
        start = time.perf_counter()
        done = sum(len(one) for one in fingerprinting.of(batches, 3))
        return done / (time.perf_counter() - start)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of a raw bundle")
    parser.add_argument("--target", required=True, help="cell line")
    parser.add_argument("--molecules", type=int, default=1_000_000, help="0: only the rates")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of intermediate files")
    asked = parser.parse_args()
    # The benchmark of predictors, from which this one borrows its tables, computes on one core.
    os.environ.pop("OMP_NUM_THREADS", None)
    torch.set_num_threads(os.cpu_count() or 1)
    out, work = asked.out.resolve(), asked.work.resolve() / asked.raw.resolve().name
    raw, by_default = asked.raw.resolve(), read_settings(ROOT / "params.yaml").predictor
    folder = prepare(work, raw, [asked.target], "mlp", "known")
    model, network, features, line = exported_network(folder, asked.target)
    predictor = load_onnx(model)
    found = rates(predictor, network, features, line)
    ours, ceiling, dense_rows = (np.array(found[name]) for name in ("ours", "ceiling", "dense"))
    result: dict[str, object] = {
        "target": asked.target,
        "genes": len(predictor.genes),
        "rows_a_second": {name: round(median(values)) for name, values in found.items()},
        "ratio_to_ceiling": round(float(np.median(ours / ceiling)), 3),
        "ratio_to_dense": round(float(np.median(ours / dense_rows)), 2),
        "ratio_to_dense_rows_ready": round(float(np.median(ours / np.array(found["dense, rows ready"]))), 2),
        "cores": os.cpu_count(),
    }
    print(result)
    if asked.molecules:
        library = asked.work.resolve() / f"molecules-{asked.molecules}.smi"
        if not library.exists():
            molecules(asked.molecules, library)
        result["molecules"] = asked.molecules
        default = exported_default(prepare(work, raw, [asked.target], by_default, "known"), asked.target)
        result["predictor"] = by_default
        kind = load_onnx(default).fingerprint
        result["fingerprints_a_second"] = round(fingerprints_a_second(library, kind))
        measured = command(default, library, asked.work.resolve() / "labels.parquet")
        result |= {name: round(value, 1) for name, value in measured.items()}
        result["drugs_a_second"] = round(measured["drugs"] / measured["seconds"])
        print(result)
    write_json(result, out)


if __name__ == "__main__":
    main()
