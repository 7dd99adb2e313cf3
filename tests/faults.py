"""Faults injected where a command touches the disk or starts a process.

Python tells its audit hooks of every file that is opened, renamed or removed, whichever package does it; such
a moment is a point. Three kinds of fault are made at each point of a command:

- a kill: the folder as it is at the point, which is all that a killed process leaves; what it holds in
  buffers is lost;
- an error of the system: the call at the point fails;
- a full disk: from the point on, no file grows, whichever package writes it.

Nothing of this is in the package. The points lie where they lie, so no fault depends on the clock.
"""

import builtins
import errno
import functools
import hashlib
import io
import os
import re
import resource
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anchordrug.cli.screen import explained
from anchordrug.files.atomic import PARTIAL
from anchordrug.files.lock import NAME as LOCK
from anchordrug.prediction import ledger
from tests.conftest import run_cli
from tests.worker_threads import workers_as_threads

# What Python tells of, and what the error is that the system might answer with.
ERRORS = {
    "read": errno.EIO,
    "write": errno.ENOSPC,
    "os.listdir": errno.EIO,
    "os.scandir": errno.EIO,
    "os.rename": errno.ENOSPC,
    "os.remove": errno.EIO,
    "os.mkdir": errno.ENOSPC,
    "os.rmdir": errno.EIO,
    "os.chmod": errno.EIO,
    "mmap.__new__": errno.ENOMEM,
    "subprocess.Popen": errno.EAGAIN,
    # Of which Python does not tell; `_telling` does.
    "fsync": errno.EIO,
    "fallocate": errno.ENOSPC,
    "append": errno.ENOSPC,
    "sqlite": errno.EIO,
}
_WITHOUT_PATH = {"mmap.__new__", "subprocess.Popen", "fsync", "fallocate"}
WRITES = {"write", "append", "sqlite", "fallocate"}
# The content of each file, None for a folder, by its path below the root.
Tree = dict[str, bytes | None]


class Point(NamedTuple):
    """A moment of a command: what it is about to do, with which file below the root."""

    kind: str
    path: str


# The folder whose points are watched, and what is done at each of them.
_watched: tuple[str, Callable[[Point], None]] | None = None
_own = threading.local()


def _hook(event: str, arguments: tuple) -> None:
    if _watched is None or (event != "open" and event not in ERRORS) or hasattr(_own, "busy"):
        return
    root, at = _watched
    point = _point(event, arguments, root)
    if point is not None:
        # What is done at a point opens files, too.
        _own.busy = True
        try:
            at(point)
        finally:
            del _own.busy


def _point(event: str, arguments: tuple, root: str) -> Point | None:
    if event in _WITHOUT_PATH:
        return Point(event, "")
    path = arguments[0]
    if not isinstance(path, str | os.PathLike):
        return None
    if event in {"os.remove", "os.rmdir"} and arguments[1] >= 0:
        # The path is below a folder that is open, as in shutil.rmtree.
        path = Path(f"/proc/self/fd/{arguments[1]}").readlink() / path
    path = str(Path(path).absolute())
    if not path.startswith(f"{root}/"):
        return None
    name = _named(path[len(root) + 1 :])
    if event != "open":
        return Point(event, name)
    return Point("write" if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else "read", name)


def _named(path: str) -> str:
    """Return a path without the random part of temporary names."""
    return re.sub(rf"({re.escape(PARTIAL)}[^/]*-)[a-z0-9_]{{8}}", r"\1", path)


@functools.cache
def _install() -> None:
    """A hook stays until the process ends; it does nothing as long as nobody watches."""
    sys.addaudithook(_hook)


@contextmanager
def watching(root: Path, at: Callable[[Point], None]) -> Iterator[None]:
    """Call `at` at every point of what the block does in `root`."""
    global _watched
    _install()
    with _telling():
        _watched = str(root.absolute()), at
        try:
            yield
        finally:
            _watched = None


