"""Structures to fingerprints in processes that may end at any structure: rdkit crashes, or never ends."""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_all_start_methods, get_context
from threading import Lock, local
from typing import NamedTuple

# A fingerprint's radius and number of bits.
Kind = tuple[int, int]
STRUCTURES_A_TASK = 64
# Of processor time, so that a busy machine refuses no more than an idle one.
SECONDS_A_STRUCTURE = 1.0
# Of the clock, where the system cannot count a process' own time.
SECONDS_A_TASK = 60.0
_COUNTS_OWN_TIME = hasattr(signal, "setitimer")


class Fingerprinted(NamedTuple):
    """A standardised structure: InChIKey, canonical SMILES and, for each kind, its bits packed into bytes."""

    inchikey: str
    smiles: str
    packed: tuple[bytes, ...]


@dataclass(frozen=True)
class Fingerprinting:
    """Running processes; `of` turns structures into fingerprints in order.

    Attributes
    ----------
    kinds
        The fingerprints that are computed of every structure.
    """

    threads: ThreadPoolExecutor
    processes: "_Processes"
    kinds: tuple[Kind, ...]

    def of(self, batches: Iterable[Sequence[str]], ahead: int) -> Iterator[list[Fingerprinted | str]]:
        """Yield, for each batch of structures, a fingerprint or the reason why there is none, in order.

        Parameters
        ----------
        ahead
            So many batches are computed while the caller is busy with one.
        """
        waiting: deque[list[Future[list[Fingerprinted | str]]]] = deque()
        batches = iter(batches)
        for batch in islice(batches, ahead):
            waiting.append(self.submitted(batch))
        while waiting:
            parts = waiting.popleft()
            waiting.extend(self.submitted(batch) for batch in islice(batches, 1))
            yield [one for part in parts for one in part.result()]

    def submitted(self, structures: Sequence[str]) -> list[Future[list[Fingerprinted | str]]]:
        """Hand structures to the processes; the results, end to end, are in their order."""
        return [
            self.threads.submit(self.processes.results, structures[start : start + STRUCTURES_A_TASK])
            for start in range(0, len(structures), STRUCTURES_A_TASK)
        ]


class Fingerprinter:
    """A context that starts the processes and stops them.

    Every process has a thread that hands it structures, waits, and starts another one if it has ended. What
    pools with common pipes know of their processes is late: of one that ends at once they cannot tell what
    it was doing.

    Parameters
    ----------
    kinds
        The fingerprints to be computed of every structure.
    processes
        How many, None for one a core.
    seconds
        Of processor time, what a structure may take.
    """

    def __init__(
        self, kinds: Iterable[Kind], processes: int | None = None, seconds: float = SECONDS_A_STRUCTURE
    ) -> None:
        self.kinds = tuple(kinds)
        self.processes = _Processes(self.kinds, seconds)
        self.threads = ThreadPoolExecutor(processes or _cores(), "fingerprints")

    def __enter__(self) -> Fingerprinting:
        return Fingerprinting(self.threads, self.processes, self.kinds)

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.processes.stop()
        self.threads.shutdown()


class _Processes:
    """A process for each thread that asks for results."""

    def __init__(self, kinds: tuple[Kind, ...], seconds: float) -> None:
        # Forking a process with onnxruntime's threads in it may deadlock; a fork server has none.
        method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
        self.context = get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(["anchordrug.chem.structures"])
        self.kinds, self.seconds = kinds, seconds
        self.of_thread = local()
        self.lock = Lock()
        # None once they are stopped.
        self.running: set[_Process] | None = set()

    def results(self, structures: Sequence[str]) -> list[Fingerprinted | str]:
        """Return fingerprints or reasons; if a structure ends the process, find out which, one by one."""
        process = getattr(self.of_thread, "process", None) or self._started()
        results = process.results(structures)
        if not isinstance(results, str):
            return results
        with self.lock:
            self.of_thread.process = None
            if self.running is None:
                raise CancelledError
            self.running.remove(process)
        if len(structures) == 1:
            return [results]
        return [one for structure in structures for one in self.results([structure])]

    def _started(self) -> "_Process":
        with self.lock:
            if self.running is None:
                raise CancelledError
            process = self.of_thread.process = _Process(self.context, self.kinds, self.seconds)
            self.running.add(process)
            return process

    def stop(self) -> None:
        """End all processes, and let nobody start one any more."""
        with self.lock:
            running, self.running = self.running or set(), None
        for process in running:
            process.stop()


class _Process:
    """A process and this end of the pipe to it."""

    def __init__(self, context, kinds: tuple[Kind, ...], seconds: float) -> None:
        self.seconds = seconds
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, kinds, seconds), daemon=True)
        self.process.start()
        other.close()

    def results(self, structures: Sequence[str]) -> list[Fingerprinted | str] | str:
        """Return fingerprints or reasons, or the reason why the process has ended."""
        try:
            self.pipe.send(list(structures))
            if _COUNTS_OWN_TIME or self.pipe.poll(SECONDS_A_TASK):
                return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            too_long = self.process.exitcode == -getattr(signal, "SIGPROF", 0)
            seconds = self.seconds
        else:
            too_long, seconds = True, SECONDS_A_TASK
        self.stop()
        return f"rdkit took more than {seconds:g} s for it" if too_long else "rdkit crashed on it"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _serve(pipe, kinds: tuple[Kind, ...], seconds: float) -> None:
    """Compute what comes through the pipe until nobody is at its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        # The threads of the matrix products go first: they wait for each other, these processes do not.
        os.nice(5)
    try:
        while True:
            pipe.send(fingerprint(pipe.recv(), kinds, seconds))
    except (EOFError, OSError):
        return


@contextmanager
def standardising(structures: Sequence[str]) -> Iterator[Iterator[Fingerprinted | str]]:
    """Standardise structures, without fingerprints, while the block does something else.

    What is yielded gives, in order, each structure or the reason why it cannot be standardised.
    """
    with Fingerprinter(()) as running:
        parts = running.submitted(structures)
        yield (one for part in parts for one in part.result())


def fingerprint(
    structures: list[str], kinds: tuple[Kind, ...], seconds: float = SECONDS_A_STRUCTURE
) -> list[Fingerprinted | str]:
    """Return the fingerprints of each structure (SMILES or molblock), or the reason why it has none.

    A structure that takes too long ends the process: rdkit's work cannot be interrupted otherwise.
    """
    from anchordrug.chem.fingerprints import packed_fingerprints
    from anchordrug.chem.structures import standardise

    results: list[Fingerprinted | str] = []
    for structure in structures:
        _allow(seconds)
        try:
            drug = standardise(structure)
            results.append(
                Fingerprinted(drug.inchikey, drug.smiles, packed_fingerprints(drug.molecule, kinds))
            )
        except ValueError as error:
            results.append(str(error))
        except Exception as error:  # rdkit's own errors have no public base class
            results.append(f"rdkit cannot read it ({type(error).__name__})")
    _allow(0)
    return results


def _allow(seconds: float) -> None:
    if _COUNTS_OWN_TIME:
        signal.setitimer(signal.ITIMER_PROF, seconds)
