"""The predictor that settings name: its task, its lessons from source lines, and their files."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import sources_of
from anchordrug.errors import SettingsError, shortlist
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.atomic import require_file
from anchordrug.files.tables import read_json
from anchordrug.predictors.base import Predictor, State, Task, Work
from anchordrug.predictors.registry import params_of, predictor_class
from anchordrug.settings import Settings

CARD = "model.json"


def task_of(
    settings: Settings,
    atlas: ResponseAtlas,
    features: FeatureBlocks,
    target: str,
    device: str = "cpu",
    library: np.ndarray | None = None,
) -> Task:
    """Return the task of learning `target` from all other lines but those that the settings leave out.

    Parameters
    ----------
    library
        int64 rows of the drugs to be predicted; default: those that the atlas has measured in the target.

    Raises
    ------
    SettingsError
        The predictor needs the untreated expression of a cell line that has none, or gene annotation that
        the raw bundle does not have.
    """
    kind = predictor_class(settings.predictor)
    if kind.uses_annotation and not features.genes.shape[1]:
        raise SettingsError(
            f"predictor: {settings.predictor} needs gene annotation, and the raw bundle has none; add "
            "gene_ontology*.csv, *.gmt or *.gaf to it (docs/howto/raw_bundle.md), or set predictor: "
            "response_gp in params.yaml"
        )
    sources = sources_of(atlas, target, settings.pretrain.leave_out)
    if kind.uses_cell_lines:
        described = np.flatnonzero(np.isfinite(features.cell_lines).all(axis=1))
        require_described([target, *sources.measured_lines()], {atlas.cell_lines[line] for line in described})
    library = np.unique(atlas.of(target).drug) if library is None else library
    return Task(target, sources, features, settings.curate.threshold, settings.decision, device, library)


def require_described(cell_lines: Iterable[str], described: Collection[str]) -> None:
    """Check that the untreated expression of `cell_lines` is among that of the `described` lines.

    Raises
    ------
    SettingsError
        Naming those that are not.
    """
    missing = [line for line in cell_lines if line not in described]
    if missing:
        raise SettingsError(
            f"atlas: the untreated expression of {shortlist(missing)} is not known; add it again with "
            "'anchordrug atlas add --expression', or to the raw bundle (basal_expression*.csv), or set "
            "predictor: response_gp in params.yaml, which does not need it"
        )


def learn(
    settings: Settings, task: Task, folder: Path, training_data: Mapping[str, str], work: Work
) -> State:
    """Pre-train the predictor that the settings name, and write its state to `folder`.

    Parameters
    ----------
    training_data
        SHA-256 of the tables that it learns from, by name, for the card.

    Raises
    ------
    AnchorDrugError
        As `Predictor.pretrain`.
    """
    task = task.of_measured_drugs()
    params = params_of(settings)
    state = predictor_class(settings.predictor).pretrain(task, params, work)
    card = {
        "predictor": settings.predictor,
        "target": task.target,
        "source_cell_lines": task.sources.measured_lines(),
        "experiments": len(task.sources.drug),
        "threshold": task.threshold,
        "training": params.pretrain.model_dump(mode="json"),
        "training_data": training_data,
    }
    state.save(folder, card)
    return state


def load_predictor(settings: Settings, task: Task, folder: Path) -> Predictor:
    """Return the predictor of `task`, ready to be fitted, from the `folder` that pretrain wrote.

    In scenario `common` it may be that of another target, with which this one shares its source lines.

    Raises
    ------
    RawDataError
        Pretrain has not run, or a file is damaged.
    SettingsError
        It ran with another predictor.
    """
    card = require_file(folder / CARD, "run 'anchordrug pretrain' first (dvc repro runs every stage)")
    found = read_json(card).get("predictor")
    if found != settings.predictor:
        raise SettingsError(
            f"{folder}: holds predictor '{found}', the settings ask for '{settings.predictor}'; "
            "run the earlier stages again (dvc repro)"
        )
    params = params_of(settings)
    kind = predictor_class(settings.predictor)
    return kind.ready(task, params, kind.load_state(folder, params))
