"""anchordrug predict that is killed: run again, it goes on, and ends as if nothing had happened.

ANCHORDRUG_KILLS says how often it is killed at a random moment.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rdkit import RDConfig

from anchordrug.files.atomic import PARTIAL
from anchordrug.prediction import engine as stage
from tests.conftest import run_cli

KILLS = int(os.environ.get("ANCHORDRUG_KILLS", "3"))
MODEL = Path("models/onnx/SIM-T1.onnx")
DRUGS_A_BLOCK = 64
SECONDS_TO_GO = 15
# Small blocks; killed before it renames its n-th file, or when it has removed the first of the folder's.
CHILD = """
import os, signal, sys
from pathlib import Path
from anchordrug.prediction import ledger
from anchordrug.cli import main
from anchordrug.prediction import engine as stage

stage.DRUGS_A_BLOCK, moment = int(sys.argv[1]), sys.argv[2]
replace, count = Path.replace, 0

def counted(path, target):
    global count
    count += 1
    if moment == str(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

def half(folder):
    (folder / "ledger.sqlite").unlink()
    os.kill(os.getpid(), signal.SIGKILL)

Path.replace = counted
if moment == "removal":
    ledger.shutil.rmtree = half
sys.argv[1:] = sys.argv[3:]
main()
"""


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
def in_blocks(in_project, monkeypatch):
    """The project as current folder, and small blocks."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", DRUGS_A_BLOCK)
    return in_project


def words(library: Path, out: Path, *options: str) -> list[str]:
    return ["predict", "--model", str(MODEL), "--drugs", str(library), "--out", str(out), *options]


def finished(library: Path, out: Path, *options: str) -> str:
    """Run the command to its end in this process; return what it printed."""
    result = run_cli(*words(library, out, *options))
    assert result.exit_code == 0, (result.output, result.exception)
    assert not part_of(out).exists()
    return result.output


def part_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.part")


def contents(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in (out, *stage._beside(out))]


def start(command: list[str], moment: str = "", size: int = DRUGS_A_BLOCK) -> subprocess.Popen:
    """Start the command in a process group of its own."""
    with log_of(command).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, str(size), moment, *command],
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def log_of(command: list[str]) -> Path:
    """Return the file of what a command prints, beside its output."""
    return Path(command[command.index("--out") + 1]).with_suffix(".log")


