"""One table of speed: every figure as a share of a limit or a peer that is measured in the same run.

    make bench      # python benchmarks/speed.py: some minutes on an idle core, 1 GB of disk

It needs no data: molecules are those that ship with rdkit, responses are simulated in the size of the LINCS
subset, networks have the size of the settings and few epochs behind them. All is computed on one core by one
thread and timed by processor time, in turns with its limit, so that other programs disturb little. A share of
1 is the limit itself.

The table is printed, and written into docs/performance.md between its marks; shares are kept in
benchmarks/results/speed.json. A share that is a tenth below the one kept there is told as a warning.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import speed_ways
from projects import ROOT
from speed_table import Figure, told, write
from speed_ways import Size

WAYS: dict[str, Callable[[Size, Path], Iterable[Figure]]] = {
    "structures": speed_ways.structures,
    "ensemble": speed_ways.ensemble,
    "mlp": speed_ways.network,
    "training": speed_ways.training,
    "predict": speed_ways.predict,
    "choice": speed_ways.choice,
    "curation": speed_ways.curation,
    "start": speed_ways.start,
}


def main() -> None:
    """Measure, print, compare and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    only = "print these; write nothing"
    parser.add_argument("--only", nargs="+", choices=WAYS, help=only)
    parser.add_argument("--tiny", action="store_true", help="a size that shows whether it runs, not how fast")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/performance.md")
    parser.add_argument("--kept", type=Path, default=ROOT / "benchmarks/results/speed.json")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    size = speed_ways.TINY if asked.tiny else speed_ways.FULL
    figures: list[Figure] = []
    work = ROOT / "benchmarks/work"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for name in asked.only or WAYS:
            for figure in WAYS[name](size, Path(folder)):
                figures.append(figure)
                print(f"{figure.what}: {figure.share:.2f}", file=sys.stderr, flush=True)
    table = told(figures, asked.kept)
    if not asked.only:
        write(figures, table, asked.page, asked.kept)


if __name__ == "__main__":
    main()
