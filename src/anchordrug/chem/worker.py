"""The program of one worker: standardises structures and computes their fingerprints until its input ends.

`anchordrug.chem.workers` starts it as a script of its own. So it starts from any caller: a
notebook, a script without a main guard or standard input, and loads neither the caller's modules nor pandas
or torch. Both sides send messages of one line of JSON. The first message tells the worker how to work
(`Order`); the worker answers `{"ready": true}`, or `{"error": ...}` if it cannot. Each further message is a
list of structures; the answer is a list with `[inchikey, smiles, [bits in hexadecimal, ...]]` or a reason for
each of them.
"""

import errno
import json
import os
import signal
import sys
from typing import IO, Any, TypedDict

# A fingerprint's radius and number of bits.
Kind = tuple[int, int]
COUNTS_OWN_TIME = hasattr(signal, "setitimer")


class Order(TypedDict):
    """How a worker works.

    Attributes
    ----------
    root
        The folder that holds the package `anchordrug` of the caller.
    path
        The caller's `sys.path`.
    kinds
        The fingerprints to compute for each structure.
    smiles
        Whether to write a canonical SMILES of each structure.
    seconds
        Processor time allowed per structure.
    """

    root: str
    path: list[str]
    kinds: list[Kind]
    smiles: bool
    seconds: float


def send(stream: IO[bytes], message: object) -> None:
    """Write a message.

    Raises
    ------
    OSError
        Nobody reads the stream any more.
    """
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Return the next message.

    Raises
    ------
    EOFError
        The stream has ended, perhaps within a message.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


def main() -> None:
    """Answer messages from standard input until it ends."""
    _take_signals()
    tasks, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever else is printed in this process must not get among the messages.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        order: Order = receive(tasks)
        try:
            _import_as_caller(order)
        except MemoryError:
            raise
        except Exception as error:
            send(results, {"error": f"{type(error).__name__}: {error}"})
            return
        send(results, {"ready": True})
        if hasattr(os, "nice"):
            # The threads of the matrix products go first: they wait for each other, workers do not.
            os.nice(5)
        while True:
            send(results, fingerprint(receive(tasks), order))
    except (EOFError, OSError):
        # The caller has ended. Its end of the pipe may be closed before all is written.
        os._exit(0)
    except MemoryError:
        os._exit(errno.ENOMEM)


def _take_signals() -> None:
    """Leave Ctrl-C to the caller, and let no setting that the caller left switch off the limit of time."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT})
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _import_as_caller(order: Order) -> None:
    """Import the caller's `anchordrug`, wherever it came from, and everything else from the caller's path."""
    sys.path[:] = [order["root"], *order["path"]]
    import anchordrug

    sys.path[:] = order["path"]
    import anchordrug.chem.fingerprints
    import anchordrug.chem.structures  # noqa: F401


def fingerprint(structures: list[str], order: Order) -> list[tuple[str, str, list[str]] | str]:
    """Return InChIKey, SMILES and fingerprints of each structure (SMILES or molblock), or why it has none.

    The SMILES is empty if the order asks for none. The fingerprints are in the order of its kinds, eight bits
    per byte, in hexadecimal. A structure that takes more processor time than the order allows ends the
    process: rdkit's work cannot be interrupted otherwise.
    """
    from anchordrug.chem.fingerprints import packed_fingerprints
    from anchordrug.chem.structures import standardise

    results: list[tuple[str, str, list[str]] | str] = []
    for structure in structures:
        _allow(order["seconds"])
        try:
            drug = standardise(structure)
            packed = [bits.hex() for bits in packed_fingerprints(drug.molecule, order["kinds"])]
            results.append((drug.inchikey, drug.smiles if order["smiles"] else "", packed))
        except ValueError as error:
            results.append(str(error))
        except MemoryError:
            # The machine's fault, not the structure's.
            raise
        except Exception as error:  # rdkit's own errors have no public base class
            results.append(f"rdkit cannot read it ({type(error).__name__})")
    _allow(0)
    return results


def _allow(seconds: float) -> None:
    if COUNTS_OWN_TIME:
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
