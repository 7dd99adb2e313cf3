"""Commands whose standard input, output or error is closed, full, of another encoding, or no longer read."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from anchordrug.cli.screen import explained
from tests.cli.test_screen import run

# `anchordrug simulate`, which shows progress, prints, writes a file, and fails if the seed is not 0.
PROGRAM = """
import sys
from pathlib import Path
from anchordrug.cli import main
from anchordrug.errors import SettingsError
from anchordrug.files.progress import track
from anchordrug.release import simulate

def made(out, seed):
    with Path(out).open("w") as file:
        for number in track(range(2), "counting", 2):
            print("Zürich", number)
        print("a worker's words", file=sys.stderr)
        file.write(f"done {sys.stdin.read()}")
    if seed:
        raise SettingsError("wrong; mend it")

simulate.simulate = made
main()
"""


# As outside of containers: what is printed is written when the command ends.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def ended(folder: Path, redirections: str, seed: int = 0, **environment: str) -> subprocess.CompletedProcess:
    """Run the command by a shell with the redirections, which leaves the file `out` in `folder`."""
    command = [sys.executable, "-c", PROGRAM, "simulate", "--out", "out", "--seed", str(seed)]
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirections}', "bash", *command],
        cwd=folder,
        env=BUFFERED | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("redirections", ["<&- 2>&-", ">&-"])
def test_a_closed_stream_costs_what_is_printed_there_alone(tmp_path, redirections):
    done = ended(tmp_path, redirections)
    assert done.returncode == 0, done.stderr
    # Nothing that is printed gets into a file that took the place of the stream.
    assert (tmp_path / "out").read_text() == "done "
    assert ("Zürich 1" in done.stdout) == (redirections != ">&-")
    assert ("counting: 2/2" in done.stderr) == ("2>&-" not in redirections)


def test_an_error_has_its_code_where_nobody_is_told(tmp_path):
    assert ended(tmp_path, "2>&-", seed=1).returncode == 2
    assert ended(tmp_path, "2>/dev/full", seed=1).returncode == 2


def test_a_full_disk_under_the_output_is_said(tmp_path):
    done = ended(tmp_path, ">/dev/full")
    assert done.returncode == 2
    *_, told = done.stderr.splitlines()
    assert told == "anchordrug: standard output: No space left on device; free some space"


def test_who_reads_the_output_may_have_had_enough(tmp_path):
    nobody, output = os.pipe()
    os.close(nobody)
    command = [sys.executable, "-c", PROGRAM, "simulate", "--out", "out"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=BUFFERED,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(output)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "a worker's words"
    assert (tmp_path / "out").read_text() == "done "


def test_characters_that_the_output_does_not_have_are_spelt(tmp_path):
    done = ended(tmp_path, "", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Z\\xfcrich 0")


@pytest.mark.parametrize("word", ["pr\udcfcj", "\udcc3\udcbc.csv"])
def test_a_name_in_another_encoding_is_said(monkeypatch, capsys, word):
    """As of a file from an old Windows, or of any file where LC_ALL=C knows only ASCII."""
    code, out, shown = run(monkeypatch, capsys, "simulate", "--out", word)
    assert (code, out) == (2, "")
    assert shown.startswith(
        f"anchordrug: {ascii(word)[1:-1]}: its characters are not in the encoding of file names"
    )


def test_a_database_that_cannot_be_written_is_no_defect():
    line, code = explained(sqlite3.OperationalError("disk I/O error"))
    assert code == 2
    assert "OUT.part" in line
