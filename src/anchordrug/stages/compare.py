"""Stage compare: the learning curves of other strategies, played as `select` plays the chosen one."""

import pandas as pd

from anchordrug import schemas
from anchordrug.acquisition.registry import strategy
from anchordrug.acquisition.rounds import forget, load_target, play_target
from anchordrug.project.project import Project


def run(project: Project, target: str, seed: int, device: str = "cpu") -> None:
    """Play every strategy of `compare` for one target and seed; a killed run resumes.

    Raises
    ------
    SettingsError
        There is no such strategy.
    """
    names = project.settings.compare
    for name in names:
        strategy(name, "compare")
    group = load_target(project, project.atlas(), target, device)
    played = [play_target(project, group, name, target, seed) for name in names]
    nothing = pd.DataFrame(columns=list(schemas.LEARNING_CURVE.columns))
    curves = pd.concat([campaign.curve for campaign in played], ignore_index=True) if played else nothing
    project.write(curves, schemas.LEARNING_CURVE, project.campaign_metrics("compared", target, seed))
    for campaign in played:
        forget(project.settings, campaign)
