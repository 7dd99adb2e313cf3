"""How a worker's process ended, and whose fault that is: the structure's or the machine's."""

import errno
import os
import signal
from dataclasses import dataclass
from typing import Literal

# The exit status of a worker that gets no memory.
NO_MEMORY = errno.ENOMEM
_CRASHES = {
    -number
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGXCPU")
    if (number := getattr(signal, name, None)) is not None
}
# On Windows, a program that crashes has a status from here on.
_FIRST_CRASH_ON_WINDOWS = 0xC0000000
_LIMIT = -getattr(signal, "SIGPROF", 0)
_KILLED = -getattr(signal, "SIGKILL", 0)
_MORE_MEMORY = (
    "free memory (end other programs) or use fewer processes (put 'taskset -c 0' before the command)"
)
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    Attributes
    ----------
    reason
        For a structure: why it is rejected. Otherwise: how the worker ended.
    cause
        "crash": the structure, if it does so again in a fresh process; "limit": the structure, which has used
        up its time; "memory": the machine, which had too little of it; "other": anything else.
    """

    reason: str
    cause: Literal["crash", "limit", "memory", "other"]

    @property
    def is_structures(self) -> bool:
        """Whether the structure did it."""
        return self.cause in {"crash", "limit"}

    def stops(self, structure: str) -> str:
        """Return why no worker can continue after this has happened twice to the same structure."""
        shown = " ".join(structure.split())
        shown = shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}..."
        remedy = _MORE_MEMORY if self.cause == "memory" else "find out why it ends"
        return (
            f"the process that reads structures {self.reason}, twice, at structure '{shown}'; {remedy}, then "
            "run it again"
        )


def ending_of(status: int, seconds: float) -> Ending:
    """Return how a worker ended, by its exit status (minus the number of a signal).

    Parameters
    ----------
    seconds
        Processor time that a structure may take.
    """
    if status == _LIMIT != 0:
        return took_too_long(seconds)
    if status in _CRASHES or (os.name == "nt" and status >= _FIRST_CRASH_ON_WINDOWS):
        return Ending("rdkit crashed on it", "crash")
    if status == _KILLED != 0:
        return Ending("was killed, as the system does where memory is short", "memory")
    if status == NO_MEMORY:
        return Ending("got no memory", "memory")
    how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
    return Ending(how, "other")


def took_too_long(seconds: float) -> Ending:
    """Return the ending of a worker whose structure has used up its seconds."""
    return Ending(f"rdkit took more than {seconds:g} s for it", "limit")


def silent(seconds: float) -> Ending:
    """Return the ending of a worker that was killed because it gave no answer for so long."""
    return Ending(f"gave no answer for {seconds:g} s, as if stopped or swapped out", "memory")
