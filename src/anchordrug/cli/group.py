"""The commands as one group, whose output a terminal only shows: no character in it does anything else."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

# Colours and bold of help and errors, which rich writes where a terminal is there.
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")


class PlainGroup(TyperGroup):
    """A group of commands that run with `plain_output`, and whose options are given once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for command in _all_commands(self):
            _refuse_repeated_options(command)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        with plain_output():
            return super().main(*args, **kwargs)


# Typer brings its own click, so its commands are not instances of click's classes.
def _all_commands(command: Any) -> Iterator[Any]:
    """Return a command, and those below it if it is a group."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _all_commands(below)


def _refuse_repeated_options(command: Any) -> None:
    """Let a command refuse an option with one value that is given twice; click takes the last of them."""
    make_parser = command.make_parser

    def make(context: typer.Context) -> Any:
        parser = make_parser(context)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, order = parse(args)
            options = [option for option in order if option.param_type_name == "option"]
            for option in options:
                is_single = not (option.is_flag or option.multiple or option.count)
                if is_single and options.count(option) > 1 and not context.resilient_parsing:
                    raise typer.BadParameter(f"{option.opts[0]} is given twice; give it once", context)
            return values, rest, order

        parser.parse_args = parse_args
        return parser

    command.make_parser = make


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
