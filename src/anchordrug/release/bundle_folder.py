"""The folder of a packed bundle: replaced whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anchordrug.files.atomic import PARTIAL, atomic_folder


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `out` if the block succeeds."""
    new = out.with_name(f"{PARTIAL}{out.name}")
    # Files left by a killed run, which may be 34 GB.
    shutil.rmtree(new, ignore_errors=True)
    with atomic_folder(new) as folder:
        yield folder
    if out.exists():
        shutil.rmtree(out)
    new.rename(out)
