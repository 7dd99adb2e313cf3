"""Commands that are killed at random moments: nothing is lost, and run again they end the same.

tests/test_faults.py has the kills that do not depend on the clock. ANCHORDRUG_KILLS says how often each
command is killed at a random moment; from 10 on, it is also killed before every file that it finishes, not
only before each third.
"""

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from anchordrug.files.atomic import PARTIAL
from tests.conftest import write_params

KILLS = int(os.environ.get("ANCHORDRUG_KILLS", "1"))
# Before every file in turn, or only before each third.
STRIDE = 1 if KILLS >= 10 else 3
# A command's words; paths are below the folder that it is for.
Words = tuple[str | Path, ...]
C = Path("c")
NEW = (
    *("campaign", "new", C, "--target", "SIM-T1", "--library", Path("tables/atlas/drugs.parquet")),
    *("--budget", "4", "--rounds", "2", "--rehearsal"),
)
NEXT, FINISH = ("campaign", "next", C), ("campaign", "finish", C)
REHEARSE = [("campaign", "rehearse", C, "--out", Path(f"counts{n}.csv")) for n in (1, 2)]
INGEST = [("campaign", "ingest", C, Path(f"counts{n}.csv"), "--yes") for n in (1, 2)]
# Finished once in between, so that the last finish has files to replace.
WHOLE = (NEW, NEXT, REHEARSE[0], INGEST[0], FINISH, NEXT, REHEARSE[1], INGEST[1], FINISH)
TESTED = {0: "new", 5: "next", 6: "rehearse", 7: "ingest", 8: "finish"}
pytestmark = pytest.mark.long
every_command = pytest.mark.parametrize("command", TESTED.values())


@dataclass(frozen=True)
class Step:
    """A command, the folder it starts from, the files before and after it, and how long it took."""

    words: Words
    start: Path
    before: dict[str, str]
    after: dict[str, str]
    seconds: float


def below(folder: Path, words: Words) -> list[str]:
    """Return the words of a command for `folder`."""
    return [str(folder / word) if isinstance(word, Path) else word for word in words]


