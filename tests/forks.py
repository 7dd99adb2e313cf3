"""A process that has imported the libraries, and programs that let it run commands in forks of it.

Importing takes longer than most commands. The programs are anchordrug, dvc and python, to be first on the
path of whatever starts commands by name: a shell, DVC. Each fork has the arguments, folder, environment,
input and outputs of who called, and imports our own modules itself.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import traceback
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

# A warning that Python shows a user, who has not asked for more, is an error.
_HIDDEN = ("DeprecationWarning", "PendingDeprecationWarning", "ImportWarning", "ResourceWarning")
WARNINGS = ["error", *(f"ignore::{kind}" for kind in _HIDDEN)]
# Nothing here imports our own modules, nor tests/conftest.py, which does: a fork may be given others.
ROOT = Path(__file__).parent.parent
# What commands import when they run; none of it starts a thread before it computes.
_OURS = (
    "h5py",
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "onnx",
    "onnxruntime",
    "openpyxl",
    "pandera.backends.pandas.register",
    "pandera.pandas",
    "pyarrow.parquet",
    "rdkit.Chem",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "torch",
    # By the first optimiser.
    "torch._dynamo",
)
PROGRAMS = {"anchordrug": _OURS, "python": _OURS, "dvc": ("dvc.cli", "dvc.repo", "dvc.commands.repro")}
# What Python prints of each import where PYTHONPROFILEIMPORTTIME is set, which acts before a program begins.
_IMPORTED = "import time: | {}\n"
_PROGRAM = """#!{python} -ISE
import json, os, socket, sys
asked = json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(asked)
    answer = server.recv(1)
# Nothing comes from a fork that was killed.
sys.exit(answer[0] if answer else 137)
"""


class Forks:
    """The programs, in a folder that goes with this object, and the process that serves them."""

    def __init__(self) -> None:
        self._place = TemporaryDirectory()
        self.folder = Path(self._place.name)
        address = self.folder / "socket"
        for name in PROGRAMS:
            program = self.folder / name
            text = _PROGRAM.format(python=sys.executable, name=name, address=str(address))
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", *(f"-W{each}" for each in WARNINGS), "-m", "tests.forks", str(address)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._place.cleanup()


@cache
def _forks() -> Forks:
    forks = Forks()
    atexit.register(forks.close)
    return forks


def environment(forked: bool = True) -> dict[str, str]:
    """Return what a shell needs to find the programs: those that fork, or those that a user has."""
    own = [str(_forks().folder)] if forked else []
    path = os.pathsep.join([*own, str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}


def python(
    *arguments: object, cwd: Path | None = None, path: Path | None = None
) -> subprocess.CompletedProcess:
    """Run Python in a fork; its options are -P, -c and -m. Modules in `path` hide others of their name."""
    env = environment()
    if path is not None:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), env.get("PYTHONPATH")]))
    words = ["python", *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def _serve(address: str) -> None:
    """Run what the programs ask for until standard input ends."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        while server in select.select([server, sys.stdin], [], [])[0]:
            caller, _ = server.accept()
            with caller:
                _fork(server, caller)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _fork(server: socket.socket, caller: socket.socket) -> None:
    head, descriptors, _, _ = socket.recv_fds(caller, 8, 3)
    size, asked = int.from_bytes(head, "big"), b""
    while len(asked) < size:
        asked += caller.recv(size - len(asked))
    name, words, folder, variables = json.loads(asked)
    for module in PROGRAMS[name]:
        importlib.import_module(module)
    # Forks leave alone what is imported: to look for garbage there would copy its memory.
    gc.freeze()
    if os.fork() == 0:
        server.close()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
        os.closerange(descriptors[0], descriptors[-1] + 1)
        _end(caller, _run(name, words, folder, variables))
    for descriptor in descriptors:
        os.close(descriptor)


def _end(caller: socket.socket, code: int) -> None:
    """End this fork, also when its caller or its outputs are gone."""
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        caller.sendall(bytes([code]))
    finally:
        os._exit(code)


def _run(name: str, words: list[str], folder: str, variables: dict[str, str]) -> int:
    """Do what a program of this name does, and return its exit code."""
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        known = variables.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [place for place in known if place and place not in sys.path]
        sys.argv = [name, *words]
        # As they are where nobody says otherwise.
        sys.warnoptions.clear()
        warnings.filters.remove(("error", None, Warning, None, 0))
        warnings.simplefilter("default", append=True)
        if "PYTHONPROFILEIMPORTTIME" in variables:
            sys.addaudithook(_tell_of_imports)
        return {"anchordrug": _anchordrug, "dvc": _dvc, "python": _python}[name](words) or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def _anchordrug(_: list[str]) -> None:
    from anchordrug.cli import main

    main()


def _dvc(words: list[str]) -> int:
    from dvc.cli import main

    return main(words)


def _python(words: list[str]) -> None:
    safe, words = words[0] == "-P", words[words[0] == "-P" :]
    if words[0] in {"-c", "-m"}:
        option, text, sys.argv[1:] = words[0], words[1], words[2:]
        if not safe:
            sys.path.insert(0, str(Path.cwd()))
        if option == "-c":
            exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(text, run_name="__main__", alter_sys=True)
    else:
        # Processes that it starts look for it from where this one began.
        script = Path(words[0]).resolve()
        sys.argv = [str(script), *words[1:]]
        sys.path.insert(0, str(script.parent))
        runpy.run_path(str(script), run_name="__main__")


def _tell_of_imports(event: str, arguments: tuple) -> None:
    if event == "import" and arguments[0].startswith("anchordrug"):
        os.write(2, _IMPORTED.format(arguments[0]).encode())


if __name__ == "__main__":
    _serve(sys.argv[1])
