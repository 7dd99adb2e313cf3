"""Faults of a model's files, each told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from anchordrug.errors import RawDataError, printable

_REASON = 200  # characters


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Give errors of a block that reads the files of a model in `folder` the folder's name.

    Raises
    ------
    RawDataError
        The block finds that a part is missing, damaged, or does not fit the rest.
    """
    try:
        yield
    except (
        *(LookupError, TypeError, ValueError, AttributeError, OverflowError, AssertionError),
        *(SafetensorError, RuntimeError),
    ) as error:
        reason = printable(str(error), _REASON)
        raise RawDataError(f"{folder}: not a usable model ({reason}); train it again") from error
