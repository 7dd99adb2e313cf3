"""Stage compare: the learning curves of other strategies, played as `select` plays the chosen one."""

import pandas as pd

from anchordrug import schemas
from anchordrug.acquisition import strategy
from anchordrug.files.tables import write_table
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas
from anchordrug.settings import Settings
from anchordrug.stages.select import Played, forget, load_target, play_target


def run(settings: Settings, target: str, seed: int, device: str = "cpu") -> None:
    """Play every strategy of `compare` for one target and seed; one that was cut goes on.

    Raises
    ------
    SettingsError
        There is no such strategy.
    """
    for name in settings.compare:
        strategy(name, "compare")
    group = load_target(settings, load_atlas(), target, device)
    played: list[Played] = []
    for name in settings.compare:
        select = settings.select.model_copy(update={"strategy": name})
        played.append(play_target(settings.model_copy(update={"select": select}), group, target, seed))
    path = paths.COMPARED / f"{paths.run_name(target, seed)}.csv"
    nothing = pd.DataFrame(columns=list(schemas.LEARNING_CURVE.columns))
    curves = pd.concat([one.curve for one in played], ignore_index=True) if played else nothing
    write_table(schemas.validate(curves, schemas.LEARNING_CURVE, path), path)
    for one in played:
        forget(settings, one)
