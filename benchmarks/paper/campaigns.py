"""Play every strategy on every target (or common list) and seed of one scenario; one JSON file a campaign.

python campaigns.py per_target
python campaigns.py per_target --engine ray
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

# Workers inherit it: each computes on one core.
os.environ["OMP_NUM_THREADS"] = "1"

from play import HERE, Cell, cells, play_cell, project_of

from anchordrug.files.progress import track
from anchordrug.files.yaml_values import read_yaml


def on_this_machine(scenario: str, todo: list[Cell], growth: int, processes: int) -> Iterator[None]:
    """Play campaigns in a pool of processes; yield as they end."""
    processes = min(processes, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(play_cell, scenario, cell, growth) for cell in todo]
        for job in as_completed(jobs):
            yield job.result()


def on_ray(scenario: str, todo: list[Cell], growth: int) -> Iterator[None]:
    """Play campaigns on the cluster at RAY_ADDRESS, or else on this machine, one a core; yield as they end.

    All machines see this folder under the same path: it holds the tables, and what a lost worker has played.
    """
    import ray

    # Workers import the same package as this process, or they would play every campaign again.
    places = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": places}
    ray.init(runtime_env={"env_vars": environment}, log_to_driver=False)
    play = ray.remote(max_retries=3)(play_cell)
    waiting = [play.remote(scenario, cell, growth) for cell in todo]
    while waiting:
        done, waiting = ray.wait(waiting)
        yield ray.get(done[0])


def main() -> None:
    """Play the grid of one scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", help="a folder with a params.yaml whose stages have run")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="who plays")
    asked = parser.parse_args()
    grid = read_yaml(HERE / "grid.yaml")
    todo = cells(project_of(asked.scenario).settings, grid["strategies"])
    if asked.engine == "ray":
        playing = on_ray(asked.scenario, todo, grid["growth"])
    else:
        playing = on_this_machine(asked.scenario, todo, grid["growth"], grid["processes"])
    for _ in track(playing, f"campaigns, {asked.scenario}", len(todo)):
        pass
    folder = HERE / "cells" / asked.scenario
    expected = {f"{'+'.join(targets)}-{name}-{seed}.json" for targets, name, seed in todo}
    for file in folder.iterdir():
        if file.name not in expected:
            file.unlink()


if __name__ == "__main__":
    main()
