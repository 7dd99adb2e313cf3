"""What the response predictors and designs cost, on the tables that predictors.py prepared.

fit: fit to 100 anchors, predict every drug of the atlas, and export to ONNX, for each predictor.
pool: choose 100 of a pool of 100,000 simulated drugs, with the process' peak memory, for each design; for
a_optimal of a million, too.
loss: what its shortlist and its half-size numbers lose of the score, against every drug in every step.
ceiling: how well one stereo-isomer's measured labels predict the other's.

    python benchmarks/response.py --target THP1 --out benchmarks/results/response.json
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
from projects import exported, loaded, opened

from anchordrug.acquisition import Catalogue, PoolView, strategy
from anchordrug.acquisition.strategies import a_optimal
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.evaluation.metrics import correlations, macro_f1
from anchordrug.files.tables import write_json
from anchordrug.labels import labels_of
from anchordrug.predictors.response.packed_bits import PackedBits
from anchordrug.predictors.response.prior import ResponsePrior

HERE = Path(__file__).resolve().parent
QUERIES, GENES, BITS, KNOWN, BATCH = 5_000, 307, 1024, 5_886, 100
POOL, MILLION, COMPARED = 100_000, 1_000_000, 30_000
ROWS_AT_ONCE = 4096
THRESHOLD = 1.5


def fit_seconds(work: Path, predictor: str, target: str) -> dict[str, float]:
    """Return the seconds of fit, prediction and export."""
    data = loaded(work / predictor)
    atlas, task = data.atlas, data.task(target)
    ready = data.predictor(task)
    _, pool = data.split(target, 0)
    anchors = pool[:100]
    z = atlas.of(target).responses_of(anchors)
    start = time.perf_counter()
    fitted = ready.fit(anchors, z, seed=0)
    fitted_at = time.perf_counter()
    fitted.probabilities(np.arange(len(atlas.drugs)))
    predicted_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        exported(path, fitted, task, anchors, predictor)
        megabytes = path.stat().st_size / 1e6
    exported_at = time.perf_counter()
    return {
        "fit_seconds": fitted_at - start,
        "predict_seconds": predicted_at - fitted_at,
        "export_seconds": exported_at - predicted_at,
        "drugs": len(atlas.drugs),
        "onnx_megabytes": megabytes,
    }


def simulated_catalogue(pool: int) -> Catalogue:
    """Return a library as large as a vendor's; source lines know as many of its drugs as the full release."""
    rng = np.random.default_rng(0)
    drugs = pool + QUERIES
    packed = np.empty((drugs, BITS // 8), np.uint8)
    for start in range(0, drugs, ROWS_AT_ONCE):
        part = packed[start : start + ROWS_AT_ONCE]
        part[:] = np.packbits(rng.random((len(part), BITS), np.float32) < 0.05, axis=1)
    lines = np.zeros(drugs + 1, np.float32)
    lines[rng.permutation(drugs)[:KNOWN]] = 5
    programmes = rng.normal(size=(30, GENES)).astype(np.float32)
    known = [*np.flatnonzero(lines), drugs]
    total = rng.gamma(0.3, 1, (len(known), 30)).astype(np.float32) @ programmes * lines[known, None]
    nothing = np.zeros((1, GENES), np.float32)
    counts = np.broadcast_to(nothing, (len(known), GENES))
    of_lines = lines[known, None]
    bits = PackedBits(packed, BITS)
    prior = ResponsePrior(bits, np.full(drugs, -1), lines, of_lines, total, counts, counts)
    # Neither design looks at the fingerprints as they are.
    return Catalogue(np.empty((drugs, 0)), [None] * drugs, prior, np.arange(pool, drugs))


def simulated_view(size: int) -> PoolView:
    """Return a pool of so many drugs, of which nothing is chosen yet."""
    pool = np.arange(size)
    return PoolView(None, pool, pool[:0], simulated_catalogue(size))  # pyright: ignore[reportArgumentType]


def design(name: str, size: int) -> dict[str, float]:
    """Return the seconds of one choice and the process' peak memory in GiB."""
    view = simulated_view(size)
    start = time.perf_counter()
    strategy(name)(view, BATCH, np.random.default_rng(0))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def loss() -> dict[str, float]:
    """Return which share of the exact greedy choice's score a_optimal reaches in the way of large pools."""
    view, rng = simulated_view(COMPARED), np.random.default_rng(0)
    found = strategy("a_optimal")(view, BATCH, rng)
    a_optimal.MANY = 0
    half = strategy("a_optimal")(view, BATCH, rng)
    a_optimal.MANY = a_optimal.SHORTLIST = COMPARED + QUERIES + 1
    exact = strategy("a_optimal")(view, BATCH, rng)
    return {
        "shortlist": found.scores.sum() / exact.scores.sum(),
        "half": half.scores.sum() / exact.scores.sum(),
        "same_drugs": len(np.intersect1d(half.positions, exact.positions)),
    }


def ceiling(atlas: ResponseAtlas) -> dict[str, float]:
    """Return the agreement of the measured labels of drugs that differ in stereo-chemistry only, per line."""
    skeleton = atlas.drugs["inchikey"].str[:14].to_numpy()
    one, other = [], []
    for line in np.unique(atlas.cell_line):
        own = np.flatnonzero(atlas.cell_line == line)
        names = skeleton[atlas.drug[own]]
        a, b = np.nonzero((names[:, None] == names[None]) & ~np.eye(len(own), dtype=bool))
        one.append(atlas.z[own[a]])
        other.append(atlas.z[own[b]])
    first, second = np.concatenate(one), np.concatenate(other)
    return {
        "pairs": len(first) // 2,
        "macro_f1": macro_f1(labels_of(first, THRESHOLD), labels_of(second, THRESHOLD)),
        "z_correlation": float(correlations(first, second).mean()),
    }


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", required=True)
    parser.add_argument("--work", type=Path, default=HERE / "work/lincs", help="work folder of predictors.py")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", help="one measurement, printed as JSON; every one has a process of its own")
    asked = parser.parse_args()
    work = asked.work.resolve()
    if asked.only:
        kind, _, name = asked.only.partition(":")
        measure = {
            "fit": lambda: fit_seconds(work, name, asked.target),
            "pool": lambda: design(name, POOL),
            "million": lambda: design(name, MILLION),
            "loss": loss,
            "ceiling": lambda: ceiling(opened(work / "ensemble").atlas()),
        }
        print(json.dumps(measure[kind]()))
        return
    results = {}
    jobs = [f"fit:{name}" for name in ("response_gp", "response_net", "ensemble")]
    designs = ["pool:a_optimal", "pool:facility_location", "million:a_optimal", "loss:a_optimal"]
    for job in [*jobs, *designs, "ceiling"]:
        command = [sys.executable, __file__, "--target", asked.target, "--work", str(work), "--only", job]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[job] = {name: round(value, 4) for name, value in json.loads(done.stdout).items()}
        print(job, results[job], flush=True)
    if asked.out:
        write_json(results, asked.out.resolve())


if __name__ == "__main__":
    main()
