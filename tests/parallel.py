"""A process that has imported the package, and runs commands at the same time, each in a fork of its own."""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, learn_from_little

# Of the clock, and far more than any of the commands takes: one that is not done has met a deadlock.
MOST_SECONDS = 300


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, None if it was still running in the end, and its last words."""

    code: int | None
    words: str


class Parallel:
    """Runs commands side by side; leave its context in the end."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.parallel"],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, *commands: list[str]) -> list[Ended]:
        """Start all commands at once in `folder` and wait until they have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), commands]) + "\n")
        self._process.stdin.flush()
        return [Ended(*found) for found in json.loads(self._process.stdout.readline())]

    def __enter__(self) -> "Parallel":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _serve() -> None:
    # What commands import when they run; none of it starts a thread before it computes.
    import h5py  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import pandera.pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401

    import anchordrug.bench.commands.finish
    import anchordrug.cli
    import anchordrug.project.project
    import anchordrug.stages.report  # noqa: F401

    learn_from_little()
    # Forks leave alone what is imported: to look for garbage there would copy its memory.
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        folder, commands = json.loads(line)
        with tempfile.TemporaryDirectory() as words:
            files = [Path(words) / str(number) for number in range(len(commands))]
            children = [_started(folder, *work) for work in zip(commands, files, strict=True)]
            codes = _waited(children)
            found = [
                (code, file.read_text(errors="replace")[-500:])
                for code, file in zip(codes, files, strict=True)
            ]
        answers.write(json.dumps(found) + "\n")
        answers.flush()


def _started(folder: str, command: list[str], words: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for descriptor, path in ((0, os.devnull), (1, os.devnull), (2, words)):
            opened = os.open(path, os.O_RDWR | os.O_CREAT)
            os.dup2(opened, descriptor)
        sys.argv = ["anchordrug", *command]
        from anchordrug.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        os._exit(code)


def _waited(children: list[int]) -> list[int | None]:
    """Return the exit codes of processes, None for those that have to be killed."""
    end = time.monotonic() + MOST_SECONDS
    codes: dict[int, int | None] = {}
    while len(codes) < len(children):
        for child in set(children) - set(codes):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                codes[child] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                codes[child] = None
        time.sleep(0.002)
    return [codes[child] for child in children]


if __name__ == "__main__":
    _serve()
