"""The beginning of a large file read by the system before it is asked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

# A few seconds of a disk, and little next to the memory of a computer that learns from such a file.
MOST_BYTES = 2**31
_BYTES_AT_ONCE = 2**23


@contextmanager
def reading_ahead(path: Path) -> Iterator[None]:
    """Have the system take the first `MOST_BYTES` of a file into its cache while the block runs.

    The disk is busy then while tables are read and structures are standardised. The reader of the file
    reports its faults.
    """
    if not hasattr(os, "posix_fadvise"):
        yield
        return
    done = Event()
    thread = Thread(target=_take, args=(path, done), name="reading ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _take(path: Path, done: Event) -> None:
    with suppress(OSError), path.open("rb") as file:
        size = min(os.fstat(file.fileno()).st_size, MOST_BYTES)
        for start in range(0, size, _BYTES_AT_ONCE):
            if done.is_set():
                return
            os.posix_fadvise(file.fileno(), start, _BYTES_AT_ONCE, os.POSIX_FADV_WILLNEED)