def play(folder: Path, words: Words, rename: int, number: int) -> None:
    """Run a command for the project `folder` in this process.

    It gets signal `number` before it renames its `rename`-th file.
    """
    import torch

    from anchordrug.cli import app

    torch.set_num_threads(1)
    log = os.open(folder.parent / f"{folder.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    replace, count = Path.replace, 0

    def counted(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == rename:
            os.kill(os.getpid(), number)
        return replace(path, target)

    Path.replace = counted
    app(["--project", str(folder), *below(folder, words)], standalone_mode=False)


class Bench:
    """Starts commands in forks of a process with one thread that has imported everything."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        commands = [f"anchordrug.bench.{name}" for name in TESTED.values()]
        self.context.set_forkserver_preload(["pytest", "torch", "pydeseq2.dds", "anchordrug.cli", *commands])

    def start(self, folder: Path, words: Words, rename: int = 0, number: int = signal.SIGKILL) -> BaseProcess:
        process = self.context.Process(target=play, args=(folder, words, rename, number))
        process.start()
        return process

    def run(self, folder: Path, words: Words, rename: int = 0) -> bool:
        """Return whether the command ended; it may only end well or be killed before a rename."""
        process = self.start(folder, words, rename)
        process.join()
        expected = (0, -signal.SIGKILL) if rename else (0,)
        assert process.exitcode in expected, (words, (folder.parent / f"{folder.name}.log").read_text())
        return process.exitcode == 0


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        # So wide that no path is broken.
        patch.setenv("COLUMNS", "500")
        bench = Bench()
        # So that the first command is as fast as others.
        bench.start(tmp_path_factory.mktemp("warm"), ("--help",)).join()
        yield bench


def small_project(project: Path, folder: Path) -> Path:
    """Copy tables with little of two source lines, and the target, so that a campaign learns at once."""
    shutil.copytree(project / "tables/atlas", folder / "tables/atlas")
    shutil.copytree(project / "tables/features", folder / "tables/features")
    path = folder / "tables/atlas/responses.parquet"
    responses = pd.read_parquet(path)
    largest = responses["cell_line"].value_counts().drop(["SIM-T1", "SIM-T2"]).index[:2]
    sources = [responses[responses["cell_line"] == line].head(60) for line in largest]
    together = pd.concat([responses[responses["cell_line"] == "SIM-T1"], *sources])
    together.sort_index().to_parquet(path, index=False)
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    write_params(folder, params | {"predictor": "response_gp"})
    return folder


def thin(counts: Path, genes: list[str]) -> None:
    """Keep the atlas' genes and some others, so that ingest takes a second."""
    table = pd.read_csv(counts)
    keep = table["gene"].isin(genes) | (table.index % 20 == 0)
    table[keep].to_csv(counts, index=False)


def copied(folder: Path, copy: Path) -> Path:
    return Path(shutil.copytree(folder, copy, symlinks=True))


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file but the lock and the tables, which no command touches."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "tables" not in path.relative_to(folder).parts
    }


@pytest.fixture(scope="module")
def steps(project: Path, bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """A campaign from new to finish without interruption."""
    home = tmp_path_factory.mktemp("kill")
    small = small_project(project, home / "small")
    genes = pd.read_parquet(small / "tables/atlas/genes.parquet")["gene"].tolist()
    folder = home / "whole"
    folder.mkdir()
    (folder / "tables").symlink_to(small / "tables")
    shutil.copy(small / "params.yaml", folder / "params.yaml")
    found = {}
    for number, words in enumerate(WHOLE):
        start, before = copied(folder, home / str(number)), hashes(folder)
        clock = time.perf_counter()
        bench.run(folder, words)
        seconds = time.perf_counter() - clock
        if number in TESTED:
            found[TESTED[number]] = Step(words, start, before, hashes(folder), seconds)
        if "rehearse" in words:
            thin(folder / words[-1], genes)
    return found


def require_whole(folder: Path, step: Step) -> None:
    """Check that every file is as it was before the command or as the command makes it, and none is gone."""
    found = hashes(folder)
    assert step.before.keys() & step.after.keys() <= found.keys()
    for name, key in found.items():
        # Nor is what a cut prediction goes on from a result.
        if PARTIAL not in name and ".part/" not in name:
            assert key in (step.before.get(name), step.after.get(name)), name


def require_the_same_end(folder: Path, step: Step) -> None:
    """Check that the files are those of an uninterrupted run, and no others."""
    found = hashes(folder)
    assert sorted(found) == sorted(step.after)
    assert [name for name, key in found.items() if key != step.after[name]] == []


def test_a_whole_campaign_has_files_to_lose(steps):
    assert steps["new"].before.keys() == {"params.yaml"}
    for step in steps.values():
        assert step.before != step.after
        assert not [name for name in step.after if PARTIAL in name]
    rewritten = {name for name, key in steps["finish"].before.items() if steps["finish"].after[name] != key}
    assert {"c/finish/report.html", "c/finish/SIM-T1.onnx", "c/finish/metrics.json"} <= rewritten


@every_command
def test_a_command_killed_at_any_moment_loses_nothing_and_ends_the_same_when_run_again(
    steps, bench, tmp_path, command
):
    step, rng, killed = steps[command], random.Random(command), 0
    for number in range(KILLS):
        folder = copied(step.start, tmp_path / str(number))
        process = bench.start(folder, step.words)
        process.join(rng.random() * step.seconds)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        require_whole(folder, step)
        bench.run(folder, step.words)
        require_the_same_end(folder, step)
        shutil.rmtree(folder)
    print(f"{command}: {step.seconds:.2f} s, {killed} of {KILLS} killed before the end")


@every_command
def test_a_command_killed_before_each_file_it_finishes_gets_there_all_the_same(
    steps, bench, tmp_path, command
):
    step = steps[command]
    folder = copied(step.start, tmp_path / "folder")
    kills = 0
    # Every run starts from what the one before left, and gets a file or three further.
    while not bench.run(folder, step.words, rename=kills * STRIDE + 1):
        kills += 1
        require_whole(folder, step)
    assert kills >= 1
    require_the_same_end(folder, step)
