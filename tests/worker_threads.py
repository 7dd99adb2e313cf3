"""Workers for structures as threads: each command starts some, and a process takes longer than its work."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from anchordrug.chem import worker
from anchordrug.chem.workers import PROGRAM


def workers_as_threads(patch: pytest.MonkeyPatch) -> None:
    """Let a command start one thread for its structures; a thread survives no crash and has no limit of time.

    Programs in the place of the worker's own are processes as before.
    """
    patch.setattr(subprocess, "Popen", _Popen)
    patch.setattr(os, "sched_getaffinity", lambda _: {0})


class _Popen(subprocess.Popen):
    """A process, but a thread for a worker; a class, because libraries derive theirs from it."""

    def __new__(cls, args: Any, *_: Any, **__: Any) -> Any:
        is_worker = isinstance(args, list) and str(PROGRAM) in args
        return _WorkerThread(args) if is_worker else super().__new__(cls)


class _WorkerThread:
    """What `subprocess.Popen` gives for a worker."""

    def __init__(self, command: Sequence[str]) -> None:
        sys.audit("subprocess.Popen", command[0], command, None, None)
        tasks, self.stdin = _pipe()
        self.stdout, answers = _pipe()
        self.thread = threading.Thread(target=self._run, args=(tasks, answers), daemon=True)
        self.thread.start()
        self.returncode: int | None = None
        self.pid = 0

    def _run(self, tasks: io.BufferedReader, answers: io.BufferedWriter) -> None:
        try:
            order = worker.receive(tasks)
            worker.send(answers, {"ready": True})
            while True:
                worker.send(answers, worker.fingerprint(worker.receive(tasks), {**order, "seconds": 0}))
        except (EOFError, OSError):
            tasks.close()
            with suppress(OSError):
                answers.close()

    def kill(self) -> None:
        self.stdin.close()

    def wait(self, *_: object) -> int:
        self.thread.join()
        self.returncode = -9
        return self.returncode

    def poll(self) -> int | None:
        return self.returncode


def _pipe() -> tuple[io.BufferedReader, io.BufferedWriter]:
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")
