"""Pairs of commands at the same time on one project: as if one had run after the other, or been refused.

ANCHORDRUG_PAIRS says how often every pair is run; without it, a few pairs run once. ANCHORDRUG_PAIRS_MINUTES
is when to stop.
"""

import hashlib
import itertools
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchordrug.prediction.inference import load_onnx
from tests.bench.conftest import copy_of, must
from tests.conftest import run_from_pretrain
from tests.parallel import Ended, Parallel

TIMES = int(os.environ.get("ANCHORDRUG_PAIRS", "0"))
MINUTES = float(os.environ.get("ANCHORDRUG_PAIRS_MINUTES", "inf"))
TARGET, SEED = ["--target", "SIM-T1"], ["--seed", "0"]
MODEL = ["--model", "model.onnx", "--drugs", "drugs.csv"]
ADDITION = ["--cell-line", "HT29", "--compounds"]
ALWAYS = {
    "grow": ["grow"],
    "split": ["split"],
    "predict": ["predict", *MODEL, "--out", "predicted.csv"],
    "rank": ["rank", *MODEL, "--up", "up.txt", "--out", "ranking.csv", "--permutations", "10"],
    "next": ["campaign", "next", "campaigns/c"],
    "ingest": ["campaign", "ingest", "campaigns/c", "counts.csv", "--yes"],
}
WHOLE = {
    "curate": ["curate"],
    "featurize": ["featurize"],
    "pretrain": ["pretrain", *TARGET],
    "select": ["select", *TARGET, *SEED],
    "compare": ["compare", *TARGET, *SEED],
    "finetune": ["finetune", *TARGET, *SEED],
    "evaluate": ["evaluate", *TARGET, *SEED],
    "hidden": ["hidden", *TARGET],
    "export": ["export", *TARGET],
    "summarise": ["summarise"],
    "report": ["report"],
    "panel": ["panel", "--size", "20"],
    "simulate": ["simulate", "--out", "simulated"],
    "inspect": ["inspect", "model.onnx"],
    "doctor": ["doctor"],
    "list": ["atlas", "list"],
    "add": ["atlas", "add", "more", "z.csv", *ADDITION, "compounds.csv"],
    "remove": ["atlas", "remove", "before"],
    "status": ["campaign", "status", "campaigns/c"],
    "rehearse": ["campaign", "rehearse", "campaigns/c", "--out", "wells.csv"],
    "finish": ["campaign", "finish", "campaigns/c"],
}
COMMANDS = ALWAYS | (WHOLE if TIMES else {})
FEW = (("predict", "predict"), ("next", "ingest"), ("ingest", "ingest"))
REFUSED = "another anchordrug command works in it"
State = tuple[tuple[int | None, ...], str]


@pytest.fixture(scope="module")
def base(project: Path, bench_project: Path, waiting: Path, tmp_path_factory) -> Path:
    """A project with a model, a library, a campaign whose round 1 waits, and what each command writes."""
    home = copy_of(bench_project, tmp_path_factory.mktemp("pairs"))
    shutil.copytree(waiting / "campaign", home / "campaigns/c")
    shutil.copy(waiting / "counts.csv", home)
    shutil.copy(project / "models/onnx/SIM-T1.onnx", home / "model.onnx")
    (home / "drugs.csv").write_text("id,smiles\n" + "".join(f"d{n},{'C' * n}O\n" for n in range(1, 20)))
    (home / "up.txt").write_text("\n".join(load_onnx(home / "model.onnx").genes[:20]))
    if TIMES:
        run_from_pretrain(home)
        genes, rng = load_onnx(home / "model.onnx").genes, np.random.default_rng(0)
        z = pd.DataFrame(rng.normal(size=(len(genes), 19)), genes, [f"d{n}" for n in range(1, 20)])
        z.rename_axis("gene").to_csv(home / "z.csv")
        shutil.copy(home / "drugs.csv", home / "compounds.csv")
        must("atlas", "add", "before", home / "z.csv", *ADDITION, home / "compounds.csv", folder=home)
    return home


@pytest.fixture(scope="module")
def parallel() -> Iterator[Parallel]:
    with Parallel() as running:
        yield running


def state_of(folder: Path) -> str:
    """Return a hash of all files and their names; locks name processes, which differ."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            digest.update(
                f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest()
            )
    return digest.hexdigest()


class Pairs:
    """What pairs of commands do to copies of a project, one after the other and side by side."""

    def __init__(self, base: Path, parallel: Parallel, home: Path) -> None:
        self.base, self.parallel, self.home = base, parallel, home
        self.serial: dict[tuple[str, ...], State] = {(): ((), state_of(base))}

    def fresh(self) -> Path:
        """Return a copy of the project, always in the same place, as some files name it."""
        shutil.rmtree(self.home, ignore_errors=True)
        return Path(shutil.copytree(self.base, self.home))

    def after(self, *names: str) -> State:
        """Return the exit codes and the state after commands, one after the other."""
        if names not in self.serial:
            before = self.after(*names[:-1])
            # What has changed nothing need not be done again.
            rest = names[-1:] if before[1] == self.serial[()][1] else names
            if rest != names:
                codes, state = self.after(*rest)
                self.serial[names] = (*before[0], *codes), state
            else:
                folder = self.fresh()
                ended = [self.parallel.run(folder, COMMANDS[name])[0] for name in names]
                self.serial[names] = tuple(command.code for command in ended), state_of(folder)
        return self.serial[names]

    def allowed(self, first: str, second: str, ended: list[Ended]) -> set[State]:
        """Return how the pair may have ended: as in either order, or without the one that was refused."""
        refused = [command.code == 2 and REFUSED in command.words for command in ended]
        if all(refused):
            return {((2, 2), self.after()[1])}
        if refused[0]:
            codes, state = self.after(second)
            return {((2, *codes), state)}
        if refused[1]:
            codes, state = self.after(first)
            return {((*codes, 2), state)}
        (one, two), state = self.after(first, second)
        (other_two, other_one), other = self.after(second, first)
        return {((one, two), state), ((other_one, other_two), other)}


def test_pairs_of_commands_end_as_one_after_the_other_or_refused(base, parallel, tmp_path):
    pairs = Pairs(base, parallel, tmp_path / "project")
    chosen = itertools.combinations_with_replacement(COMMANDS, 2) if TIMES else iter(FEW)
    every, done, wrong = list(chosen), Counter(), []
    end = time.monotonic() + 60 * MINUTES
    # In another order each time, so that runs that are stopped early reach other pairs.
    rounds = [random.Random(number).sample(every, len(every)) for number in range(TIMES or 1)]
    for first, second in itertools.chain(*rounds):
        if time.monotonic() > end:
            break
        folder = pairs.fresh()
        ended = parallel.run(folder, COMMANDS[first], COMMANDS[second])
        found = tuple(command.code for command in ended), state_of(folder)
        done["refused"] += any(REFUSED in command.words for command in ended)
        done["runs"] += 1
        if found not in pairs.allowed(first, second, ended):
            wrong.append((first, second, found[0], [command.words for command in ended]))
            print(*wrong[-1], flush=True)
    print(
        f"{len(every)} pairs, {done['runs']} runs, {done['refused']} of them refused one, {len(wrong)} wrong"
    )
    assert wrong == []
