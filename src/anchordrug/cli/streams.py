"""The words, standard input, output and error of a command, in whatever state its caller gives them."""

import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from anchordrug.errors import AnchorDrugError

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_streams() -> None:
    """Give closed streams the null device, and let output take characters that its encoding does not have.

    In the place of a closed stream, the next file that is opened would get the output.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, descriptor)
            if nowhere == descriptor:
                # So that processes which this one starts find it there.
                os.set_inheritable(descriptor, True)
            else:
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def require_readable(words: Iterable[str]) -> None:
    """Check that the words of a command line are text; libraries cannot open a file of another name.

    Raises
    ------
    AnchorDrugError
        A word is not in the encoding of file names.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise AnchorDrugError(
                f"{ascii(word)[1:-1][:100]}: its characters are not in the encoding of file names, which is "
                f"{sys.getfilesystemencoding()} here; set LC_ALL=C.UTF-8, or give the file another name"
            ) from error


def say(line: str) -> None:
    """Print a line on standard error, if it can be written to."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def flush_output() -> OSError | None:
    """Flush the output; return the error of a stream that cannot be written to."""
    found = None
    for descriptor, stream, called in ((1, sys.stdout, "standard output"), (2, sys.stderr, "standard error")):
        try:
            stream.flush()
        except OSError as error:
            error.filename = called
            found = found or error
            # Python tries again at its end, and would report that in words of its own.
            with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), descriptor)
    return found
