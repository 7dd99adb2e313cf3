"""A worker's program in which rdkit does what a structure says, such as crash; `workers.PROGRAM` names it."""

import importlib.util
import os
import sys
import time
from pathlib import Path

# Of processor time, and many times any limit that a test sets.
MOST_SECONDS = 20
WORKER = Path(__file__).parents[2] / "src/anchordrug/chem/worker.py"


def obey(structure: str) -> str:
    """Do what the first word of a structure says; return the structure to be read in its place."""
    word, _, rest = structure.partition(" ")
    if word == "SIGNAL":
        os.kill(os.getpid(), int(rest))
    if word == "EXIT":
        os._exit(int(rest))
    if word == "ONCE":
        number, _, path = rest.partition(" ")
        if not Path(path).exists():
            Path(path).touch()
            os.kill(os.getpid(), int(number))
    if word == "SLEEP":
        time.sleep(float(rest))
    if word == "HANG":
        if rest:
            Path(rest).touch()
        # So that a limit that does not hold fails a test, and leaves nothing that runs for ever.
        while time.process_time() < MOST_SECONDS:
            pass
    if word == "PRINT":
        os.write(1, b"[]\n")
        print("[]", flush=True)
    if word == "RAISE":
        raise {"memory": MemoryError, "exit": SystemExit, "runtime": RuntimeError}[rest](rest)
    if word == "NICE":
        raise ValueError(str(os.nice(0)))
    if word == "MODULES":
        raise ValueError(" ".join(name for name in rest.split() if name in sys.modules))
    return "CCO" if word in {"ONCE", "SLEEP", "PRINT"} else structure


def main() -> None:
    """Work like a worker, but obey structures before they are read."""
    spec = importlib.util.spec_from_file_location("worker", WORKER)
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)
    compute = worker.fingerprint

    def fingerprint(*task):
        from anchordrug.chem import structures

        standardise = structures.standardise
        structures.standardise = lambda structure: standardise(obey(structure))
        try:
            return compute(*task)
        finally:
            structures.standardise = standardise

    worker.fingerprint = fingerprint
    worker.main()


if __name__ == "__main__":
    main()
