"""Processes in tests: waited for until they have done something, and killed at a place rather than a time."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

# A guard against a test that never ends; nothing that passes comes near it.
MOST_SECONDS = 300


def wait_until(happened: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Wait until `happened()` is true, which it must then stay; fail if `process` ends before that."""
    end = time.monotonic() + MOST_SECONDS
    while not happened():
        assert process is None or process.poll() is None or happened(), f"ended with {process.returncode}"
        assert time.monotonic() < end, f"did not happen in {MOST_SECONDS} s"
        time.sleep(0.005)


def group(leader: int) -> list[psutil.Process]:
    """Return the living processes of the group that the process `leader` leads or has led."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def require_none_left(leader: int) -> None:
    """Check that all processes of a group end, and kill those that do not."""
    try:
        wait_until(lambda: not group(leader))
    finally:
        for process in group(leader):
            process.kill()


def kill_at_call(number: int) -> None:
    """Kill this process when its main thread calls its `number`-th function from now on, or returns from it.

    That is a moment as arbitrary as any, but the load of the machine does not move it.
    """
    events = itertools.count(1)

    def count(*_: object) -> None:
        if next(events) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
