"""A home for matplotlib where the user's own cannot be written to, as in containers and batch systems."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def give_matplotlib_a_home() -> None:
    """Have matplotlib keep its settings and list of fonts in a temporary folder, if it has to be.

    It would print a warning of several lines for each process, and make its list again in each.
    """
    if all(map(_is_writable, _homes())):
        return
    folder = tempfile.mkdtemp(prefix="anchordrug-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = folder


def _homes() -> list[Path]:
    """Return the folders that matplotlib makes, for its settings and for its list of fonts."""
    if given := os.environ.get("MPLCONFIGDIR"):
        return [Path(given)]
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (Path.home() raises an error where there is none)
    if not sys.platform.startswith(("linux", "freebsd")):
        return [home / ".matplotlib"]
    bases = (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    return [Path(os.environ.get(name) or home / usual) / "matplotlib" for name, usual in bases]


def _is_writable(folder: Path) -> bool:
    """Return whether a folder, or the nearest of those above it that exists, takes a file.

    Permissions do not tell it: root may write where a file system takes nothing.
    """
    above = next(path for path in (folder, *folder.parents, Path()) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            return True
    except OSError:
        return False
