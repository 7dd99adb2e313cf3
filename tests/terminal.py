"""A process that stays in a folder and runs there what a user types: our commands, and Python.

It imports the package once, as importing takes longer than most commands. Paths are relative to its folder.
A warning that Python would show a user is an error. Pages of packs are empty: drawing them takes longer
than the rest of a command.
"""

import builtins
import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.forks import WARNINGS, environment


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed, and its error as a user is shown it, or ""."""

    code: int
    printed: str
    error: str


class Terminal:
    """Runs commands in `folder`, one after the other; close it, or leave its context, in the end."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            # Without -P, modules of the folder would hide others.
            ["python", "-P", "-m", "tests.terminal"],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object, answer: str = "") -> Ended:
        """Run our command line; `answer` is typed when it asks."""
        return Ended(**self._ask({"words": [str(word) for word in words], "answer": answer}))

    def python(self, code: str, page: str) -> None:
        """Run Python; names that it defines are known to what is run of the same page later."""
        error = self._ask({"python": code, "page": page})
        assert not error, error

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, asked: dict):
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answered = self._process.stdout.readline()
        assert answered, f"the process ended: {asked}"
        return json.loads(answered)


def _serve() -> None:
    """Do what is asked, a line of JSON each on standard input; answer on standard output."""
    import pytest

    from tests.bench.conftest import blank_pages
    from tests.conftest import learn_from_little

    # Neither commands nor their processes may read what is asked, or print between the answers.
    asked, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    sys.warnoptions[:] = WARNINGS
    for option in WARNINGS:
        action, _, kind = option.partition("::")
        warnings.simplefilter(action, getattr(builtins, kind or "Warning"))
    learn_from_little()
    blank_pages(pytest.MonkeyPatch())
    pages: dict[str, dict[str, object]] = {}
    for line in asked:
        work = json.loads(line)
        if "words" in work:
            answer: object = _run(work["words"], work["answer"])
        else:
            answer = _execute(work["python"], work["page"], pages.setdefault(work["page"], {}))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _run(words: list[str], answer: str) -> dict[str, object]:
    from typer.testing import CliRunner

    from anchordrug.cli import app
    from anchordrug.cli.screen import explained

    result = CliRunner().invoke(app, words, input=answer)
    # Other ends, such as those of wrong options, click has printed itself.
    line, code = explained(result.exception) if isinstance(result.exception, Exception) else ("", 0)
    return {"code": code or result.exit_code, "printed": result.output, "error": line}


def _execute(code: str, page: str, names: dict[str, object]) -> str:
    import traceback

    try:
        exec(compile(code, page, "exec"), names)
    except Exception:
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    _serve()
