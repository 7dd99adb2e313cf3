"""The commands as one group, whose output a terminal only shows: no character in it does anything else."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

# Colours and bold of help and errors, which rich writes where a terminal is there.
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")


class PlainGroup(TyperGroup):
    """A group of commands that run with `plain_output`."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        with plain_output():
            return super().main(*args, **kwargs)


@contextmanager
def plain_output() -> Iterator[None]:
    """Replace control characters in all that is printed, and characters that hide or turn others.

    These are control characters but line ends and tabs, and marks of the direction of writing. Names and
    cells of files get into tables, notes, progress and logs; all of these pass here.
    """
    output, errors = sys.stdout, sys.stderr
    # A closed stream is None.
    sys.stdout, sys.stderr = output and _Plain(output), errors and _Plain(errors)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, errors


class _Plain:
    """A text stream that writes the harmless part of a text to another, and is otherwise that stream."""

    def __init__(self, stream: Any, keep: re.Pattern[str] | None = None) -> None:
        self._stream, self._keep = stream, keep
        if keep is None:
            # The place where rich writes, which has no other way to a stream inside.
            self.rich_proxied_file = _Plain(stream, _STYLE)
            # Where progress moves the cursor.
            self.terminal = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"text is written here, no {type(text).__name__}")
        if text.isprintable():
            return self._stream.write(text)
        # Every second part is kept.
        parts = self._keep.split(text) if self._keep else [text]
        parts[::2] = map(shown, parts[::2])
        self._stream.write("".join(parts))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def shown(text: str) -> str:
    """Return `text` with a space for each character that a terminal would not show, line ends aside."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
