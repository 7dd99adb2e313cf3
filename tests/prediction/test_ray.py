"""anchordrug predict --engine ray: on a local cluster of two nodes, one of whose workers is killed."""

import os
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rdkit import RDConfig

from anchordrug.errors import AnchorDrugError, LibraryError, WorkerError
from anchordrug.labels import margins
from anchordrug.prediction import ray as engine
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.portions import MARK
from anchordrug.prediction.tables import TableShape
from anchordrug.raw.compound_ids import problem_with_id
from tests.conftest import run_cli

MODEL = "models/onnx/SIM-T1.onnx"
DATE = "2021-03-01 00:00:00"
# The command, in which the first actor that gets a batch is killed.
KILLING = """
import os, signal
from pathlib import Path
from anchordrug.cli import main
from anchordrug.prediction import ray as engine

class Killed(engine._Worker):
    def __call__(self, batch):
        try:
            Path("KILLED").touch(exist_ok=False)
        except FileExistsError:
            return super().__call__(batch)
        os.kill(os.getpid(), signal.SIGKILL)

engine._Worker = Killed
main()
"""

# The command, in which every actor that gets a certain portion is killed, with a line in a file.
KILLING_ALWAYS = """
import os, signal
from anchordrug.cli import main
from anchordrug.prediction import ray as engine

class Killed(engine._Worker):
    def __call__(self, batch):
        if batch.column("portion").to_pylist() != [2]:
            return super().__call__(batch)
        with open("KILLED", "a") as file:
            file.write("killed\\n")
        os.kill(os.getpid(), signal.SIGKILL)

engine._Worker = Killed
main()
"""


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="ray is not installed (pip install 'anchordrug[ray]')")
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=2)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


def molecules() -> list[str]:
    """Return 1,200 structures, many of them with a metal."""
    lines = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip()][1200:2400]


@pytest.fixture
def library(tmp_path):
    """Partitions with ids, some bad structures, and a column that nobody needs."""
    smiles = molecules()
    smiles[7], smiles[700] = "C(C", ""
    folder = tmp_path / "library"
    folder.mkdir()
    for part in range(4):
        rows = range(part * 300, part * 300 + 300)
        ids = [DATE if row == 9 else f"D{row}" for row in rows]
        table = pd.DataFrame({"pert_id": ids, "smiles": [smiles[row] for row in rows]})
        table.assign(price=1.5).to_parquet(folder / f"part-{part}.parquet")
    return folder


def ended(address: str, script: str, model: Path, *words: object) -> subprocess.CompletedProcess:
    """Run in a process of its own, as Ray's logs do not mix with a captured output."""
    return subprocess.run(
        [sys.executable, "-c", script, "predict", "--model", model, "--engine", "ray", *map(str, words)],
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        check=False,
        # Without a limit, Ray would start a killed worker for ever.
        timeout=600,
    )


