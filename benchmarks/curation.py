"""Curation at the release's size: time, memory, and what a kill costs, against h5py reading the same rows.

    python benchmarks/curation.py --out benchmarks/results/curation.json      # ten minutes, 7 GB of disk

For each number of signatures a raw bundle is made in the release's formats: a GCTX of so many signatures x
12,328 genes, not compressed, in chunks of one MiB of whole rows as CMap's own software writes them; a siginfo
of 720,216 rows and its 36 columns; 33,609 compounds, real molecules; a panel of 307 genes spread over the
matrix. Six per cent of the signatures are gold, 10 uM, 24 h, of 5,886 drugs.

`anchordrug curate` runs on it as a command. Next to it, in turns, a process that knows the rows and does
nothing but read them with h5py, in the fastest of several ways; both with the matrix in the page cache and
without it. The largest is killed half-way, too, and resumed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import pandas as pd
from inference import memory_of, molecules
from projects import ROOT, written

from anchordrug.files.atomic import atomic_path
from anchordrug.files.digests import sha256
from anchordrug.files.progress import track
from anchordrug.files.tables import write_json

HERE = Path(__file__).resolve().parent
SIGNATURES, GENES, PANEL = 720_216, 12_328, 307
COMPOUNDS, DRUGS, LINES, WANTED = 33_609, 5_886, 60, 0.06
CHUNK_BYTES = 2**20
ROUNDS = 3
# What the release's siginfo carries next to what curation reads.
OTHER_COLUMNS = (
    *("bead_batch", "nearest_dose", "cell_mfc_name", "pert_mfc_id", "det_plates", "det_wells", "rna_plate"),
    *(
        "rna_well",
        "count_mean",
        "count_cv",
        "build_name",
        "ss_ngene",
        "tas",
        "wt",
        "median_recall_rank_spearman",
    ),
    *(
        "median_recall_rank_wtcs_50",
        "median_recall_score_spearman",
        "median_recall_score_wtcs_50",
        "batch_effect_tstat",
    ),
    *(
        "batch_effect_tstat_pct",
        "nsample",
        "qc_pass",
        "cmap_name",
        "is_hiq",
        "project_code",
        "is_exemplar_sig",
    ),
)


def write_tables(folder: Path, library: Path) -> None:
    """Write every file of the bundle but the matrix."""
    rng = np.random.default_rng(0)
    count = SIGNATURES
    wanted = rng.random(count) < WANTED
    drug = np.where(wanted, rng.integers(DRUGS, size=count), rng.integers(COMPOUNDS, size=count))
    dose = np.where(wanted, 10.0, rng.choice([0.04, 0.12, 0.37, 1.11, 3.33], size=count))
    line = rng.integers(LINES, size=count)
    number = np.round(rng.random((count, 4)), 4).astype(str)
    table = {
        "sig_id": [f"REP.A{k % 977:03d}_L{line[k]:02d}_24H:{k:06d}" for k in range(count)],
        "pert_id": [f"BRD-K{k:08d}" for k in drug],
        "cell_iname": [f"LINE{k:02d}" for k in line],
        "pert_type": "trt_cp",
        "pert_dose": dose,
        "pert_dose_unit": "uM",
        "pert_idose": [f"{one:g} uM" for one in dose],
        "pert_time": 24,
        "pert_time_unit": "h",
        "pert_itime": "24 h",
        "is_gold": np.where(wanted, 1, rng.integers(2, size=count)),
        "cc_q75": number[:, 0],
        "pct_self_rank_q25": number[:, 1],
    }
    for position, name in enumerate(OTHER_COLUMNS):
        table[name] = number[:, position % 4]
    with atomic_path(folder / "siginfo_beta.txt") as temporary:
        pd.DataFrame(table).to_csv(temporary, sep="\t", index=False)
    structures = [text.split()[0] for text in library.read_text().splitlines()[:COMPOUNDS]]
    ids = [f"BRD-K{k:08d}" for k in range(COMPOUNDS)]
    pd.DataFrame(
        {
            "pert_id": ids,
            "cmap_name": ids,
            "target": "",
            "moa": "",
            "canonical_smiles": structures,
            "inchi_key": "",
        }
    ).to_csv(folder / "compoundinfo_beta.txt", sep="\t", index=False)
    symbols = [f"G{k}" for k in range(GENES)]
    pd.DataFrame(
        {
            "gene_id": range(1, GENES + 1),
            "gene_symbol": symbols,
            "ensembl_id": "",
            "feature_space": "inferred",
        }
    ).to_csv(folder / "geneinfo_beta.txt", sep="\t", index=False)
    panel = sorted(rng.choice(GENES, PANEL, replace=False))
    (folder / "gene_panel.txt").write_text("\n".join(symbols[k] for k in panel) + "\n")
    pd.DataFrame(1, index=[symbols[k] for k in panel], columns=["GO:1"]).to_csv(folder / "gene_ontology.csv")
    pd.DataFrame(1.0, index=[f"LINE{k:02d}" for k in range(LINES)], columns=symbols[:50]).to_csv(
        folder / "basal_expression.csv"
    )


def write_matrix(path: Path, count: int, ids: list[str]) -> None:
    """Write a GCTX of the first `count` signatures, not compressed."""
    rng = np.random.default_rng(1)
    rows = CHUNK_BYTES // (4 * GENES)
    # The temporary file is locked by atomic_path.
    with (
        atomic_path(path) as temporary,
        h5py.File(temporary, "w", libver="earliest", locking=False) as file,
    ):
        matrix = file.create_dataset("0/DATA/0/matrix", (count, GENES), "f4", chunks=(rows, GENES))
        starts = range(0, count, 100 * rows)
        for start in track(starts, f"writing {count:,} signatures", len(starts)):
            stop = min(count, start + 100 * rows)
            matrix[start:stop] = rng.standard_normal((stop - start, GENES), dtype=np.float32)
        file["0/META/COL/id"] = np.array(ids[:count], dtype="S")
        file["0/META/ROW/id"] = np.array([str(k + 1) for k in range(GENES)], dtype="S")


def make(work: Path, counts: list[int]) -> None:
    """Make the bundles that are not there yet."""
    library = work / "molecules.smi"
    tables = work / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    if not library.exists():
        molecules(COMPOUNDS, library)
    if not (tables / "siginfo_beta.txt").exists():
        write_tables(tables, library)
    ids: list[str] = []
    for count in counts:
        folder = work / f"bundle-{count}"
        folder.mkdir(exist_ok=True)
        for one in tables.iterdir():
            (folder / one.name).unlink(missing_ok=True)
            (folder / one.name).hardlink_to(one)
        path = folder / f"level5_beta_trt_cp_n{count}x{GENES}.gctx"
        if not path.exists():
            ids = (
                ids
                or pd.read_csv(tables / "siginfo_beta.txt", sep="\t", usecols=["sig_id"])["sig_id"].tolist()
            )
            write_matrix(path, count, ids)
        written(work / f"project-{count}", ROOT / "params.yaml", {"raw.dir": str(folder)})


def matrix_of(work: Path, count: int) -> Path:
    """Return where the matrix of a bundle lies."""
    return next((work / f"bundle-{count}").glob("*.gctx"))


def forget(path: Path) -> None:
    """Take a file out of the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_bare(path: Path, way: str, rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the seconds that h5py takes to read `rows` at the span of `columns`."""
    start = time.perf_counter()
    with h5py.File(path, "r", rdcc_nbytes=0 if way == "no chunk cache" else 2**20) as file:
        matrix = file["0/DATA/0/matrix"]
        assert isinstance(matrix, h5py.Dataset)
        span = slice(columns[0], columns[-1] + 1)
        if way == "bands":
            for first in range(0, len(matrix), 2048):
                np.asarray(matrix[first : first + 2048, span])
        else:
            runs = np.split(rows, np.flatnonzero(np.diff(rows) > CHUNK_BYTES // (4 * GENES)) + 1)
            for run in runs:
                np.asarray(matrix[run[0] : run[-1] + 1, span])
    return time.perf_counter() - start


def bare(work: Path, count: int, way: str) -> float:
    """Return the seconds of `read_bare` in a process of its own, its start not counted."""
    tables = work / "tables"
    keep = work / "rows.npz"
    if not keep.exists():
        info = pd.read_csv(tables / "siginfo_beta.txt", sep="\t", usecols=["pert_dose", "is_gold"])
        rows = np.flatnonzero((info["pert_dose"] == 10) & (info["is_gold"] == 1))
        genes = [int(one[1:]) for one in (tables / "gene_panel.txt").read_text().split()]
        np.savez(keep, rows=rows, columns=np.sort(genes))
    code = (
        "import sys, numpy as np; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from curation import read_bare; known = np.load(sys.argv[2]); rows = known['rows'];"
        "print(read_bare(Path(sys.argv[3]), sys.argv[4], rows[rows < int(sys.argv[5])], known['columns']))"
    )
    words = [str(HERE), str(keep), str(matrix_of(work, count)), way, str(count)]
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    return float(done.stdout)


def curate(work: Path, count: int, kill_at: float | None = None) -> tuple[float, float]:
    """Return seconds and peak memory in MiB of the command; kill it when so much of the matrix is read."""
    project = work / f"project-{count}"
    start = time.perf_counter()
    with (project / "log.txt").open("w") as log:
        command = [Path(sys.executable).with_name("anchordrug"), "--project", project, "curate"]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        if kill_at is not None:
            wanted = 4 * PANEL * WANTED * count * kill_at
            spools = (project / ".anchordrug/curate").glob("*.float32")
            if any(one.stat().st_size >= wanted for one in spools):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.05 if kill_at is not None else 0.2)
    if process.returncode and kill_at is None:
        raise SystemExit((project / "log.txt").read_text())
    return time.perf_counter() - start, peak


def measured(work: Path, count: int) -> dict:
    """Measure one size: the command and the bare reads in turns, without and with the page cache."""
    matrix = matrix_of(work, count)
    ways = ("bands", "runs", "no chunk cache")
    result: dict = {"signatures": count, "matrix_gib": matrix.stat().st_size / 2**30}
    for cached in (False, True):
        seconds: dict[str, list[float]] = {way: [] for way in (*ways, "curate")}
        peaks = []
        for _ in range(ROUNDS):
            for way in ways:
                if not cached:
                    forget(matrix)
                seconds[way].append(bare(work, count, way))
            if not cached:
                forget(matrix)
            shutil.rmtree(work / f"project-{count}/tables", ignore_errors=True)
            taken, peak = curate(work, count)
            seconds["curate"].append(taken)
            peaks.append(peak)
        medians = {way: median(times) for way, times in seconds.items()}
        best = min(medians[way] for way in ways)
        name = "in_page_cache" if cached else "from_disk"
        result[name] = {**medians, "ratio": medians["curate"] / best, "peak_mib": max(peaks)}
        print(count, name, json.dumps(result[name]), flush=True)
    return result


def killed(work: Path, count: int) -> dict:
    """Kill the command half-way, resume it, and compare."""
    responses = work / f"project-{count}/tables/curated/responses.parquet"
    whole = sha256(responses)
    shutil.rmtree(work / f"project-{count}/tables")
    forget(matrix_of(work, count))
    until_kill, _ = curate(work, count, kill_at=0.5)
    if responses.exists():
        raise SystemExit("the command was done before it was killed")
    forget(matrix_of(work, count))
    resumed, _ = curate(work, count)
    return {"killed_after": until_kill, "resumed_in": resumed, "same_bytes": sha256(responses) == whole}


def main() -> None:
    """Make the bundles, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--signatures", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--out", type=Path, required=True, help="JSON file of results")
    parser.add_argument(
        "--work", type=Path, default=HERE / "work/curation", help="folder of intermediate files"
    )
    asked = parser.parse_args()
    work = asked.work.resolve()
    make(work, asked.signatures)
    results = {
        "sizes": [measured(work, count) for count in asked.signatures],
        "killed": killed(work, asked.signatures[-1]),
    }
    print(json.dumps(results["killed"]))
    write_json(results, asked.out)


if __name__ == "__main__":
    main()
