"""Progress of long work: a bar on a terminal, a few plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Literal

from anchordrug.errors import printable

SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable, what: str, total: int) -> Iterator:
    """Yield `items` while showing on standard error how many of `total` are done.

    A log gets one line about every ten seconds and one at the end, so that it stays readable.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        console = Console(file=_terminal())
        yield from bar(items, printable(what, 60), total=total, console=console, transient=True)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(f"{what}: {done}/{total} ({now - start:.0f} s)", file=sys.stderr, flush=True)


def stream(
    blocks: Iterable[tuple[Sequence, ...]],
    what: str,
    share_read: Callable[[], float | None],
    unit: Literal["rows", "MB"] = "rows",
) -> Iterator[tuple]:
    """Yield `blocks` while showing on standard error how many rows are done, how fast, and the time left.

    Parameters
    ----------
    blocks
        Tuples whose first part has a row per row.
    share_read
        Returns the share of the input that is read, None if that cannot be known.
    unit
        The unit to show; for "MB" the first part of each tuple is bytes.
    """
    terminal = sys.stderr.isatty()
    start = last = time.monotonic()
    begun = share_read() or 0.0
    rows = 0
    for block in blocks:
        yield block
        rows += len(block[0])
        now = time.monotonic()
        if now - last < (0.2 if terminal else SECONDS_BETWEEN_LINES):
            continue
        last = now
        if unit == "rows":
            text = f"{what}: {rows:,} rows, {rows / (now - start):,.0f} a second"
        else:
            text = f"{what}: {rows / 1e6:,.0f} MB, {rows / 1e6 / (now - start):,.1f} MB/s"
        share = share_read()
        if share is not None and share > begun:
            left = (now - start) * max(0.0, 1 - share) / (share - begun)
            text += f", {_duration(left)} left"
        if terminal:
            print(f"\r{printable(text, 200)}\033[K", end="", file=_terminal(), flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
    if terminal and last > start:
        print("\r\033[K", end="", file=_terminal(), flush=True)


def _terminal() -> IO[str]:
    """Return standard error as it moves the cursor, which the command line keeps from all other output."""
    return getattr(sys.stderr, "terminal", sys.stderr)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
