"""anchordrug predict that is killed: run again, it goes on, and ends as if nothing had happened.

ANCHORDRUG_KILLS says how often it is killed at a random moment.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rdkit import RDConfig

from anchordrug.files.outputs import side_files
from anchordrug.prediction import engine as stage
from tests.conftest import ROOT, run_cli
from tests.faults import restore, run, tree_of
from tests.processes import MOST_SECONDS, require_none_left

KILLS = int(os.environ.get("ANCHORDRUG_KILLS", "3"))
DRUGS_A_BLOCK = 64
# About what a run makes for two blocks.
CALLS = 20_000
# The command in small blocks. Before it renames its n-th file, it sends itself a signal, or begins to count
# its calls and is killed at one.
CHILD = """
import os, signal, sys, time
from pathlib import Path
from anchordrug.cli import main
from anchordrug.prediction import engine as stage
from tests.processes import kill_at_call

# A shell's background jobs are started with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
stage.DRUGS_A_BLOCK, moment, number, call = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
replace, count = Path.replace, 0

def end():
    # Ctrl-C goes to all processes of a terminal.
    (os.killpg if number == signal.SIGINT else os.kill)(os.getpid(), number)
    while True:
        time.sleep(0.01)

def reached(count):
    if moment == str(count):
        kill_at_call(call) if call else end()

def counted(path, target):
    global count
    count += 1
    reached(count)
    return replace(path, target)

Path.replace = counted
sys.argv[1:] = sys.argv[5:]
reached(0)
main()
"""


@pytest.fixture(scope="module")
def model(project: Path) -> Path:
    return project / "models/onnx/SIM-T1.onnx"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """A few thousand rows: drugs, some of which are there twice or by another name, and many rejects."""
    rng = random.Random(0)
    lines = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()
    smiles = [line.split()[0] for line in lines if line.strip()][:250]
    rows = [f"{text} NCI {number}" for number, text in enumerate(smiles)]
    rows += [f"{text} again {number}" for number, text in enumerate(smiles[:60])]
    rows += [f"{text}=( bad {number % 500}" for number, text in enumerate(smiles * 8)]
    rng.shuffle(rows)
    path = tmp_path_factory.mktemp("library") / "drugs.smi"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def in_blocks(monkeypatch):
    """Predict in small blocks."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", DRUGS_A_BLOCK)


def words(model: Path, library: Path, out: Path, *options: str) -> list[str]:
    return ["predict", "--model", str(model), "--drugs", str(library), "--out", str(out), *options]


def finished(model: Path, library: Path, out: Path, *options: str) -> str:
    """Run the command to its end in this process; return what it printed."""
    result = run_cli(*words(model, library, out, *options))
    assert result.exit_code == 0, (result.output, result.exception)
    assert not part_of(out).exists()
    return result.output


def part_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.part")


def contents(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in (out, *side_files(out))]


def killed(
    command: list[str],
    moment: object,
    size: int = DRUGS_A_BLOCK,
    number: int = signal.SIGKILL,
    call: int = 0,
    codes: tuple[int, ...] = (-signal.SIGKILL,),
) -> str:
    """Run the command, which sends itself a signal, until it has ended so; return what it printed.

    Parameters
    ----------
    moment
        The file before whose renaming the signal is sent.
    call
        Not the signal is sent but a SIGKILL, so many calls later; 0 for the signal.
    codes
        The exit codes of which it must have one.
    """
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, (size, moment, int(number), call)), *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            # Until no process is left that might print.
            printed, _ = process.communicate(timeout=MOST_SECONDS)
        finally:
            process.kill()
            require_none_left(process.pid)
    assert process.returncode in codes, printed
    return printed


@pytest.fixture(scope="module")
def whole(model, library, tmp_path_factory) -> dict[tuple[str, ...], list[bytes]]:
    """What an uninterrupted run writes, for the options of each kind of output."""
    found = {}
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "DRUGS_A_BLOCK", DRUGS_A_BLOCK)
        for options in OUTPUTS:
            out = folder / options[0]
            finished(model, library, out, *options[1:])
            found[options] = contents(out)
    return found


# The file and the options.
OUTPUTS = (("out.parquet", "--top", "20"), ("out.csv", "--layout", "wide"))


@pytest.mark.long
def test_there_is_much_to_lose(whole, library):
    rows = len(library.read_text().splitlines())
    for files in whole.values():
        rejects, duplicates = (len(one.splitlines()) - 1 for one in files[1:])
        assert rejects >= 1500
        assert duplicates >= 50
        assert rows - rejects - duplicates > 200
    assert rows // DRUGS_A_BLOCK > 30


@pytest.mark.long
def test_a_prediction_killed_at_any_moment_ends_the_same_when_run_again(
    in_blocks, model, library, whole, tmp_path
):
    rng = random.Random(KILLS)
    blocks = len(library.read_text().splitlines()) // DRUGS_A_BLOCK
    for number in range(KILLS):
        options = OUTPUTS[number % len(OUTPUTS)]
        out = tmp_path / str(number) / options[0]
        out.parent.mkdir()
        # Not so late that it might end by itself; the last moments have a test of their own.
        done = 0 if number == 0 else rng.randrange(1, blocks - 5)
        killed(words(model, library, out, *options[1:]), done, call=rng.randrange(1, CALLS))
        assert not out.exists()
        printed = finished(model, library, out, *options[1:])
        assert ("resuming after row" in printed) >= (done > 1)
        assert contents(out) == whole[options]
        assert set(out.parent.iterdir()) == {out, *side_files(out)}


SMALL = "id,smiles\n" + "".join(f"d{n},{'C' * (n % 9 + 1)}{'O' if n % 5 else '('}\n" for n in range(40))


@pytest.fixture
def small(in_blocks, model, tmp_path, monkeypatch):
    """A table of few rows, blocks of some, and what is made of it without interruption."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 16)
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    finished(model, path, tmp_path / "whole.csv")
    return path, contents(tmp_path / "whole.csv")


@pytest.mark.parametrize("change", ["input", "option"])
def test_after_a_kill_a_changed_input_or_option_starts_over(small, model, tmp_path, change):
    library, expected = small
    out = tmp_path / "out.csv"
    left = []
    command = words(model, library, out)
    run(command, tmp_path, lambda point: point.kind == "os.rename" and left.append(tree_of(tmp_path)))
    # As a kill leaves it after two blocks.
    restore(tmp_path, left[2])
    assert part_of(out).exists()
    options = []
    if change == "input":
        library.write_text(SMALL.replace("CCCO", "CCCS"))
    else:
        options = ["--coverage", "0.3"]
    printed = finished(model, library, out, *options)
    assert "resuming" not in printed
    assert ("starting again" in printed) == (change == "input")
    finished(model, library, tmp_path / "fresh.csv", *options)
    assert contents(out) == contents(tmp_path / "fresh.csv")
    assert contents(out)[0] != expected[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_prediction_that_is_asked_to_end_leaves_no_process_behind(small, model, tmp_path, number):
    """By the system when it shuts down, or by Ctrl-C, which all processes of the terminal get."""
    library, expected = small
    out = tmp_path / "out.csv"
    # As click ends on Ctrl-C.
    codes = (1, 130) if number == signal.SIGINT else (-number,)
    printed = killed(words(model, library, out), "2", 16, number, codes=codes)
    assert "Traceback" not in printed
    assert "resuming after row" in finished(model, library, out)
    assert contents(out) == expected
