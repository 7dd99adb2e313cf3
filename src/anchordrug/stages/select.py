"""Stage select: choose the anchors of a target round by round, against its measured responses."""

from anchordrug import schemas
from anchordrug.acquisition.registry import strategy
from anchordrug.acquisition.rounds import forget, load_target, play_target, selection_of
from anchordrug.project.project import Project


def run(project: Project, target: str, seed: int, device: str = "cpu") -> None:
    """Choose the anchors of one campaign; a killed run resumes after its last whole round.

    The macro-F1 on the test drugs after every round goes to metrics/; it is computed from the fitted
    predictor and never reaches the choice. In scenario `common` the first target to come plays for all; the
    others take up its rounds.
    """
    name = project.settings.select.strategy
    strategy(name, "select.strategy")
    atlas = project.atlas()
    group = load_target(project, atlas, target, device)
    played = play_target(project, group, name, target, seed)
    # The last digits depend on the number of threads.
    selection = selection_of(played, atlas).round({"score": 6})
    project.write(selection, schemas.SELECTIONS, project.selection(target, seed))
    project.write(played.curve, schemas.LEARNING_CURVE, project.campaign_metrics("rounds", target, seed))
    forget(project.settings, played)
