"""Structures to fingerprints in workers: processes of their own, as rdkit may crash or never end."""

import errno
import os
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock, Timer, local
from typing import IO, NamedTuple

import anchordrug
from anchordrug.chem import worker as program
from anchordrug.chem.endings import Ending, ending_of, silent, took_too_long
from anchordrug.chem.worker import COUNTS_OWN_TIME, Kind, Order, receive, send
from anchordrug.cores import core_count
from anchordrug.errors import WorkerError

# The script that a worker runs.
PROGRAM = Path(program.__file__)
STRUCTURES_A_TASK = 64
# Of processor time, so that a busy machine refuses no more than an idle machine.
SECONDS_A_STRUCTURE = 1.0
# Of the clock, where the system cannot count a process' own time.
SECONDS_A_TASK = 60.0
# Seconds of the clock, far more than a task takes on a busy machine: a worker silent so long was stopped.
SECONDS_OF_SILENCE = 900.0
# Seconds of the clock, far more than a start takes: a program silent so long is not a worker.
SECONDS_TO_START = 300.0
# An ending that a structure causes so often by itself is not due to chance.
ENDINGS_OF_A_KIND = 2
# The system lacks resources for a process; the program may be sound.
_NO_RESOURCES = {errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
# A worker multiplies no matrices; each library would start a thread per core in each worker.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Fingerprinted(NamedTuple):
    """A standardised structure: InChIKey, canonical SMILES and, for each kind, its bits packed into bytes.

    The SMILES is empty if the `Fingerprinter` was told to leave it out.
    """

    inchikey: str
    smiles: str
    packed: tuple[bytes, ...]


@dataclass(frozen=True)
class Fingerprinting:
    """Running workers; `of` turns structures into fingerprints in order.

    Attributes
    ----------
    kinds
        The fingerprints that are computed of every structure.
    """

    threads: ThreadPoolExecutor
    workers: "_Workers"
    kinds: tuple[Kind, ...]

    def of(self, batches: Iterable[Sequence[str]], ahead: int) -> Iterator[list[Fingerprinted | str]]:
        """Yield, for each batch of structures, a fingerprint or the reason why there is none, in order.

        Parameters
        ----------
        ahead
            So many batches are computed while the caller is busy with one.

        Raises
        ------
        WorkerError
            A worker cannot be started.
        """
        waiting: deque[list[Future[list[Fingerprinted | str]]]] = deque()
        batches = iter(batches)
        for batch in islice(batches, ahead):
            waiting.append(self.submitted(batch))
        while waiting:
            parts = waiting.popleft()
            waiting.extend(self.submitted(batch) for batch in islice(batches, 1))
            yield [result for part in parts for result in part.result()]

    def submitted(self, structures: Sequence[str]) -> list[Future[list[Fingerprinted | str]]]:
        """Hand structures to the workers; the results, end to end, are in their order."""
        return [
            self.threads.submit(self.workers.results, structures[start : start + STRUCTURES_A_TASK])
            for start in range(0, len(structures), STRUCTURES_A_TASK)
        ]


class Fingerprinter:
    """A context that starts workers and stops them.

    Every worker has a thread that hands it structures, waits, and starts another worker if it has ended.
    Pools with common pipes learn late that a process has ended: they cannot tell which structure a process
    was busy with that ends at once.

    Parameters
    ----------
    kinds
        The fingerprints to be computed of every structure.
    workers
        The number of workers, None for one per core.
    seconds
        Processor time that a structure may take.
    smiles
        Whether the canonical SMILES is wanted, which takes a tenth of the time.
    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        workers: int | None = None,
        seconds: float = SECONDS_A_STRUCTURE,
        smiles: bool = True,
    ) -> None:
        self.kinds = tuple(kinds)
        self.workers = _Workers(self.kinds, seconds, smiles)
        self.threads = ThreadPoolExecutor(workers or core_count(), "fingerprints")

    def __enter__(self) -> Fingerprinting:
        return Fingerprinting(self.threads, self.workers, self.kinds)

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        stopped = self.workers.stop()
        self.threads.shutdown()
        for worker in stopped:
            worker.close()


class _Workers:
    """A worker for each thread that asks for results."""

    def __init__(self, kinds: tuple[Kind, ...], seconds: float, smiles: bool) -> None:
        root = str(Path(anchordrug.__file__).parents[1])
        # Import ignores entries of other types, too.
        path = [entry for entry in sys.path if isinstance(entry, str)]
        self.order = Order(root=root, path=path, kinds=list(kinds), smiles=smiles, seconds=seconds)
        self.of_thread = local()
        self.lock = Lock()
        # None once they are stopped.
        self.running: set[_Worker] | None = set()

    def results(self, structures: Sequence[str]) -> list[Fingerprinted | str]:
        """Return fingerprints or reasons; if a worker ends, find out by which structure, one by one.

        Raises
        ------
        WorkerError
            A worker cannot be started, or is ended again and again by something else than a structure.
        """
        answers = self._answers(structures)
        if not isinstance(answers, Ending):
            return answers
        if len(structures) == 1:
            return [self._judged(structures[0], answers)]
        return [result for structure in structures for result in self.results([structure])]

    def _judged(self, structure: str, ending: Ending) -> Fingerprinted | str:
        """Try a structure that has ended a worker in fresh workers, until one answers or the cause is clear.

        A worker that the system has killed, for want of memory, is not due to its structure.
        """
        seen = Counter([ending.is_structures])
        while ending.cause != "limit" and seen[ending.is_structures] < ENDINGS_OF_A_KIND:
            answers = self._answers([structure])
            if not isinstance(answers, Ending):
                return answers[0]
            ending = answers
            seen[ending.is_structures] += 1
        if ending.is_structures:
            return ending.reason
        raise WorkerError(ending.stops(structure))

    def _answers(self, structures: Sequence[str]) -> list[Fingerprinted | str] | Ending:
        """Ask this thread's worker, or a fresh one if it has none; after an ending it has none."""
        worker = getattr(self.of_thread, "worker", None) or self._started()
        if isinstance(worker, Ending):
            return worker
        answers = worker.results(structures)
        if isinstance(answers, Ending):
            self.of_thread.worker = None
            self._forget(worker)
        return answers

    def _started(self) -> "_Worker | Ending":
        with self.lock:
            if self.running is None:
                raise CancelledError
            worker = _Worker(self.order["seconds"])
            self.running.add(worker)
        reason = worker.begin(self.order)
        if reason is None:
            self.of_thread.worker = worker
            return worker
        self._forget(worker)
        if isinstance(reason, Ending):
            return reason
        raise WorkerError(_cannot_start(reason))

    def _forget(self, worker: "_Worker") -> None:
        """Drop a worker that has ended; if `stop` has ended it, so does this thread's task."""
        with self.lock:
            if self.running is None:
                raise CancelledError
            self.running.remove(worker)
        worker.close()

    def stop(self) -> "set[_Worker]":
        """End all workers, let nobody start one any more, and return those whose pipes are still open."""
        with self.lock:
            running, self.running = self.running or set(), None
        for worker in running:
            worker.kill()
        return running


class _Worker:
    """A worker's process and the pipes to it.

    Raises
    ------
    WorkerError
        The system does not start it.
    OSError
        The system has no memory, process or file left for it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_late = False
        # Not the current folder but the caller's path says where modules are.
        command = [sys.executable or "", "-P", str(PROGRAM)]
        try:
            with _interrupts_blocked():
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | _ONE_THREAD,
                    # On Windows: no Ctrl-C.
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            if error.errno in _NO_RESOURCES:
                raise
            raise WorkerError(_cannot_start(str(error))) from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.tasks: IO[bytes] = self.process.stdin
        self.answers: IO[bytes] = self.process.stdout

    def begin(self, order: Order) -> str | Ending | None:
        """Wait until the worker is ready; return the reason if it cannot work, or how the system ended it."""
        try:
            with self._killed_after(SECONDS_TO_START):
                send(self.tasks, order)
                answer = receive(self.answers)
        except (EOFError, OSError):
            if self.is_late:
                return f"it was not ready after {SECONDS_TO_START:g} s"
            ending = ending_of(self.process.wait(), self.seconds)
            if ending.cause == "memory":
                return ending
            return f"it ended with exit status {self.process.wait()} before it was ready"
        except ValueError:
            self.kill()
            return "the program it runs is not Python"
        return answer.get("error")

    def results(self, structures: Sequence[str]) -> list[Fingerprinted | str] | Ending:
        """Return fingerprints or reasons, or how the worker has ended."""
        limit = SECONDS_OF_SILENCE if COUNTS_OWN_TIME else SECONDS_A_TASK
        try:
            with self._killed_after(limit):
                send(self.tasks, list(structures))
                answers = receive(self.answers)
        except (EOFError, OSError):
            status = self.process.wait()
            if self.is_late:
                return silent(limit) if COUNTS_OWN_TIME else took_too_long(limit)
            return ending_of(status, self.seconds)
        return [answer if isinstance(answer, str) else _fingerprinted(*answer) for answer in answers]

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        """Kill the worker if the block takes longer."""

        def kill() -> None:
            self.is_late = True
            self.process.kill()

        timer = Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def kill(self) -> None:
        """End the worker, whatever it does."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Close the pipes to a worker that has ended."""
        self.process.wait()
        self.answers.close()
        # A task that nobody has read.
        with suppress(OSError):
            self.tasks.close()


def _fingerprinted(inchikey: str, smiles: str, packed: list[str]) -> Fingerprinted:
    return Fingerprinted(inchikey, smiles, tuple(map(bytes.fromhex, packed)))


def _cannot_start(reason: str) -> str:
    return (
        f"a worker, the process that reads structures, cannot be started: {reason}; "
        f"check that {sys.executable!r} (sys.executable) is a Python that can import rdkit and numpy"
    )


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from this thread, and from a process that is started meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def standardising(structures: Sequence[str]) -> Iterator[Iterator[Fingerprinted | str]]:
    """Standardise structures, without fingerprints, while the block does something else.

    The iterator that is yielded gives, in order, each structure or the reason why it cannot be standardised.

    Raises
    ------
    WorkerError
        A worker cannot be started.
    """
    with Fingerprinter(()) as running:
        parts = running.submitted(structures)
        yield (result for part in parts for result in part.result())
