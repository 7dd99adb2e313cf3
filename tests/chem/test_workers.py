"""Fingerprints from workers: whatever rdkit does in them, and whatever program the caller is."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from rdkit import Chem

import anchordrug
from anchordrug.chem import endings, workers
from anchordrug.chem.fingerprints import fingerprints, packed_fingerprints
from anchordrug.chem.structures import standardise
from anchordrug.chem.workers import Fingerprinted, Fingerprinter, standardising
from anchordrug.errors import WorkerError
from tests.chem import mischief as mischief_program
from tests.chem.molecules import bipartite, real_smiles
from tests.processes import MOST_SECONDS, require_none_left, wait_until

KINDS = ((2, 1024), (3, 100))
PACKAGE = Path(anchordrug.__file__).parent
# It would take rdkit minutes.
ENDLESS = bipartite(22)


def fingerprinted(structure: str) -> Fingerprinted:
    """Return the fingerprints of a structure, computed in this process."""
    drug = standardise(structure)
    return Fingerprinted(drug.inchikey, drug.smiles, packed_fingerprints(drug.molecule, KINDS))


@pytest.fixture(scope="module")
def alone() -> dict[str, Fingerprinted]:
    """Real structures and their fingerprints, computed in this process."""
    return {text: fingerprinted(text) for text in real_smiles()[:60] if "[Cu" not in text}


@pytest.fixture
def mischief(monkeypatch):
    """Let rdkit do to workers what a structure says."""
    monkeypatch.setattr(workers, "PROGRAM", Path(mischief_program.__file__))


def results(structures: list[str], **options) -> list[Fingerprinted | str]:
    """Return what a single worker makes of structures."""
    with Fingerprinter(KINDS, workers=1, **options) as running:
        (found,) = running.of([structures], ahead=1)
    return found


def test_a_smiles_that_nobody_wants_is_left_out(alone):
    texts = list(alone)[:5]
    assert results(texts, smiles=False) == [alone[text]._replace(smiles="") for text in texts]


def test_fingerprints_are_those_of_a_single_process(alone):
    texts = list(alone)
    batches = [texts[:7], [], texts[7:8], texts[8:], ["C(C"], texts[:3]]
    with Fingerprinter(KINDS, workers=2) as running:
        found = list(running.of(batches, ahead=2))
    assert [len(part) for part in found] == [len(batch) for batch in batches]
    assert [result for part in found for result in part if not isinstance(result, str)] == [
        alone[text] for batch in batches for text in batch if text in alone
    ]
    assert found[4] == ["not a valid SMILES"]
    for place, (radius, bits) in enumerate(KINDS):
        packed = [np.frombuffer(drug.packed[place], np.uint8) for drug in alone.values()]
        unpacked = np.unpackbits(np.stack(packed), axis=1, count=bits)
        molecules = [standardise(text).molecule for text in texts]
        np.testing.assert_array_equal(unpacked, fingerprints(molecules, radius, bits))


def test_structures_of_any_characters_arrive_as_they_are():
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    odd = ["", "C\nC", "C\0C", "💊", "\ud800", '"', "\\u0043", "C" * 5_000_000, "\u2028", "\r\n"]
    found = results([*odd, "CCO", block])
    assert found[-2] == found[-1] == fingerprinted("CCO")
    for structure, reason in zip(odd, found, strict=False):
        with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
            standardise(structure)


def test_structures_are_standardised_while_the_block_does_something_else(alone):
    with standardising([*alone, "C(C"]) as structures:
        assert [drug if isinstance(drug, str) else drug[:2] for drug in structures] == [
            *(drug[:2] for drug in alone.values()),
            "not a valid SMILES",
        ]


def test_no_more_batches_are_read_than_are_computed_ahead():
    """A library may be endless, or a pipe that has no more for now."""
    read = 0

    def endless() -> Iterator[list[str]]:
        nonlocal read
        while True:
            read += 1
            yield ["C" * read]

    with Fingerprinter([KINDS[0]], workers=1) as running:
        found = running.of(endless(), ahead=2)
        for number in range(1, 4):
            assert len(next(found)) == 1
            assert read <= number + 2


def test_structures_that_take_rdkit_too_long_cost_their_limit_and_no_other_row(alone):
    texts = list(alone)
    slow = bipartite(13)
    batch = [*texts[:30], slow, *texts[30:], slow, ENDLESS]
    with Fingerprinter(KINDS, workers=2, seconds=0.4) as running:
        (found,) = running.of([batch], ahead=1)
    assert found[30] == found[-1] == found[-2] == "rdkit took more than 0.4 s for it"
    assert [result for result in found if not isinstance(result, str)] == list(alone.values())
    # It is the limit that refused it, not the structure.
    (reason,) = results([slow], seconds=120)
    assert isinstance(reason, str)
    assert reason.startswith("holds a metal (Fe)")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("SIGNAL 11", "rdkit crashed on it"),
        ("SIGNAL 6", "rdkit crashed on it"),
        (f"SIGNAL {signal.SIGXCPU:d}", "rdkit crashed on it"),
        ("RAISE runtime", "rdkit cannot read it (RuntimeError)"),
        ("HANG", "rdkit took more than 0.3 s for it"),
        # Ctrl-C is the caller's; the worker goes on.
        ("SIGNAL 2", "not a valid SMILES"),
    ],
)
def test_a_structure_that_ends_its_worker_costs_no_other_row(mischief, alone, word, reason):
    texts = list(alone)
    batches = [[word, *texts[:20], word], texts[20:], [word], [*texts[:5], word]]
    with Fingerprinter(KINDS, workers=2, seconds=0.3) as running:
        found = list(running.of(batches, ahead=2))
    for batch, part in zip(batches, found, strict=True):
        assert part == [alone.get(text, reason) for text in batch]


@pytest.mark.parametrize("crashes", [2, pytest.param(20, marks=pytest.mark.long)])
def test_structures_that_crash_at_once_while_the_machine_is_busy(mischief, alone, crashes):
    """Of a worker that ends before anybody has heard of its task, it is known what it was doing."""
    batches = [["SIGNAL 11", text] for text in list(alone)[:crashes]]
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with Fingerprinter(KINDS, workers=2) as running:
            found = list(running.of(batches, ahead=3))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert found == [["rdkit crashed on it", alone[text]] for _, text in batches]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_worker_that_is_ended_once_costs_no_row(mischief, alone, tmp_path, number):
    """In a task of many structures or of one, by whatever signal: it is not a structure's fault."""
    texts = list(alone)[:10]
    once = [f"ONCE {number:d} {tmp_path / name}" for name in ("first", "second")]
    with Fingerprinter(KINDS, workers=1) as running:
        found = list(running.of([[*texts, once[0]], [once[1]]], ahead=1))
    assert (tmp_path / "first").exists() == (tmp_path / "second").exists() == True  # noqa: E712
    assert found == [[*(alone[text] for text in texts), fingerprinted("CCO")], [fingerprinted("CCO")]]


