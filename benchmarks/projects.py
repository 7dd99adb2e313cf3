"""Projects of the benchmarks: written with settings of their own, taken through commands, and loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import hidden_drugs, split_drugs
from anchordrug.cli import app
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.files.yaml_values import read_yaml
from anchordrug.prediction.export import AtlasDrugs, Fingerprint, export
from anchordrug.predictors.base import Fitted, Predictor, Say, Task, Work
from anchordrug.predictors.loading import load_predictor, task_of
from anchordrug.predictors.mlp.params import MlpParams
from anchordrug.predictors.registry import params_of, predictor_class
from anchordrug.project.project import Project
from anchordrug.settings import Settings, checked, read_settings

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Loaded:
    """A project with its atlas and features."""

    project: Project
    atlas: ResponseAtlas
    features: FeatureBlocks

    def task(self, target: str) -> Task:
        """Return the task of learning `target` from its source lines."""
        return task_of(self.project.settings, self.atlas, self.features, target)

    def predictor(self, task: Task) -> Predictor:
        """Return the predictor of `task` that was pre-trained in the project."""
        return load_predictor(self.project.settings, task, self.project.pretrained(task.target))

    def split(self, target: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a fifth of the target's drugs, chosen at random, and the pool: int64 drug rows."""
        pool = self.project.settings.split.pool
        return split_drugs(self.atlas, target, by="random", test_fraction=0.2, pool=pool, seed=seed)

    def learned(self, task: Task, say: Say) -> Predictor:
        """Pre-train the project's predictor for `task`, in memory."""
        params, kind = params_of(self.project.settings), predictor_class(self.project.settings.predictor)
        return kind.ready(task, params, kind.pretrain(task.of_measured_drugs(), params, Work(say)))

    def hiding(self, target: str, seed: int) -> "Loaded":
        """Return the project with 40% of the target's drugs, chosen at random, hidden from all source lines.

        With the same seed, test drugs and pool drugs are hidden alike.
        """
        hidden = hidden_drugs(self.atlas, target, seed)
        own = self.atlas.cell_line == self.atlas.cell_lines.index(target)
        return replace(self, atlas=self.atlas.restricted_to(own | ~np.isin(self.atlas.drug, hidden)))


def opened(folder: Path) -> Project:
    """Return the project in `folder`."""
    return Project(folder, read_settings(folder / "params.yaml"))


@cache
def loaded(folder: Path) -> Loaded:
    """Return the project in `folder` with its tables, which a process loads once."""
    project = opened(folder)
    atlas = project.atlas()
    return Loaded(project, atlas, project.features(atlas))


def written(folder: Path, base: Path, changes: Mapping[str, object]) -> Project:
    """Write params.yaml into `folder`, and return the project.

    Parameters
    ----------
    base
        A params.yaml.
    changes
        Values that differ from those of `base`, by their keys ("select.budget").
    """
    values = read_yaml(base)
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = values
        for above in sections:
            section = section[above]
        section[name] = value
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return opened(folder)


def prepared(work: Path, raw: Path, name: str, base: Path, changes: Mapping[str, object]) -> Project:
    """Write project `name` in `work` as `written` does, and return it curated and featurized.

    All projects of a work folder share their tables, so they must not differ in curate and featurize.
    """
    folder = work / name
    (work / "tables").mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    bundle = work / "bundle.txt"
    if bundle.exists() and bundle.read_text(encoding="utf-8") != str(raw):
        raise SystemExit(
            f"{work}: holds the tables of {bundle.read_text()}; give another --work, or delete it"
        )
    bundle.write_text(str(raw), encoding="utf-8")
    if not (folder / "tables").exists():
        (folder / "tables").symlink_to("../tables", target_is_directory=True)
    project = written(folder, base, {"raw.dir": str(raw), **changes})
    if not project.responses.exists():
        command(project, "curate")
        command(project, "grow")
    if not project.drug_features.exists():
        command(project, "featurize")
    return project


def exported(path: Path, fitted: Fitted, task: Task, anchors: np.ndarray, predictor: str) -> None:
    """Write a fitted predictor as ONNX, with a card that tells no more than it has to."""
    atlas = task.sources
    unknown = [None] * len(atlas.genes)
    drugs = AtlasDrugs.of(atlas, task.features.drugs, task.sources, anchors)
    card = {
        "target": task.target,
        "threshold": task.threshold,
        "predictor": predictor,
        "fingerprint": Fingerprint(2, drugs.bits.shape[1]).card(),
        "source_cell_lines": task.sources.measured_lines(),
        "gene_ids": {"ensembl": unknown, "entrez": unknown},
        **{"anchors": [], "strategy": None, "seed": 0, "training_data": {}, "metrics": {}},
        **{"concentration_um": [], "time_h": [], "assays": []},
        **{"sources": [], "packages": {}, "evidence_groups": {}},
    }
    export(fitted, path, card, atlas.genes, drugs)


def network_settings(settings: Settings) -> MlpParams:
    """Return the settings of the paper's network, whatever predictor is chosen."""
    return checked(settings.predictors["mlp"], MlpParams, "params.yaml", "predictors.mlp")


def command(project: Project, *words: object) -> None:
    """Run a command of `anchordrug` for the project, in this process."""
    if app(["--project", str(project.root), *map(str, words)], standalone_mode=False):
        raise SystemExit(f"anchordrug {' '.join(map(str, words))}: failed")
