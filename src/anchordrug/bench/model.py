"""The model of a campaign: the lessons of the source lines, and the predictors that start from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from anchordrug.acquisition.campaign import fit_seed
from anchordrug.acquisition.view import Catalogue
from anchordrug.bench import folder as files
from anchordrug.bench.measurements import Measurements
from anchordrug.bench.world import World
from anchordrug.errors import SettingsError, TableError
from anchordrug.features.blocks import unit_rows
from anchordrug.features.bundle import line_features, untreated_expression
from anchordrug.files.digests import digest_of, sha256
from anchordrug.files.tables import read_json, read_matrix, write_json, write_matrix
from anchordrug.predictors.base import Predictor, Task, Work
from anchordrug.predictors.joint import JointFitted, joined
from anchordrug.predictors.loading import learn, load_predictor, require_described, task_of
from anchordrug.predictors.registry import params_of, predictor_class
from anchordrug.predictors.response.prior import ResponsePrior
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression


@dataclass(frozen=True)
class Model:
    """The predictors learned from source lines for each target of a campaign, in the order of the targets."""

    world: World
    tasks: Sequence[Task]
    predictors: Sequence[Predictor]

    @cached_property
    def catalogue(self) -> Catalogue:
        """The facts on every drug that strategies may use."""
        return Catalogue.of(self.tasks[0], self.world.queries)

    @property
    def prior(self) -> ResponsePrior:
        """The prior response of every drug, from the source lines."""
        assert self.catalogue.prior is not None
        return self.catalogue.prior

    def fit(self, measured: Measurements, *, final: bool) -> JointFitted:
        """Fit every target to its anchors, deciding for the drugs to be predicted."""
        fits = [
            predictor.fit(drugs, z, seed=fit_seed(self.world.campaign.seed, len(drugs)), final=final)
            for predictor, drugs, z in zip(self.predictors, measured.drugs, measured.z, strict=True)
        ]
        return joined([fitted.deciding_for(self.world.queries) for fitted in fits])


def model_folder(world: World) -> Path:
    """Return the folder of a campaign's model."""
    return world.folder / files.MODEL


def load_model(world: World) -> Model:
    """Load a campaign's model; learn it first if there is none yet, and report it.

    Raises
    ------
    SettingsError
        Tables or settings are not those that the model was learned from.
    """
    learned = _is_learned(world)
    features, settings = world.features, world.settings
    if predictor_class(settings.predictor).uses_cell_lines:
        features = replace(features, cell_lines=_line_features(world, learned))
    tasks = [
        task_of(settings, world.atlas, features, target, library=world.queries)
        for target in world.campaign.targets
    ]
    if not learned:
        _learn(world, tasks[0])
    predictors = [load_predictor(settings, task, model_folder(world)) for task in tasks]
    return Model(world, tasks, predictors)


def _line_features(world: World, learned: bool) -> np.ndarray:
    """Return the unit-norm features of the atlas' lines and the targets, float32 [lines, columns].

    Embeddings are learned from the untreated expression of the bundle's lines and of the targets together,
    unless the features are with the model.
    """
    path = model_folder(world) / "cell_lines.parquet"
    lines = world.atlas.cell_lines
    if learned:
        index, _, scaled = read_matrix(path, ["cell_line"])
        if index["cell_line"].tolist() != lines:
            raise TableError(
                f"{path}: is of other cell lines; delete {model_folder(world)} to learn it again"
            )
        return scaled
    bundle = find_bundle(world.project.raw)
    table = untreated_expression(bundle, world.project.read_added_expression(), lines)
    own = world.folder / files.EXPRESSION
    if own.exists():
        given, genes, values = read_expression(own)
        if genes != table.columns.tolist():
            raise TableError(f"{own}: has other genes than the atlas; make the campaign again")
        added = pd.DataFrame(values, index=pd.Index(given), columns=table.columns)
        table = pd.concat([table[~table.index.isin(given)], added])
    missing = [target for target in world.campaign.targets if target not in table.index]
    if missing:
        raise SettingsError(
            f"{world.folder}: the untreated expression of {missing[0]} is not known; give it to 'anchordrug "
            "campaign new' with --expression, or set predictor: response_gp in params.yaml, which does not "
            "need it"
        )
    require_described(lines, table.index)
    features = line_features(table, lines, world.settings.featurize)
    scaled = unit_rows(features.values)
    write_matrix(path, pd.DataFrame({"cell_line": lines}), features.names, scaled)
    return scaled


def _key(world: World) -> str:
    """Return a name of everything that the model is learned from."""
    settings = world.settings
    project = world.project
    tables = [project.responses, project.drugs, project.added_expression]
    tables += [project.drug_features, project.gene_features]
    own = world.folder / files.EXPRESSION
    sections = (params_of(settings).pretrain, settings.pretrain, settings.featurize)
    return digest_of(
        [sha256(path) for path in tables],
        _digest_of_expression(own if own.exists() else find_bundle(project.raw).expression),
        [section.model_dump(mode="json") for section in sections],
        [settings.predictor, settings.curate.threshold, list(settings.targets)],
    )


def _digest_of_expression(path: Path | None) -> str | None:
    return None if path is None else sha256(path)


def _is_learned(world: World) -> bool:
    """Return whether the model is there; campaign.json is written last.

    Raises
    ------
    SettingsError
        It was learned from other tables or with other settings.
    """
    card = model_folder(world) / files.CARD
    if not card.exists():
        return False
    if read_json(card, "key")["key"] != _key(world):
        raise SettingsError(
            f"{model_folder(world)}: was learned from other tables or with other settings than the project "
            f"has now; restore them (git checkout, dvc checkout), or delete {model_folder(world)} to learn "
            "it again"
        )
    return True


def _learn(world: World, task: Task) -> None:
    """Learn the model from the source lines."""
    settings, project = world.settings, world.project
    lines = len(world.sources.measured_lines())
    typer.echo(f"learning from {lines} source cell lines ({settings.predictor}) ...")
    hashes = project.hashes(project.responses, project.drug_features, project.gene_features)
    key = _key(world)
    checkpoint = project.checkpoints / f"pretrain-{key}.safetensors"
    work = Work(lambda line: typer.echo(f"{task.target}: {line}"), checkpoint)
    learn(settings, task, model_folder(world), hashes, work)
    checkpoint.unlink(missing_ok=True)
    about = {"predictor": settings.predictor, "targets": world.campaign.targets}
    write_json({"key": key, **about}, model_folder(world) / files.CARD)
