"""What is printed, whatever names and cells hold, does nothing to a terminal."""

import io
import logging
import sys

import pytest
import typer
from rich.table import Table

from anchordrug import cli
from anchordrug.cli.console import PlainConsole
from anchordrug.errors import SettingsError
from anchordrug.files import progress
from anchordrug.stages import curate
from tests.conftest import small_params, write_params

# Colour, cursor, title of the window, C1, bell, carriage return, backspace, delete, direction, invisible.
HOSTILE = "a\x1b[31mb\x1b[2Jc\x1b]0;t\x07d\x9b2Je\rf\x08g\x7fh\u202ei\u2066j\u200bk\x85l\u2028m"
SHOWN = "a [31mb [2Jc ]0;t d 2Je f g h i j k l m"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def ended(monkeypatch, *arguments: object, run=None) -> tuple[str, str]:
    """Run `main` with terminals for its output and errors; return what they are sent."""
    monkeypatch.setattr(sys, "argv", ["anchordrug", *map(str, arguments)])
    monkeypatch.setenv("TERM", "xterm-256color")
    output, errors = Tty(), Tty()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    if run:
        monkeypatch.setattr(curate, "run", run)
    with pytest.raises(SystemExit):
        cli.main()
    assert (sys.stdout, sys.stderr) == (output, errors)
    return output.getvalue(), errors.getvalue()


def obeyed(text: str) -> set[str]:
    return {c for c in text if not c.isprintable() and c not in "\n\t"}


@pytest.fixture
def ready(tmp_path):
    """A folder with settings; `curate` is what a test makes of it."""
    write_params(tmp_path, small_params())
    return tmp_path


def tells(*_, **__) -> None:
    typer.echo(f"note {HOSTILE}")
    typer.secho(f"error {HOSTILE}", err=True)
    print(f"print {HOSTILE}\tand\nmore")
    sys.stdout.writelines([f"lines {HOSTILE}\n"])
    print(f"print {HOSTILE}", file=sys.stderr)
    logging.getLogger("anchordrug.x").info("reading %s", HOSTILE)


def test_notes_prints_and_logs_hold_no_character_that_a_terminal_obeys(ready, monkeypatch):
    output, errors = ended(monkeypatch, "--verbose", "--project", ready, "curate", run=tells)
    assert obeyed(output) | obeyed(errors) == set()
    assert output == f"note {SHOWN}\nprint {SHOWN}\tand\nmore\nlines {SHOWN}\n"
    assert errors.count(SHOWN) == 3


def fails(*_, **__) -> None:
    raise SettingsError(HOSTILE)


def breaks(*_, **__) -> None:
    raise ValueError(HOSTILE)


@pytest.mark.parametrize("run", [fails, breaks])
def test_errors_hold_none(ready, monkeypatch, run):
    output, errors = ended(monkeypatch, "--project", ready, "curate", run=run)
    assert obeyed(output + errors) == set()
    assert len(errors.splitlines()) == 1


def test_a_wrong_word_of_the_line_holds_none_but_the_colours_of_the_message(ready, monkeypatch):
    for words in (["curate", f"--{HOSTILE}"], [HOSTILE], ["select", "--seed", HOSTILE]):
        output, errors = ended(monkeypatch, "--project", ready, *words)
        assert obeyed(output + errors) <= {"\x1b"}
        assert "\x1b[2J" not in errors
        assert "\x1b]0" not in errors


def test_help_keeps_its_colours(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    output, _ = ended(monkeypatch, "--help")
    assert obeyed(output) <= {"\x1b"}


def test_a_table_shows_a_hostile_cell_without_its_colour():
    file = Tty()
    table = Table("name")
    table.add_row(HOSTILE)
    PlainConsole(file=file, force_terminal=True, color_system=None, width=120).print(table, HOSTILE)
    assert obeyed(file.getvalue()) == set()


@pytest.mark.parametrize("how", ["stream", "track"])
def test_progress_moves_the_cursor_and_its_text_does_not(ready, monkeypatch, how):
    def works(*_, **__) -> None:
        if how == "stream":
            monkeypatch.setattr(progress.time, "monotonic", iter(range(100)).__next__)
            list(progress.stream([([1],), ([1],)], HOSTILE, lambda: None))
        else:
            list(progress.track([1, 2], HOSTILE, 2))

    output, errors = ended(monkeypatch, "--project", ready, "curate", run=works)
    assert output == ""
    assert "\x1b[31mb" not in errors
    assert "\x1b]0" not in errors
    assert "\x1b[" in errors
    assert obeyed(errors) <= {"\x1b", "\r"}
