"""What the command line shows: quiet, verbose, debug, exit codes, completion, near names."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from anchordrug import cli
from anchordrug.errors import SettingsError
from anchordrug.stages import curate
from tests.conftest import small_params, write_params


def run(monkeypatch: pytest.MonkeyPatch, capsys, *arguments: object) -> tuple[int, str, str]:
    """Run `main` in this process; return its exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["anchordrug", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    code = end.value.code
    return code if isinstance(code, int) else 0, said.out, said.err


def failing(error: BaseException) -> Callable:
    def fails(*_, **__):
        print("half of the work")
        raise error

    return fails


@pytest.fixture
def ready(tmp_path):
    """A folder with settings; `curate` is what a test makes of it."""
    write_params(tmp_path, small_params())
    return tmp_path


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SettingsError("params.yaml: wrong; mend it"), 2, "params.yaml: wrong; mend it"),
        (MemoryError(), 2, "memory does not suffice"),
        (OSError(28, "No space left on device", "a.csv"), 2, "a.csv: No space left on device; free some"),
        (PermissionError(13, "Permission denied", "a.csv"), 2, "a.csv: Permission denied; have its permi"),
        (OSError(5, "cdrom said no", "a.csv"), 2, "a.csv: Input/output error; check the disk"),
        (OSError(27, "File too large"), 2, "anchordrug: File too large; have the limit on the size of files"),
        (
            OSError(24, "Too many open files", "\x1b[31mred"),
            2,
            " [31mred: Too many open files; have the limit",
        ),
        (SettingsError(f"a.csv: row 2: {'x' * 9999}; mend it"), 2, "xxx ... xxx"),
        (
            ValueError("two\nlines"),
            3,
            "a defect of AnchorDrug, not a mistake of yours: ValueError: two lines",
        ),
        (KeyboardInterrupt(), 130, "curate was interrupted; run the same line again to resume"),
    ],
)
def test_every_end_has_its_code_and_one_line(ready, monkeypatch, capsys, error, code, text):
    monkeypatch.setattr(curate, "run", failing(error))
    ended, _, shown = run(monkeypatch, capsys, "--project", ready, "curate")
    assert ended == code
    assert text in shown
    assert "Traceback" not in shown
    assert [line.startswith("anchordrug: ") for line in shown.splitlines() if line] == [True]
    assert len(shown) < 520
    assert ("mend it" in shown) == ("mend it" in str(error))


def test_debug_shows_the_trace_too(ready, monkeypatch, capsys):
    monkeypatch.setattr(curate, "run", failing(ValueError("broken")))
    code, _, shown = run(monkeypatch, capsys, "--debug", "--project", ready, "curate")
    assert code == 3
    assert "Traceback" in shown
    assert "in fails" in shown
    assert shown.splitlines()[-1].startswith("anchordrug: ")


def test_quiet_shows_errors_and_json_alone(ready, monkeypatch, capsys):
    monkeypatch.setattr(curate, "run", failing(SettingsError("wrong; mend it")))
    quiet = ("--quiet", "--project", ready)
    assert run(monkeypatch, capsys, *quiet, "curate") == (2, "", "anchordrug: wrong; mend it\n")
    _, out, shown = run(monkeypatch, capsys, *quiet, "doctor", "--json")
    assert json.loads(out)["findings"]
    assert shown == ""
    code, out, _ = run(monkeypatch, capsys, *quiet, "doctor")
    assert out == ""
    assert code in {0, 1}


def test_verbose_tells_which_files_are_written_and_when(tmp_path, monkeypatch, capsys):
    arguments = ["simulate", "--out", str(tmp_path / "bundle"), "--seed", "1"]
    _, _, shown = run(monkeypatch, capsys, "--verbose", *arguments)
    assert re.search(r"^\d\d:\d\d:\d\d simulate: begins$", shown, flags=re.M)
    assert re.search(r"^\d\d:\d\d:\d\d wrote .*siginfo_beta\.txt$", shown, flags=re.M)
    assert re.search(r"^\d\d:\d\d:\d\d simulate: ends after [\d.]+ s$", shown, flags=re.M)
    _, _, shown = run(monkeypatch, capsys, *arguments)
    assert "begins" not in shown


def test_quiet_and_verbose_exclude_each_other(monkeypatch, capsys):
    code, _, shown = run(monkeypatch, capsys, "--quiet", "--verbose", "curate")
    assert code == 2
    assert "exclude each other" in shown


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["currate"], "curate"),
        (["campaign", "ingst"], "ingest"),
        (["select", "--taget", "SIM-T1"], "--target"),
        (["predict", "--model", "a", "--drugs", "b", "--out", "c.csv", "--layuot", "wide"], "--layout"),
    ],
)
def test_a_misspelt_command_or_option_is_answered_with_the_near_one(monkeypatch, capsys, arguments, near):
    code, _, shown = run(monkeypatch, capsys, *arguments)
    assert code == 2
    words = " ".join(re.sub("[│╭╮╰╯─]", " ", shown).split())
    assert re.search(rf"Did you mean '{near}'|Possible options: {near}", words)
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["predict", "--model", "a", "--drugs", "b", "--out", "c.csv", "--out", "d.csv"], "--out"),
        (
            ["campaign", "new", "c", "--target", "A", "--target", "B", "--library", "x", "--library", "x"],
            "--library",
        ),
        (["--project", ".", "--project", ".", "doctor"], "--project"),
    ],
)
def test_an_option_with_one_value_is_given_once(monkeypatch, capsys, arguments, option):
    code, _, told = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert f"{option} is given twice; give it once" in " ".join(re.sub("[│╭╮╰╯─]", " ", told).split())


@pytest.mark.parametrize(
    ("line", "folder", "offered"),
    [
        ("anchordrug pre", ".", ["pretrain", "predict"]),
        ("anchordrug campaign in", ".", ["ingest"]),
        ("anchordrug select --target SIM", ".", ["SIM-T1"]),
        ("anchordrug --project .. select --target SIM", "data", ["SIM-T1"]),
    ],
)
def test_the_shell_completes_commands_and_targets(ready, line, folder, offered):
    environment = os.environ | {
        "_ANCHORDRUG_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'anchordrug'; from anchordrug.cli import main; main()",
    ]
    (ready / "data").mkdir()
    done = subprocess.run(
        command, env=environment, cwd=ready / folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == offered, done.stderr
