"""Progress of long work: a bar on a terminal, a few plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator

SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable, what: str, total: int) -> Iterator:
    """Yield `items` while showing on standard error how many of `total` are done.

    A log gets one line about every ten seconds and one at the end, so that it stays readable.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, description=what, total=total, console=Console(stderr=True), transient=True)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(f"{what}: {done}/{total} ({now - start:.0f} s)", file=sys.stderr, flush=True)