MEMORY = (
    "free memory (end other programs) or use fewer processes (put 'taskset -c 0' before the command), then "
    "run it again"
)


@pytest.mark.parametrize(
    ("word", "what", "remedy"),
    [
        ("SIGNAL 9", "was killed, as the system does where memory is short", MEMORY),
        ("RAISE memory", "got no memory", MEMORY),
        ("SIGNAL 15", "was ended by signal 15", "find out why it ends, then run it again"),
        ("EXIT 0", "ended with exit status 0", "find out why it ends, then run it again"),
        ("RAISE exit", "ended with exit status 1", "find out why it ends, then run it again"),
    ],
)
def test_a_worker_that_is_ended_again_and_again_is_not_blamed_on_a_structure(mischief, word, what, remedy):
    with pytest.raises(WorkerError) as error:
        results(["CCO", word])
    assert str(error.value) == (
        f"the process that reads structures {what}, twice, at structure '{word}'; {remedy}"
    )


@pytest.fixture
def no_patience(monkeypatch):
    """Let the limit of the clock end when a worker is stopped, rather than after so many seconds."""

    class UntilStopped(threading.Thread):
        def __init__(self, _, function):
            super().__init__(daemon=True)
            self.function, self.cancelled = function, threading.Event()

        def run(self):
            def states():
                return {child.status() for child in psutil.Process().children()}

            while not self.cancelled.wait(0.005):
                if psutil.STATUS_STOPPED in states():
                    self.function()
                    return

        def cancel(self):
            self.cancelled.set()

    monkeypatch.setattr(workers, "Timer", UntilStopped)


def test_a_worker_that_is_stopped_once_costs_no_row(mischief, no_patience, tmp_path):
    found = results(["CCO", f"ONCE {signal.SIGSTOP:d} {tmp_path / 'stopped'}"])
    assert found == [fingerprinted("CCO")] * 2


def test_a_worker_that_is_stopped_again_and_again_does_not_hang_the_caller(mischief, no_patience):
    with pytest.raises(WorkerError) as error:
        results(["CCO", f"SIGNAL {signal.SIGSTOP:d}"])
    assert str(error.value) == (
        "the process that reads structures gave no answer for 900 s, as if stopped or swapped out, twice, at "
        f"structure 'SIGNAL {signal.SIGSTOP:d}'; {MEMORY}"
    )


