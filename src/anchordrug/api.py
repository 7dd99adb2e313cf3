"""The library for notebooks and scripts: learn a target, choose drugs, fit, predict, export."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anchordrug.acquisition.campaign import choose, fit_seed, round_seed
from anchordrug.acquisition.registry import strategies
from anchordrug.acquisition.registry import strategy as strategy_called
from anchordrug.acquisition.view import Catalogue, PoolView
from anchordrug.atlas.curate import Rules, curate
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import require_targets
from anchordrug.atlas.tables import atlas_of
from anchordrug.cores import core_count
from anchordrug.errors import TableError, near, shortlist
from anchordrug.features.blocks import FeatureBlocks
from anchordrug.features.bundle import blocks_of
from anchordrug.files.checksums import sum_of, write_with_sum
from anchordrug.files.outputs import require_outputs
from anchordrug.labels import LARGEST_Z
from anchordrug.prediction.export import AtlasDrugs, Fingerprint, model_bytes
from anchordrug.prediction.frames import predict, predict_anndata
from anchordrug.prediction.inference import OnnxPredictor, opened
from anchordrug.prediction.provenance import evidence_entry, provenance
from anchordrug.predictors.base import Fitted, Predictor, Say, Task, Work
from anchordrug.predictors.expectations import expected_groups
from anchordrug.predictors.loading import load_predictor, task_of
from anchordrug.predictors.registry import check_predictors, params_of, predictor_class, predictors
from anchordrug.project.project import Project
from anchordrug.project.turns import reading_atlas
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.published import published_in
from anchordrug.settings import Settings, read_settings

if TYPE_CHECKING:
    from anndata import AnnData

# With fewer genes the anchors say too little.
FEWEST_GENES = 20
DRUG_COLUMNS = ["drug_id", "name", "smiles", "inchikey", "moa"]


@dataclass(frozen=True)
class Reference:
    """Responses measured so far, with features and settings: the data from which targets are learned.

    Attributes
    ----------
    settings
        Those of a params.yaml.
    atlas
        The measured responses, and the tables of drugs, cell lines and genes.
    features
        Feature blocks in the order of these tables.
    project
        The project that the data belong to, or None.
    """

    settings: Settings
    atlas: ResponseAtlas
    features: FeatureBlocks
    project: Project | None = None

    def learn(self, target: str, *, predictor: str | None = None, say: Say = print) -> "TargetModel":
        """Learn from all other cell lines about `target`.

        In a project whose pretrain stage has run for this target and predictor, its files are read instead.

        Parameters
        ----------
        target
            A cell line of the atlas.
        predictor
            Name of a registered predictor; default: that of the settings.
        say
            Called with every line of progress.

        Raises
        ------
        SettingsError
            The target has no response, no other line is left to learn from, or there is no such predictor.
        """
        settings = self.settings
        if predictor is not None:
            settings = settings.model_copy(update={"predictor": predictor})
        params = params_of(settings)
        require_targets((target,), self.atlas, settings.pretrain.leave_out)
        task = task_of(settings, self.atlas, self.features, target)
        if self.project is not None and self._is_pretrained(target, predictor):
            return TargetModel(
                self, settings, task, load_predictor(settings, task, self.project.pretrained(target))
            )
        kind = predictor_class(settings.predictor)
        state = kind.pretrain(task.of_measured_drugs(), params, Work(say))
        return TargetModel(self, settings, task, kind.ready(task, params, state))

    def _is_pretrained(self, target: str, predictor: str | None) -> bool:
        assert self.project is not None
        own = predictor is None or predictor == self.settings.predictor
        return own and (self.project.pretrained(target) / "model.json").is_file()


@dataclass(frozen=True)
class TargetModel:
    """A predictor of one target before any anchor is fitted.

    Attributes
    ----------
    reference
        The data it was learned from.
    settings
        Its settings; the predictor may differ from the reference's.
    task, predictor
        The data on the target, and the predictor that is ready to be fitted.
    """

    reference: Reference
    settings: Settings
    task: Task
    predictor: Predictor

    @property
    def target(self) -> str:
        """Name of the cell line."""
        return self.task.target

    @property
    def genes(self) -> list[str]:
        """Symbols of the genes that are predicted."""
        return self.reference.atlas.genes

    def measured(self) -> pd.DataFrame:
        """Return the atlas' responses of the target: z-scores, one row per drug_id, one column per gene."""
        atlas = self.reference.atlas.of(self.target)
        index = pd.Index(atlas.drugs["drug_id"].to_numpy()[atlas.drug], name="drug_id")
        return pd.DataFrame(atlas.z, index=index, columns=pd.Index(atlas.genes))

    @cached_property
    def _nothing(self) -> Fitted:
        return self.predictor.fit(np.zeros(0, np.int64), np.zeros((0, len(self.genes)), np.float32), seed=0)

    def choose(
        self,
        count: int,
        *,
        among: Iterable[str] | None = None,
        measured: pd.DataFrame | None = None,
        strategy: str | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return the drugs to measure next, best first: rank, columns of the atlas, score, reason.

        Parameters
        ----------
        count
            How many drugs.
        among
            drug_ids that may be chosen; default: all drugs of the atlas.
        measured
            z-scores of the anchors so far, as `fit` takes them; they are not chosen again.
        strategy
            Name of a registered strategy; default: that of the settings.

        Raises
        ------
        SettingsError
            There is no such strategy, or fewer drugs are left than `count`.
        TableError
            A drug or gene is not in the atlas.
        """
        atlas = self.reference.atlas
        free = atlas.drugs["drug_id"] if among is None else list(dict.fromkeys(among))
        pool = self._rows(free, "among")
        pool = pool[np.argsort(atlas.drugs["inchikey"].to_numpy()[pool], kind="stable")]
        fitted, anchors = self._nothing, np.zeros(0, np.int64)
        if measured is not None:
            anchors, z = self._anchors(measured)
            fitted = self.predictor.fit(anchors, z, seed=fit_seed(seed, len(anchors)))
        name = strategy or self.settings.select.strategy
        view = PoolView(fitted, pool[~np.isin(pool, anchors)], anchors, Catalogue.of(self.task))
        number = len(anchors) + 1
        choice = choose(view, strategy_called(name, "strategy"), count, round_seed(seed, number))
        table = atlas.drugs[DRUG_COLUMNS].iloc[choice.drugs].reset_index(drop=True)
        table.insert(0, "rank", np.arange(1, len(table) + 1))
        return table.assign(score=choice.scores, reason=choice.reasons)

    def fit(
        self, measured: pd.DataFrame, *, queries: Iterable[str] | None = None, seed: int = 0
    ) -> "FittedTarget":
        """Fit to measured anchors.

        Parameters
        ----------
        measured
            z-scores, one row per drug (index: drug_id), one column per gene; NaN, or no column, where a gene
            was not measured.
        queries
            drug_ids of the drugs to be predicted, for which labels are decided; default: all of the atlas.

        Raises
        ------
        TableError
            A drug is not in the atlas or occurs twice, too few genes were measured, or a value is too large.
        """
        anchors, z = self._anchors(measured)
        drugs = self.reference.atlas.drugs["drug_id"] if queries is None else list(queries)
        fitted = self.predictor.fit(anchors, z, seed=fit_seed(seed, len(anchors)), final=True)
        return FittedTarget(self, fitted.deciding_for(self._rows(drugs, "queries")), anchors, seed)

    def _rows(self, drug_ids: Sequence[str] | pd.Series, where: str) -> np.ndarray:
        names = list(drug_ids)
        known = self.reference.atlas.drugs["drug_id"].tolist()
        rows = self.reference.atlas.rows_of(names)
        if len(rows) < len(names):
            wrong = next(name for name in names if name not in set(known))
            raise TableError(
                f"{where}: drug '{wrong}' is not in the atlas{near(str(wrong), known)}; "
                "give drug_ids of the atlas"
            )
        return rows

    def _anchors(self, measured: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        if not measured.index.is_unique:
            twice = measured.index[measured.index.duplicated()][0]
            raise TableError(f"measured: drug '{twice}' occurs twice; give one row per drug")
        rows = self._rows(measured.index.tolist(), "measured")
        z = measured.reindex(columns=self.genes).to_numpy(np.float32)
        wrong = np.argwhere(np.abs(z) > LARGEST_Z)
        if len(wrong):
            drug, gene = wrong[0]
            raise TableError(
                f"measured: drug '{measured.index[drug]}', gene '{self.genes[gene]}': "
                f"{z[drug, gene]:g} is not a z-score of at most {LARGEST_Z:g}; remove the drug"
            )
        found = int(np.isfinite(z).any(axis=0).sum())
        fewest = min(FEWEST_GENES, len(self.genes))
        if len(z) and found < fewest:
            raise TableError(
                f"measured: {found} of the atlas' {len(self.genes)} genes are there, {fewest} are needed; "
                f"name columns by the symbols of the atlas ({shortlist(self.genes)})"
            )
        return rows, z


@dataclass(frozen=True)
class FittedTarget:
    """A predictor of one target fitted to anchors, int64 rows of the atlas' drug table."""

    model: TargetModel
    fitted: Fitted
    anchors: np.ndarray
    seed: int

    @cached_property
    def _file(self) -> bytes:
        model, atlas = self.model, self.model.reference.atlas
        settings, drug = model.settings, model.settings.featurize.drug
        card: Mapping[str, object] = {
            "target": model.target,
            "threshold": settings.curate.threshold,
            "predictor": settings.predictor,
            "fingerprint": Fingerprint(drug.radius, drug.bits).card(),
            "source_cell_lines": model.task.sources.measured_lines(),
            "anchors": atlas.drugs["drug_id"].iloc[self.anchors].tolist(),
            "strategy": None,
            "seed": self.seed,
            "training_data": {},
            "metrics": {},
            "evidence_groups": evidence_entry(
                {}, expected_groups(model.predictor.expectations(), len(self.anchors))
            ),
            **provenance(atlas, [model.task.sources]),
        }
        drugs = AtlasDrugs.of(atlas, model.task.features.drugs, model.task.sources, self.anchors)
        return model_bytes(self.fitted, card, atlas.genes, drugs)

    @cached_property
    def onnx(self) -> OnnxPredictor:
        """The exported predictor, in memory."""
        return opened(self._file, Path(f"{self.model.target}.onnx"), threads=core_count())

    def predict(
        self, smiles: Sequence[str] | pd.DataFrame, ids: Sequence[str] | None = None, *, coverage: float = 0.8
    ) -> pd.DataFrame:
        """Predict structures; see `anchordrug.predict`."""
        return predict(self.onnx, smiles, ids, coverage=coverage)

    def predict_anndata(
        self, smiles: Sequence[str] | pd.DataFrame, ids: Sequence[str] | None = None, *, coverage: float = 0.8
    ) -> "AnnData":
        """Predict structures; see `anchordrug.predict_anndata`."""
        return predict_anndata(self.onnx, smiles, ids, coverage=coverage)

    def write_onnx(self, path: Path | str) -> None:
        """Write the predictor as one ONNX file, whole or not at all, and its SHA-256 next to it.

        docs/onnx.md describes both.

        Raises
        ------
        OutputError
            There is a folder, a link or a device of this name, or its folder cannot be written to.
        """
        require_outputs([("path", Path(path))], [], side=[sum_of(Path(path))])
        write_with_sum(self._file, Path(path))


def open_project(root: Path | str = ".") -> Reference:
    """Open the project in the folder `root`, whose stages curate, grow and featurize have run.

    Raises
    ------
    SettingsError
        params.yaml has a wrong key or value, or a command is writing the tables.
    RawDataError
        params.yaml or a table is missing; the message names the stage to run.
    TableError
        A table breaks its schema.
    """
    path = Path(root) / "params.yaml"
    settings = read_settings(path)
    check_predictors(settings, path)
    project = Project(Path(root), settings)
    with reading_atlas(project):
        atlas = project.atlas()
        return Reference(settings, atlas, project.features(atlas), project)


def open_atlas(bundle: Path | str, params: Path | str = "params.yaml") -> Reference:
    """Curate the raw bundle in the folder `bundle` by the settings `params`, and build its features.

    Nothing is written. `raw.dir` of the settings is not used.

    Raises
    ------
    SettingsError
        The settings have a wrong key or value.
    RawDataError
        A file of the bundle is missing or damaged, or no signature is left.
    """
    path = Path(params)
    settings = read_settings(path)
    check_predictors(settings, path)
    raw = find_bundle(Path(bundle))
    rules = Rules(settings.curate.dose_um, settings.curate.time_h, settings.curate.quality)
    with TemporaryDirectory() as work:
        curated = curate(raw, rules, Path(work))
        curated = curated._replace(z=np.array(curated.z))
    atlas = atlas_of(curated.responses, curated.z, curated.drugs, curated.genes, curated.cell_lines)
    atlas = replace(atlas, published=published_in(Path(bundle)))
    annotated_as = curated.genes["annotated_as"].tolist()
    smiles = atlas.drugs["smiles"].tolist()
    features = blocks_of(raw, smiles, annotated_as, atlas.cell_lines, settings.featurize).scaled()
    return Reference(settings, atlas, features)


def list_predictors() -> list[str]:
    """Return the names of the registered predictors."""
    return predictors()


def list_strategies() -> list[str]:
    """Return the names of the registered strategies."""
    return strategies()
