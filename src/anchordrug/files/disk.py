"""A disk that is full, said with the name of the file."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an error of the system that names no file, as of a full disk, the name of `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def allocated(path: Path, shape: tuple[int, int]) -> "np.ndarray":
    """Return a new float32 array that is mapped from `path`, whose place on the disk is taken at once.

    A mapped file without it ends the process by a signal when the disk is full.

    Raises
    ------
    OSError
        Naming `path`: the disk has no room for it.
    """
    # The lock of a folder is here too, and is taken before anything is computed.
    import numpy as np

    size = 4 * shape[0] * shape[1]
    with naming(path), path.open("wb") as file:
        if size:
            _take(file.fileno(), size)
    if not size:
        return np.empty(shape, np.float32)
    return np.memmap(path, np.float32, "r+", shape=shape)


def _take(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        # Some file systems cannot; others find out while zeros are written.
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
            raise
        block = bytes(2**20)
        while size:
            size -= os.write(descriptor, block[:size])