def test_where_memory_is_short_for_a_start_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", executable(tmp_path, "kill -9 $$"))
    with pytest.raises(WorkerError, match=r"was killed, as the system does .* free memory"):
        results(["CCO"])


def test_a_machine_that_has_no_process_left_is_not_blamed_on_python(monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(workers.subprocess, "Popen", refused)
    with pytest.raises(OSError, match="temporarily unavailable"):
        results(["CCO"])


@pytest.mark.parametrize(
    ("status", "cause"),
    [(0xC0000005, "crash"), (0xC00000FD, "crash"), (1, "other"), (errno.ENOMEM, "memory")],
)
def test_a_crash_on_windows_is_told_by_its_status(monkeypatch, status, cause):
    monkeypatch.setattr(endings, "os", SimpleNamespace(name="nt"))
    assert endings.ending_of(status, 1.0).cause == cause


def test_only_its_own_processor_time_counts_against_a_structure(mischief):
    """Else a busy machine would refuse what an idle one predicts."""
    found = results(["SLEEP 0.7", "CCO", "SLEEP 0"], seconds=0.3)
    assert found == [fingerprinted("CCO")] * 3


def test_where_a_system_cannot_count_processor_time_the_clock_decides(mischief, monkeypatch):
    monkeypatch.setattr(workers, "COUNTS_OWN_TIME", False)
    monkeypatch.setattr(workers, "SECONDS_A_TASK", 0.2)
    assert results(["HANG"], seconds=1000) == ["rdkit took more than 0.2 s for it"]


def test_the_limit_holds_though_the_caller_ignores_and_blocks_its_signal(mischief):
    handler = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    try:
        assert results(["HANG", "CCO"], seconds=0.3) == [
            "rdkit took more than 0.3 s for it",
            fingerprinted("CCO"),
        ]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGPROF, handler)


def test_a_worker_is_modest(mischief):
    """It loads nothing that fingerprints do not need, and lets the caller go first."""
    heavy = "torch pandas pyarrow onnxruntime anchordrug.chem.workers"
    found = results([f"MODULES json rdkit {heavy}", "NICE"])
    assert found == ["json rdkit", str(min(19, os.nice(0) + 5))]


def test_what_is_printed_in_a_worker_is_no_answer(mischief, alone):
    text = next(iter(alone))
    assert results(["PRINT", text]) == [fingerprinted("CCO"), alone[text]]


def test_no_worker_outlives_the_context(mischief, tmp_path):
    def processes() -> set[int]:
        return {process.pid for process in psutil.Process().children(recursive=True)}

    before = processes()
    busy = [tmp_path / "first", tmp_path / "second"]
    with Fingerprinter(KINDS, workers=2, seconds=1000) as running:
        # Both workers would be busy for long when the caller has had enough.
        hanging = [f"HANG {path}" for path in busy]
        running.submitted([*hanging[:1], *["CCO"] * (workers.STRUCTURES_A_TASK - 1), *hanging[1:]])
        waiting = running.submitted(["CCO"] * 1000)
        wait_until(lambda: all(path.exists() for path in busy))
        assert len(processes() - before) == 2
    assert processes() == before
    assert all(task.cancelled() for task in waiting)


# A caller without a main guard; it says how often it is run.
SCRIPT = """
print("run")
from anchordrug.chem.workers import Fingerprinter, standardising

with standardising(["CCO", "C(C"]) as structures:
    ethanol, reason = structures
with Fingerprinter([(2, 1024)]) as running:
    ((same, also),) = running.of([["OCC", "C(C"]], ahead=1)
assert same[:2] == ethanol[:2] and len(same.packed[0]) == 128
assert reason == also == "not a valid SMILES"
"""