@contextmanager
def _telling() -> Iterator[None]:
    """Have Python tell of fsync, of space taken, of what is appended to files, and of SQLite's statements."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((os, "fsync"), (os, "posix_fallocate")):
            patch.setattr(module, name, _told(name.removeprefix("posix_"), getattr(module, name)))
        patch.setattr(io, "open", _opened)
        patch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=_Connection))
        workers_as_threads(patch)
        yield


def _told(event: str, function: Callable) -> Callable:
    def call(*arguments: object) -> object:
        sys.audit(event, *arguments)
        return function(*arguments)

    return call


class _Growing:
    """A file that is opened to append; tells of everything that changes it."""

    def __init__(self, file: Any, path: str) -> None:
        self.file, self.path = file, path

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.file, name)
        if name not in {"write", "flush", "truncate"}:
            return found

        def call(*arguments: object) -> object:
            sys.audit("append", self.path)
            return found(*arguments)

        return call

    def __enter__(self) -> "_Growing":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    opened = builtins.open(file, mode, *arguments, **options)  # noqa: PTH123, SIM115
    return _Growing(opened, str(file)) if "a" in mode else opened


class _Connection(sqlite3.Connection):
    """A database that tells of its statements."""

    def __init__(self, path: Path, *arguments: Any, **options: Any) -> None:
        self.place = str(path)
        super().__init__(path, *arguments, **options)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._tell()
        return super().execute(*arguments)

    def executescript(self, *arguments: Any) -> sqlite3.Cursor:
        self._tell()
        return super().executescript(*arguments)

    def commit(self) -> None:
        self._tell()
        super().commit()

    def _tell(self) -> None:
        try:
            sys.audit("sqlite", self.place)
        except OSError as error:
            failed = sqlite3.OperationalError("disk I/O error")
            failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
            raise failed from error


def tree_of(root: Path) -> Tree:
    """Return what is in `root`, links not followed."""
    found: Tree = {}
    for path in root.rglob("*"):
        if not path.is_symlink():
            found[path.relative_to(root).as_posix()] = None if path.is_dir() else path.read_bytes()
    return found


def restore(root: Path, tree: Tree) -> None:
    """Make `root` hold what `tree` says; links stay."""
    now = tree_of(root)
    for path in sorted(now.keys() - tree.keys(), reverse=True):
        (root / path).unlink() if now[path] is not None else (root / path).rmdir()
    for path, content in sorted(tree.items()):
        if content is None:
            (root / path).mkdir(exist_ok=True)
        elif now.get(path) != content:
            (root / path).write_bytes(content)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and the line that tells why."""

    code: int
    line: str


def run(words: Sequence[object], root: Path, at: Callable[[Point], None] = lambda _: None) -> Ended:
    """Run a command for the project `root` in this process, as `main` does, and call `at` at every point."""
    with watching(root, at):
        result = run_cli(*words, folder=root)
    # What an error has left open, the end of a process closes.
    while ledger._OPEN:
        ledger._OPEN.popitem()[1].close()
    if not isinstance(result.exception, Exception):
        return Ended(result.exit_code, result.output)
    line, code = explained(result.exception)
    return Ended(code, line)


class Faults:
    """Every fault of a command, and what it leaves.

    Parameters
    ----------
    root
        The project that the command is run for, as it is before the command.
    words
        The command, which succeeds.
    """

    def __init__(self, root: Path, words: Sequence[object]) -> None:
        self.root, self.words, self.start = root, words, tree_of(root)
        self.points: list[tuple[Point, int]] = []
        # By digest: the first fault that leaves it, and the folder.
        self.states: dict[bytes, tuple[str, Tree]] = {}
        self.runs = 0

        def note(point: Point) -> None:
            self.points.append((point, sum(point == other for other, _ in self.points)))
            self._note("killed", point, tree_of(root))

        ended = self._run(note)
        assert ended.code == 0, ended
        self.end = self._lasting(tree_of(root))
        assert not left_over(self.end)

    def _note(self, fault: str, point: Point, tree: Tree) -> None:
        """Take note of a folder from which the command has to end as if nothing had happened."""
        self.states.setdefault(digest_of_tree(tree), (f"{fault} at {point.kind} {point.path}", tree))

    def _run(self, at: Callable[[Point], None] = lambda _: None) -> Ended:
        self.runs += 1
        return run(self.words, self.root, at)

    @staticmethod
    def _lasting(tree: Tree) -> Tree:
        """Return what counts: all but locks and who has held them."""
        return {path: content for path, content in tree.items() if Path(path).name != LOCK}

    def fail(self, full: bool = False) -> Iterator[tuple[tuple[Point, int], Ended]]:
        """Run the command once for each point, which fails, or at which the disk is full; yield its end."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for wanted in self.points:
            if full and wanted[0].kind not in WRITES:
                continue
            restore(self.root, self.start)
            seen: Counter[Point] = Counter()

            def at(point: Point, wanted: tuple[Point, int] = wanted, seen: Counter[Point] = seen) -> None:
                seen[point] += 1
                if (point, seen[point] - 1) != wanted:
                    return
                if full:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
                else:
                    number = ERRORS[point.kind]
                    raise OSError(number, os.strerror(number), *([point.path] if point.path else []))

            try:
                ended = self._run(at)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert seen[wanted[0]] > wanted[1], wanted
            tree = tree_of(self.root)
            if ended.code:
                self._note("full" if full else "error", wanted[0], tree)
            else:
                assert self._lasting(tree) == self.end, wanted
            yield wanted, ended

    def again(self) -> Iterator[tuple[str, Ended, Tree]]:
        """Run the command once from every folder that a fault left; yield that, its end and its result."""
        for origin, state in self.states.values():
            restore(self.root, state)
            ended = self._run()
            yield origin, ended, self._lasting(tree_of(self.root))


def left_over(tree: Tree) -> list[str]:
    """Return the names of what is half written."""
    return [path for path in tree if PARTIAL in path or ".part" in Path(path).suffixes]


def digest_of_tree(tree: Tree) -> bytes:
    """Return a digest of a tree."""
    digest = hashlib.sha256()
    for path, content in sorted(tree.items()):
        digest.update(repr((_named(path), content is None, len(content or b""))).encode())
        digest.update(content or b"")
    return digest.digest()
