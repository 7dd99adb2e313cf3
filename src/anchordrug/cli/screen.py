"""A run on the user's screen: --quiet, --verbose, JSON, errors in one line, and the exit code."""

import errno
import json
import logging
import os
import sqlite3
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import typer

from anchordrug.errors import AnchorDrugError, message_line, printable

FAILED, MISTAKE, DEFECT, INTERRUPTED = 1, 2, 3, 130
# After an interrupt, these resume; others begin again.
RESUMED = {"curate", "select", "compare", "predict", "fetch"}
# Of an error's line; a cell of a file may have any number.
# The machine refuses; nobody's program is wrong.
_REFUSED = {
    # Found where it was looked for before, or made by the command itself.
    errno.ENOENT: "was it removed meanwhile? put it back, and run the command again",
    errno.ENOTDIR: "a part of its path is a file; name another place",
    errno.EISDIR: "is a folder; name a file",
    errno.EEXIST: "is in the way; move it, or name another place",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "its links lead in a circle; name another place",
    errno.EBUSY: "end the program that uses it",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have the quota raised",
    errno.EACCES: "have its permissions changed, or name another place",
    errno.EPERM: "have its permissions changed, or name another place",
    errno.EROFS: "name another place",
    errno.EFBIG: "have the limit on the size of files raised (ulimit -f)",
    errno.EMFILE: "have the limit on open files raised (ulimit -n)",
    errno.ENFILE: "end other programs",
    errno.EAGAIN: "end other programs, or have the limit on processes raised (ulimit -u)",
    errno.ENOMEM: "end other programs, or take a machine with more memory",
    errno.EIO: "check the disk, and name another place",
    errno.ESTALE: "check the network's disk, and run it again",
}


@dataclass
class Screen:
    """The options and the command as `main` needs them, and the place of JSON under --quiet too."""

    debug: bool = False
    quiet: bool = False
    command: str = ""
    out: TextIO = field(default_factory=lambda: sys.stdout)


def be_quiet(context: typer.Context) -> None:
    """Discard the command's output; errors are shown after it has ended."""
    nowhere = context.with_resource(open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    context.with_resource(redirect_stdout(nowhere))
    context.with_resource(redirect_stderr(nowhere))


def be_verbose(context: typer.Context) -> None:
    """Show the log of anchordrug on standard error until the command ends, and how long it took."""
    log, begun = logging.getLogger("anchordrug"), time.monotonic()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.info("%s: begins", context.invoked_subcommand)

    def end() -> None:
        log.info("%s: ends after %.1f s", context.invoked_subcommand, time.monotonic() - begun)
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)

    context.call_on_close(end)


def print_json(context: typer.Context, value: object) -> None:
    """Print `value` as indented JSON, under --quiet too."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # JSON itself escapes only some of the characters that a terminal obeys.
    safe = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    typer.echo(safe, file=context.obj.out)


def explained(error: Exception) -> tuple[str, int]:
    """Return an error in one line, and the exit code."""
    if isinstance(error, AnchorDrugError):
        return str(error), MISTAKE
    if isinstance(error, MemoryError):
        return "the memory does not suffice; end other programs, or take a machine with more", MISTAKE
    if isinstance(error, sqlite3.OperationalError):
        return (
            "OUT.part, where an unfinished prediction is kept, cannot be written to; free some space, or "
            "have its permissions or the limit on the size of files (ulimit -f) changed"
        ), MISTAKE
    if isinstance(error, OSError) and error.errno in _REFUSED:
        # The text of the error may be a library's.
        where = f"{error.filename}: " if error.filename else ""
        return message_line(f"{where}{os.strerror(error.errno)}; {_REFUSED[error.errno]}"), MISTAKE
    what = printable(f"{type(error).__name__}: {error}", 200)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"a defect of AnchorDrug, not a mistake of yours: {what} ({Path(place.filename).name}, line "
        f"{place.lineno}); 'anchordrug --debug' and the rest of your line shows the trace; please report it",
        DEFECT,
    )


def interrupted(command: str) -> str:
    """Return the message for a user who has interrupted `command`."""
    if command in RESUMED:
        return f"{command} was interrupted; run the same line again to resume"
    return f"{command or 'it'} was interrupted; no file is half written, run the same line again"
