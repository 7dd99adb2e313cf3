"""Which commands of a project may run together: none while another writes its inputs or outputs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from anchordrug.files.lock import locked, reading

# pydantic takes as long to import as all of the help takes to show.
if TYPE_CHECKING:
    from anchordrug.project.project import Project

# Inputs of a campaign, a panel and an addition.
ATLAS = ("curate", "grow", "featurize")
_TABLES = ("grow", "featurize", "split", "pretrain")
# The stages whose files a stage reads, as in dvc.yaml.
READS: dict[str, tuple[str, ...]] = {
    "curate": (),
    "grow": ("curate",),
    "featurize": ("grow",),
    "split": ("grow",),
    "pretrain": ("grow", "featurize"),
    "select": _TABLES,
    "compare": _TABLES,
    "finetune": (*_TABLES, "select"),
    "evaluate": (*_TABLES, "select", "finetune"),
    "hidden": ("grow", "featurize", "split", "select"),
    "export": ("grow", "featurize", "pretrain", "finetune", "evaluate"),
    "summarise": ("pretrain", "select", "compare", "evaluate"),
    # `predict` takes no turn: whatever it writes, it writes next to and puts in place when it is whole.
    "report": (
        *("curate", "grow", "split", "select", "compare", "evaluate", "hidden", "export", "predict"),
        "summarise",
    ),
    "panel": ATLAS,
}
_OF_A_TARGET = {"pretrain", "hidden", "export"}
_OF_A_SEED = {"select", "compare", "finetune", "evaluate"}


@contextmanager
def alone(
    project: "Project", stage: str, target: str | None = None, seed: int | None = None
) -> Iterator[None]:
    """Keep others from running the same stage of the project, and from writing its inputs.

    Raises
    ------
    SettingsError
        Another process runs the stage, or writes or reads such files; the message names it.
    """
    with ExitStack() as held:
        for name in READS[stage]:
            held.enter_context(reading_of(project, name, target, seed))
        if stage == "grow":
            held.enter_context(reading(project.checkpoints / "additions"))
        held.enter_context(locked(_place(project, stage, target, seed)))
        yield


@contextmanager
def reading_of(
    project: "Project", stage: str, target: str | None = None, seed: int | None = None
) -> Iterator[None]:
    """Keep others from running a stage, for a target and seed or for all of them, while its files are read.

    Raises
    ------
    SettingsError
        Another process runs it.
    """
    settings = project.settings
    # Campaigns of scenario common are those of all targets.
    is_one = target is not None and settings.select.scenario != "common"
    targets = [target] if is_one else settings.targets
    seeds = settings.seeds if seed is None else [seed]
    with ExitStack() as held:
        of_targets = targets if stage in _OF_A_TARGET | _OF_A_SEED else [None]
        for parts in product(of_targets, seeds if stage in _OF_A_SEED else [None]):
            held.enter_context(reading(_place(project, stage, *parts)))
        yield


@contextmanager
def reading_atlas(project: "Project") -> Iterator[None]:
    """Keep others from writing the tables of the atlas and its features while they are read.

    Raises
    ------
    SettingsError
        Another process writes them.
    """
    with ExitStack() as held:
        for name in ATLAS:
            held.enter_context(reading_of(project, name))
        yield


def _place(project: "Project", stage: str, target: str | None, seed: int | None) -> Path:
    parts = [str(part) for part in (stage, target, seed) if part is not None]
    return project.checkpoints / "locks" / "-".join(parts)