def group(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the processes of the group that `process` leads or has led."""
    found = []
    for one in psutil.process_iter():
        try:
            if os.getpgid(one.pid) == process.pid and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def require_ended(process: subprocess.Popen, *codes: int) -> None:
    """Check that `process` ends with one of these codes, and that none that it started lives on."""
    process.wait()
    assert process.returncode in codes, log_of(process.args).read_text()
    waited_until = time.monotonic() + SECONDS_TO_GO
    while (left := group(process)) and time.monotonic() < waited_until:
        time.sleep(0.05)
    try:
        assert left == []
    finally:
        for one in left:
            one.kill()


def wait_for_blocks(process: subprocess.Popen, out: Path, count: int) -> None:
    """Wait until so many blocks are written; 0, until the ledger is there."""
    last = part_of(out) / (f"{count - 1:06}.arrow" if count else "ledger.sqlite")
    while not last.exists():
        assert process.poll() is None, log_of(process.args).read_text()
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(project, library, tmp_path_factory) -> dict[tuple[str, ...], list[bytes]]:
    """What an uninterrupted run writes, for the options of each kind of output."""
    found = {}
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(stage, "DRUGS_A_BLOCK", DRUGS_A_BLOCK)
        for options in OUTPUTS:
            out = folder / options[0]
            finished(library, out, *options[1:])
            found[options] = contents(out)
    return found


# The file and the options.
OUTPUTS = (("out.parquet", "--top", "20"), ("out.csv", "--layout", "wide"))


def test_there_is_much_to_lose(whole, library):
    rows = len(library.read_text().splitlines())
    for files in whole.values():
        rejects, duplicates = (len(one.splitlines()) - 1 for one in files[1:])
        assert rejects >= 1500
        assert duplicates >= 60
        assert rows - rejects - duplicates > 200
    assert rows // DRUGS_A_BLOCK > 30


def test_a_prediction_killed_at_any_moment_ends_the_same_when_run_again(in_blocks, library, whole, tmp_path):
    rng = random.Random(KILLS)
    blocks = len(library.read_text().splitlines()) // DRUGS_A_BLOCK
    for number in range(KILLS):
        options = OUTPUTS[number % len(OUTPUTS)]
        out = tmp_path / str(number) / options[0]
        out.parent.mkdir()
        process = start(words(library, out, *options[1:]))
        # Not so late that it might end by itself; the last moments have a test of their own.
        done = 0 if number == 0 else rng.randrange(blocks - 5)
        wait_for_blocks(process, out, done)
        time.sleep(rng.random() * 0.05)
        process.kill()
        require_ended(process, -signal.SIGKILL)
        assert not out.exists()
        printed = finished(library, out, *options[1:])
        assert ("going on after row" in printed) >= (done > 0)
        assert contents(out) == whole[options]
        names = {out, *stage._beside(out), out.with_suffix(".log")}
        assert set(out.parent.iterdir()) == names


SMALL = "id,smiles\n" + "".join(f"d{n},{'C' * (n % 9 + 1)}{'O' if n % 5 else '('}\n" for n in range(40))


@pytest.fixture
def small(in_blocks, tmp_path, monkeypatch):
    """A table of few rows, blocks of some, and what is made of it without interruption."""
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 16)
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    finished(path, tmp_path / "whole.csv")
    return path, contents(tmp_path / "whole.csv")


def test_a_prediction_killed_before_each_file_it_finishes_gets_there_all_the_same(small, tmp_path):
    library, expected = small
    out = tmp_path / "out.csv"
    files = [out, *stage._beside(out)]
    # Three blocks; then rejects, duplicates and predictions; then the folder is removed.
    for moment, written in (("3", []), ("2", []), ("2", files[1:2]), ("3", files[1:]), ("removal", files)):
        require_ended(start(words(library, out), moment, 16), -signal.SIGKILL)
        assert [path for path in files if path.exists()] == written
        assert all(path.read_bytes() in expected for path in written)
        assert part_of(out).exists()
    # What the last one left is no ledger any more, but nobody else's either.
    assert not (part_of(out) / "ledger.sqlite").exists()
    assert "going on" not in finished(library, out)
    assert contents(out) == expected
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(PARTIAL)] == []


@pytest.mark.parametrize("change", ["input", "option"])
def test_after_a_kill_a_changed_input_or_option_starts_over(small, tmp_path, change):
    library, expected = small
    out = tmp_path / "out.csv"
    require_ended(start(words(library, out), "3", 16), -signal.SIGKILL)
    options = []
    if change == "input":
        library.write_text(SMALL.replace("CCCO", "CCCS"))
    else:
        options = ["--coverage", "0.3"]
    printed = finished(library, out, *options)
    assert "going on" not in printed
    assert ("starting over" in printed) == (change == "input")
    finished(library, tmp_path / "fresh.csv", *options)
    assert contents(out) == contents(tmp_path / "fresh.csv")
    assert contents(out)[0] != expected[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_prediction_that_is_asked_to_end_leaves_no_process_behind(
    in_blocks, library, whole, tmp_path, number
):
    """By the system when it shuts down, or by Ctrl-C, which all processes of the terminal get."""
    options = OUTPUTS[0]
    out = tmp_path / options[0]
    process = start(words(library, out, *options[1:]))
    wait_for_blocks(process, out, 1)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
        # As click ends on Ctrl-C.
        require_ended(process, 1, 130)
        assert "Traceback" not in log_of(process.args).read_text()
    else:
        process.send_signal(number)
        require_ended(process, -number)
    assert "going on after row" in finished(library, out, *options[1:])
    assert contents(out) == whole[options]
