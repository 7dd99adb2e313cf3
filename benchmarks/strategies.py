"""What each strategy costs, with the networks that benchmarks/paper pre-trained.

campaigns: a whole 100-drug campaign (10 rounds, evaluation after each), against the same with random drugs.
pool: one query on a pool of 20,000 simulated drugs, with the process' peak memory.

    python benchmarks/strategies.py campaigns
    python benchmarks/strategies.py pool
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from projects import loaded

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.registry import strategies
from anchordrug.acquisition.retrospective import load_group, play_rounds
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.files.tables import write_json
from anchordrug.predictors.mlp.files import load_mlp
from anchordrug.predictors.mlp.predictor import MlpFitted

ROOT = Path(__file__).resolve().parent
PROJECT = ROOT / "paper/per_target"
BUDGET, BATCH, POOL, ANCHORS = 100, 10, 20_000, 20


def campaign(target: str, name: str) -> dict[str, float]:
    """Play one campaign; return seconds of query, train and evaluate, and their sum."""
    data = loaded(PROJECT)
    group = load_group(data.project, data.atlas, data.features, (target,), own=target)
    with tempfile.TemporaryDirectory() as folder:
        rows = play_rounds(
            group,
            name,
            budget=BUDGET,
            batch=BATCH,
            seed=0,
            partial=Path(folder) / "rounds.csv",
            say=lambda _: None,
        )
    rounds = rows.groupby("round").last()
    parts = {part: float(rounds[f"{part}_seconds"].sum()) for part in ("query", "train", "evaluate")}
    return {**parts, "total": sum(parts.values()), "macro_f1": float(rounds[target].iloc[-1])}


def query(target: str, name: str) -> dict[str, float]:
    """Query a simulated pool once; return seconds and the process' peak memory in GiB.

    A simulated drug takes each of its bits from one of two real ones; six in ten have one of 300 mechanisms.
    """
    data = loaded(PROJECT)
    features, line = data.features, data.atlas.cell_lines.index(target)
    rng = np.random.default_rng(0)
    size = POOL + ANCHORS
    one, other = features.drugs[rng.integers(len(features.drugs), size=(2, size))] > 0
    bits = np.where(rng.random(one.shape) < 0.5, one, other)
    mechanisms = [f"mechanism {rng.integers(300)}" if rng.random() < 0.6 else None for _ in range(size)]
    blocks = FeatureBlocks(unit_rows(bits), features.cell_lines, features.genes)
    fitted = MlpFitted(load_mlp(data.project.pretrained(target)), blocks, line)
    view = PoolView(fitted, np.arange(POOL), np.arange(POOL, size), Catalogue(bits, mechanisms))
    start = time.perf_counter()
    strategy(name)(view, BATCH, rng)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Measure every strategy in a process of its own, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["campaigns", "pool"])
    parser.add_argument("--target", default="THP1", help="a target that benchmarks/paper pre-trained for")
    parser.add_argument("--strategies", nargs="+", default=["random", *strategies()], help="default: all")
    parser.add_argument(
        "--alone", action="store_true", help="measure the one strategy named, in this process"
    )
    arguments = parser.parse_args()
    if arguments.alone:
        measure = campaign if arguments.part == "campaigns" else query
        print(json.dumps(measure(arguments.target, arguments.strategies[0])))
        return
    results: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(arguments.strategies):
        command = [sys.executable, __file__, arguments.part, "--target", arguments.target]
        done = subprocess.run(
            [*command, "--strategies", name, "--alone"], check=True, capture_output=True, text=True
        )
        results[name] = json.loads(done.stdout.splitlines()[-1])
        if "random" in results and arguments.part == "campaigns":
            results[name]["to_random"] = results[name]["total"] / results["random"]["total"]
        print(f"{name:25s}", *(f"{key} {value:8.2f}" for key, value in results[name].items()), flush=True)
        write_json(
            {
                "target": arguments.target,
                "threads": torch.get_num_threads(),
                "strategies": {
                    measured: {key: round(value, 3) for key, value in values.items()}
                    for measured, values in results.items()
                },
            },
            ROOT / f"results/strategies_{arguments.part}.json",
        )


if __name__ == "__main__":
    main()