@pytest.mark.parametrize("caller", ["file", "standard input", "-c", "-m"])
def test_a_caller_needs_no_main_guard(tmp_path, caller):
    (tmp_path / "script.py").write_text(SCRIPT)
    words = {"file": ["script.py"], "standard input": ["-"], "-c": ["-c", SCRIPT], "-m": ["-m", "script"]}
    process = subprocess.Popen(
        [sys.executable, *words[caller]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(SCRIPT if caller == "standard input" else "", MOST_SECONDS)
    finally:
        process.kill()
        require_none_left(process.pid)
    assert (process.returncode, printed) == (0, "run\n")


def test_a_worker_imports_the_package_of_its_caller_whatever_the_current_folder_is(tmp_path):
    """The caller found it in the current folder, which it has left since."""
    shutil.copytree(PACKAGE, tmp_path / "copy/anchordrug", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "copy/anchordrug/chem/structures.py").open("a") as file:
        file.write("\ndef standardise(structure):\n    raise ValueError(__file__)\n")
    (tmp_path / "empty").mkdir()
    script = (
        "import os; from anchordrug.chem.workers import standardising; os.chdir('../empty')\n"
        "with standardising(['CCO']) as structures: print(*structures)"
    )
    # Neither a path in the environment nor one of the interpreter's own leads there.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "copy", env=environment, capture_output=True, text=True
    )
    assert done.stdout == f"{tmp_path / 'copy/anchordrug/chem/structures.py'}\n", done.stderr


# It holds a worker that has nothing to do, or one that would be busy for long, and waits.
HOLDER = """
import select
import signal
import sys
from anchordrug.chem.workers import Fingerprinter

# A shell's background jobs are started with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

with Fingerprinter([(2, 1024)], workers=1) as running:
    next(running.of([["CCO"]], ahead=1))
    waiting = running.submitted(sys.argv[1:])
    print("ready", flush=True)
    # A signal that comes just before a wait without an end would be noticed after it.
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        pass
"""


@pytest.mark.parametrize("structures", [[], [ENDLESS]], ids=["idle", "busy"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_caller_that_is_killed(structures, number):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *structures],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        # Ctrl-C goes to all processes of a terminal.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        printed = process.stderr.read()
    assert process.returncode == -number
    assert printed.count("Traceback") == (number == signal.SIGINT)
    require_none_left(process.pid)


def test_an_interrupt_that_comes_while_a_worker_starts_does_not_end_it(monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, runpy, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
        f"runpy.run_path({str(workers.PROGRAM)!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(workers, "PROGRAM", program)
    assert results(["CCO"]) == [fingerprinted("CCO")]


def executable(folder: Path, lines: str) -> str:
    """Return the name of a program that is not a Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("read order; exit 3", "it ended with exit status 3 before it was ready"),
        ("read order; echo usage; read more", "the program it runs is not Python"),
        ("read order; read more", "it was not ready after 0.3 s"),
    ],
)
def test_a_worker_that_does_not_start_is_not_blamed_on_structures(monkeypatch, tmp_path, program, reason):
    name = executable(tmp_path, program)
    monkeypatch.setattr(sys, "executable", name)
    if "after" in reason:
        monkeypatch.setattr(workers, "SECONDS_TO_START", 0.3)
    with pytest.raises(WorkerError) as error:
        results(["CCO"])
    assert str(error.value) == (
        f"a worker, the process that reads structures, cannot be started: {reason}; "
        f"check that '{name}' (sys.executable) is a Python that can import rdkit and numpy"
    )


@pytest.mark.parametrize("name", ["/nowhere/python", "", None])
def test_an_interpreter_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setattr(sys, "executable", name)
    with pytest.raises(WorkerError, match=f"cannot be started: .*; check that {name!r}"):
        results(["CCO"])


def test_a_package_that_a_worker_cannot_import_is_named(monkeypatch, tmp_path):
    (tmp_path / "rdkit").mkdir()
    (tmp_path / "rdkit/__init__.py").write_text("raise ImportError('libXrender.so.1 is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerError, match=r"cannot be started: ImportError: libXrender\.so\.1 is missing"):
        results(["CCO"])


def test_a_worker_that_cannot_be_started_again_is_not_blamed_on_structures(mischief, monkeypatch, tmp_path):
    with Fingerprinter(KINDS, workers=1) as running:
        found = running.of([["CCO"], [f"HANG {tmp_path / 'busy'}", "CCO"]], ahead=1)
        assert next(found) == [fingerprinted("CCO")]
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        # After its limit of time the worker has ended.
        with pytest.raises(WorkerError, match="cannot be started"):
            next(found)


def test_a_start_that_is_not_waited_for_ends_with_the_context(monkeypatch, tmp_path):
    started = tmp_path / "started"
    # Other tests may have left a server of processes, which lives as long as this process.
    before = set(psutil.Process().children(recursive=True))
    monkeypatch.setattr(sys, "executable", executable(tmp_path, f"touch '{started}'; read order; read more"))
    with Fingerprinter(KINDS, workers=1) as running:
        (task,) = running.submitted(["CCO"])
        wait_until(started.exists)
    # It is the caller who ended it; the worker had no fault.
    assert isinstance(task.exception(), CancelledError)
    assert set(psutil.Process().children(recursive=True)) <= before