def test_a_killed_worker_loses_nothing(cluster, project, library, tmp_path):
    out = tmp_path / "out"
    script = KILLING.replace("KILLED", str(tmp_path / "killed"))
    every = ["--coverage", "1"]  # the confidence is that of all labels, also of those called unknown
    done = ended(cluster, script, project / MODEL, "--drugs", library, *every, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    assert sorted(path.name for path in out.iterdir()) == [f"part-{part:06}.parquet" for part in range(4)]

    found = pd.read_parquet(out)
    assert set(found["drug_id"]) == {DATE, *(f"D{row}" for row in range(1200) if row != 9)}
    rejects = found.set_index("drug_id")["reason"].dropna()
    complexes = rejects.str.startswith("holds a metal (")
    assert 10 < complexes.sum() < 200
    bad = "not a valid SMILES"
    expected = {"D7": bad, "D700": "empty SMILES", "D897": bad}  # the last one is rdkit's
    expected[DATE] = problem_with_id(DATE)
    assert rejects[~complexes].to_dict() == expected
    pd.concat(pd.read_parquet(one) for one in library.iterdir()).to_csv(tmp_path / "all.csv")
    local = ["predict", "--model", project / MODEL, "--drugs", tmp_path / "all.csv", *every]
    assert run_cli(*local, "--out", tmp_path / "local.parquet").exit_code == 0
    expected = pd.read_parquet(tmp_path / "local.parquet").set_index(["drug_id", "gene"])
    assert len(expected.groupby(level=0)) > 1000  # the local engine leaves out structures that it has seen
    ours = found.set_index(["drug_id", "gene"]).loc[expected.index]
    require_same_but_for_ties(ours, expected, load_onnx(project / MODEL).card["decision_offsets"])


def test_a_portion_that_ends_its_worker_again_and_again_is_given_up(cluster, project, library, tmp_path):
    out, killed = tmp_path / "out", tmp_path / "killed"
    script = KILLING_ALWAYS.replace("KILLED", str(killed))
    ended_badly = ended(cluster, script, project / MODEL, "--drugs", library, "--out", out)
    assert ended_badly.returncode != 0
    assert "anchordrug: Ray's workers were killed again and again" in ended_badly.stderr
    # Once, and as often again as the limit says.
    assert len(killed.read_text().splitlines()) == 1 + engine.TRIES
    assert not (out / "part-000002.parquet").exists()


def require_same_but_for_ties(ours, expected, offsets):
    """All numbers are the same; a label that differs was a tie, and only the confidence follows it."""
    chances = ["p_down", "p_none", "p_up"]
    same = [*chances, "z", "strength", "similarity"]
    pd.testing.assert_frame_equal(ours[same], expected[same], atol=1e-4)
    assert (ours["source_lines"] == expected["source_lines"]).all()
    other = ours["label"].astype(str) != expected["label"].astype(str)
    assert other.mean() < 0.0001
    steady = ~other.groupby(level=0).transform("any")
    pd.testing.assert_series_equal(ours["confidence"][steady], expected["confidence"][steady], atol=1e-4)
    leads = margins(expected.loc[other, chances].to_numpy(np.float64), np.array(offsets))
    assert (leads < 1e-4).all()


def test_where_it_cannot_read_or_write(project, library, tmp_path, monkeypatch):
    """All of it is found before any worker starts."""

    def starts(*_):
        raise AssertionError("a worker has started")

    monkeypatch.setattr(engine, "_spread", starts)

    def fault(drugs: Path, out: Path, *words: str) -> str:
        options = ("--model", project / MODEL, "--engine", "ray", "--drugs", drugs, "--out", out)
        ended = run_cli("predict", *options, *words).exception
        assert isinstance(ended, AnchorDrugError)
        return str(ended)

    assert "no such file or folder" in fault(tmp_path / "none", tmp_path / "o")
    assert "is in the library" in fault(library, library)
    assert "is not empty" in fault(library, tmp_path)
    named = fault(library, tmp_path / "o", "--smiles-column", "smile")
    assert "no column 'smile'" in named
    assert "did you mean 'smiles'?" in named


def test_what_a_driver_that_died_has_left_is_gone_on_with(cluster, project, library, tmp_path, monkeypatch):
    """The portion that is done keeps its file; the three others are predicted."""
    columns = engine._Columns("smiles", "pert_id", None, (), ["drug_id", "name"])
    out, command = tmp_path / "out", ("--drugs", library, "--out", tmp_path / "out")
    begun = engine.Output.begun

    def begin_alone(output, key):
        begun(output, key)
        worker = engine._Worker(files, TableShape(), columns, engine.library_at(*local, "it"), output)
        assert worker(pa.table({"portion": [1]})).to_pydict() == {"reason": [""]}
        raise KeyboardInterrupt

    model = project / MODEL
    files, local = [(str(model), model.read_bytes())], (fsspec.filesystem("file"), str(library))
    with monkeypatch.context() as patch:
        patch.setattr(engine.Output, "begun", begin_alone)
        run_cli("predict", "--model", model, "--engine", "ray", *command)
    done = out / "part-000001.parquet"
    assert {path.name for path in out.iterdir()} == {MARK, done.name}
    before = done.stat()
    ended_well = ended(cluster, "from anchordrug.cli import main; main()", model, *command)
    assert ended_well.returncode == 0, ended_well.stderr
    assert "resuming, 1 of 4 portions are done" in ended_well.stderr
    assert done.stat().st_mtime_ns == before.st_mtime_ns
    assert len(set(pd.read_parquet(out)["drug_id"])) == 1200
    assert len(list(out.iterdir())) == 4


def test_faults_are_found_before_any_worker_starts(project, library, tmp_path, monkeypatch):
    """Of the model, of the options, and of the folder, which is blamed itself."""

    def starts(*_):
        raise AssertionError("a worker has started")

    monkeypatch.setattr(engine, "_spread", starts)
    (tmp_path / "file").touch()
    command = ("predict", "--model", project / MODEL, "--engine", "ray", "--drugs", library, "--out")
    blamed = run_cli(*command, tmp_path / "file/out").exception
    assert isinstance(blamed, LibraryError)
    assert str(blamed).startswith(f"{tmp_path / 'file/out'}: cannot be written to")
    assert "--top: a wide table" in str(
        run_cli(*command, tmp_path / "out", "--layout", "wide", "--top", "3").exception
    )

    def fails(*_):
        raise LibraryError("its probabilities do not add up to 1")

    monkeypatch.setattr(engine, "predict_each", fails)
    assert "do not add up" in str(run_cli(*command, tmp_path / "out").exception)
    assert not (tmp_path / "out").exists()


def test_what_a_worker_cannot_do_is_said_in_a_line(project, library, tmp_path, monkeypatch):
    """As if a portion had been predicted on the cluster: killed processes, a folder that is full."""
    model, local = project / MODEL, fsspec.filesystem("file")
    output = engine.Output(local, str(tmp_path / "out"), "out")
    output.begun("key")
    files, source = [(str(model), model.read_bytes())], engine.library_at(local, str(library), "library")
    columns = engine._Columns("smiles", None, None, (), ["drug_id", "name"])
    worker = engine._Worker(files, TableShape(), columns, source, output)
    for fault in (WorkerError("free memory"), LibraryError("out: cannot be written to")):

        def fails(*_, fault=fault):
            raise fault

        monkeypatch.setattr(engine, "predict_each", fails)
        assert worker(pa.table({"portion": [0]})).to_pydict() == {"reason": [str(fault)]}
    worker.fingerprinting.threads.shutdown(wait=False)


def test_an_engine_that_is_none(project, library, tmp_path):
    result = run_cli(
        "predict",
        "--model",
        project / MODEL,
        "--drugs",
        library,
        "--out",
        tmp_path / "o",
        "--engine",
        "spark",
    )
    assert "--engine spark: not one of local, ray" in str(result.exception)
