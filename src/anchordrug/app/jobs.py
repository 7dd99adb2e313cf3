"""Long work of a page: one process at a time next to a campaign, which outlives page and server.

It is a process of its own for three reasons. Learning would hold up the page, since Python runs one thread at
a time. The output of commands belongs to the process. And a crash or a killed server then costs no work.
Its lock is a descriptor that it inherits: the system releases it whenever and however the process ends.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from anchordrug.app.beside import made
from anchordrug.errors import AnchorDrugError, SettingsError, message_line
from anchordrug.files.lock import hold
from anchordrug.files.tables import read_json, write_json

JOB, LOG, DONE = "job.json", "job.log", "done.json"
_PROGRAM = "from anchordrug.cli import main; main()"
_ERROR = "anchordrug: "
_MOST_LOG = 100_000  # bytes from its end


@dataclass(frozen=True)
class Job:
    """The last run: its kind, its state and its output; `error` is one line or ''."""

    kind: str
    state: Literal["running", "done", "failed", "cut"]
    lines: list[str]
    error: str
    seconds: float


def start(folder: Path, kind: str, asked: dict[str, object], root: Path) -> None:
    """Start a run in a process of its own.

    Parameters
    ----------
    folder
        The folder next to the campaign.
    kind
        One of `anchordrug.app.work.WITH_PROJECT or WITH_MODEL`.
    asked
        Its arguments, as JSON values.
    root
        The folder of the project.

    Raises
    ------
    SettingsError
        Another run is in progress.
    """
    descriptor = hold(made(folder))
    try:
        (folder / DONE).unlink(missing_ok=True)
        write_json({"kind": kind, **asked}, folder / JOB)
        with (folder / LOG).open("wb") as log:
            spawn(folder.resolve(), root, log, descriptor)
    finally:
        os.close(descriptor)


def spawn(folder: Path, root: Path, log: BinaryIO, descriptor: int) -> None:
    """Start the process of a run, which inherits a descriptor and prints into a log."""
    subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, "app-work", str(folder)],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        pass_fds=(descriptor,),
        # Ctrl+C ends the server, not the work.
        start_new_session=True,
    )


def read_order(folder: Path) -> tuple[str, dict]:
    """Return the kind and the arguments of the run that was started."""
    asked = read_json(folder / JOB, "kind")
    return asked.pop("kind"), asked


def write_done(folder: Path) -> None:
    """Say that the run has ended well."""
    write_json({"done": True}, folder / DONE)


def is_running(folder: Path) -> bool:
    """Return whether a run is in progress."""
    if not folder.is_dir():
        return False
    try:
        os.close(hold(folder))
    except SettingsError:
        return True
    return False


def latest(folder: Path) -> Job | None:
    """Return the last run next to a campaign; None before the first one."""
    running = is_running(folder)
    try:
        kind, _ = read_order(folder)
        begun = (folder / JOB).stat().st_mtime
    except (AnchorDrugError, OSError):
        return None
    lines = _lines(folder / LOG)
    error = ""
    ends = [path.stat().st_mtime for path in (folder / LOG, folder / DONE) if path.exists()]
    if running:
        state, ends = "running", [time.time()]
    elif (folder / DONE).exists():
        state = "done"
    elif lines and lines[-1].startswith(_ERROR):
        state, error = "failed", lines.pop().removeprefix(_ERROR)
    else:
        state = "cut"
    return Job(kind, state, lines, error, max(0.0, max(ends, default=begun) - begun))


def _lines(path: Path) -> list[str]:
    """Return the last lines of a log, as a page shows them."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_LOG))
        text = file.read().decode("utf-8", "replace")
    lines = text.split("\n")
    return [
        message_line(line.rstrip()) for line in (lines[1:] if size > _MOST_LOG else lines) if line.strip()
    ]
