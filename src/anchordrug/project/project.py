"""A project's folder: where its files are, and its tables, read and written with their schemas."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from anchordrug import schemas
from anchordrug.atlas.additions import read_expression_table
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.splits import require_targets
from anchordrug.atlas.tables import atlas_of, positions
from anchordrug.errors import TableError
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.files.atomic import require_file
from anchordrug.files.digests import sha256
from anchordrug.files.experiments import seen_from
from anchordrug.files.tables import read_json, read_matrix, read_table, write_table
from anchordrug.settings import Settings

WHOLE_POOL = "whole-pool"
# The key of AtlasTables.published.
PUBLISHED = "published"
# The first folder that holds a file tells which stage writes it.
_WRITERS = {
    "tables/curated": "curate",
    "tables/atlas": "grow",
    "tables/features": "featurize",
    "tables/splits": "split",
    "models/pretrained": "pretrain",
    "tables/selections": "select",
    "metrics/pretrain": "pretrain",
    "metrics/rounds": "select",
    "metrics/scores": "evaluate",
    "metrics/hidden": "hidden",
    "metrics/reliability": "evaluate",
    "metrics/risk_coverage": "evaluate",
    "metrics/test_drugs": "evaluate",
    "metrics/test_genes": "evaluate",
    "metrics/compared": "compare",
    "metrics": "summarise",
    "models/finetuned": "finetune",
    "models/onnx": "export",
}


@dataclass(frozen=True)
class TargetSplit:
    """Test drugs and pool of a target, int64 rows of the drug table in the order of their InChIKeys."""

    test: np.ndarray
    pool: np.ndarray


@dataclass(frozen=True)
class AtlasTables:
    """The four tables of an atlas in a folder."""

    folder: Path

    @property
    def responses(self) -> Path:
        """Measured responses, one row per drug and cell line."""
        return self.folder / "responses.parquet"

    @property
    def drugs(self) -> Path:
        """One row per drug."""
        return self.folder / "drugs.parquet"

    @property
    def genes(self) -> Path:
        """One row per gene."""
        return self.folder / "genes.parquet"

    @property
    def cell_lines(self) -> Path:
        """One row per cell line."""
        return self.folder / "cell_lines.csv"

    @property
    def published(self) -> Path:
        """The published data of the raw bundle: name, licence, url."""
        return self.folder / "published.json"


@dataclass(frozen=True)
class Project:
    """A project: a folder with the settings of its pipeline.

    Paths are below `root`, also relative paths of the settings; dvc.yaml names the same paths.
    """

    root: Path
    settings: Settings

    @property
    def raw(self) -> Path:
        """The folder of the raw bundle."""
        return seen_from(self.root, self.settings.raw.dir)

    @property
    def curated(self) -> Path:
        """The folder of the curated tables."""
        return self.root / "tables/curated"

    @property
    def curated_tables(self) -> "AtlasTables":
        """The tables of the raw bundle's responses, before the additions."""
        return AtlasTables(self.curated)

    @property
    def atlas_tables(self) -> "AtlasTables":
        """The tables of the atlas: curated responses and additions."""
        return AtlasTables(self.root / "tables/atlas")

    @property
    def responses(self) -> Path:
        """Measured responses, one row per drug and cell line."""
        return self.atlas_tables.responses

    @property
    def drugs(self) -> Path:
        """One row per drug of the atlas."""
        return self.atlas_tables.drugs

    @property
    def genes(self) -> Path:
        """One row per gene of the atlas."""
        return self.atlas_tables.genes

    @property
    def cell_lines(self) -> Path:
        """One row per cell line of the atlas."""
        return self.atlas_tables.cell_lines

    @property
    def added_expression(self) -> Path:
        """Untreated expression from the additions, one row per gene, one column per cell line."""
        return self.root / "tables/atlas/expression.parquet"

    @property
    def additions(self) -> Path:
        """The folder of the additions to the atlas."""
        return self.root / "additions"

    @property
    def funnel(self) -> Path:
        """The steps of curation with the rows that each kept and dropped."""
        return self.curated / "funnel.csv"

    @property
    def rejects(self) -> Path:
        """Signatures, drugs, genes and cell lines that could not be used, with the reason."""
        return self.curated / "rejects.csv"

    @property
    def features_folder(self) -> Path:
        """The folder of the feature blocks."""
        return self.root / "tables/features"

    @property
    def drug_features(self) -> Path:
        """Fingerprints, one row per drug."""
        return self.features_folder / "drugs.parquet"

    @property
    def gene_features(self) -> Path:
        """Annotation, one row per gene."""
        return self.features_folder / "genes.parquet"

    @property
    def cell_features(self) -> Path:
        """Embeddings, one row per cell line."""
        return self.features_folder / "cell_lines.parquet"

    @property
    def splits(self) -> Path:
        """Test drugs and pool of every target."""
        return self.root / "tables/splits/splits.csv"

    @property
    def metrics(self) -> Path:
        """The folder of scores, figures and the report."""
        return self.root / "metrics"

    @property
    def checkpoints(self) -> Path:
        """The folder of files from which a killed run resumes."""
        return self.root / ".anchordrug"

    def pretrained(self, target: str) -> Path:
        """Return the folder of the lessons of a target's source lines."""
        return self.root / "models/pretrained" / target

    def selection(self, target: str, seed: int) -> Path:
        """Return the file of a campaign's anchors."""
        return self.root / "tables/selections" / f"{run_name(target, seed)}.csv"

    def finetuned(self, target: str, seed: int, name: str) -> Path:
        """Return the folder of a fitted predictor: `budget_name` or `WHOLE_POOL`."""
        return self.root / "models/finetuned" / run_name(target, seed) / name

    def onnx(self, target: str) -> Path:
        """Return the exported predictor of a target."""
        return self.root / "models/onnx" / f"{target}.onnx"

    def predictions(self, target: str) -> Path:
        """Return the table of predictions of the library by the exported predictor of a target."""
        return self.root / "tables/predictions" / f"{target}.parquet"

    def campaign_metrics(self, kind: str, target: str, seed: int) -> Path:
        """Return one campaign's table of a kind, such as "scores" or "rounds"."""
        return self.metrics / kind / f"{run_name(target, seed)}.csv"

    def relative(self, path: Path) -> str:
        """Return the name of a file below the project's folder, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def hashes(self, *paths: Path) -> dict[str, str]:
        """Return the SHA-256 of files by their names below the project's folder."""
        return {self.relative(path): sha256(self.require(path)) for path in paths}

    def require(self, path: Path) -> Path:
        """Return `path`, a file that a stage wrote.

        Raises
        ------
        RawDataError
            It does not exist; the message names the stage to run.
        """
        return require_file(path, f"run 'anchordrug {self._writer(path)}' first (dvc repro runs every stage)")

    def _writer(self, path: Path) -> str:
        """Return the stage that writes `path`."""
        below = path.relative_to(self.root)
        return next(stage for folder, stage in _WRITERS.items() if below.is_relative_to(folder))

    def read(self, path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
        """Read a table that a stage wrote, checked.

        Raises
        ------
        RawDataError
            It does not exist or cannot be parsed.
        TableError
            It breaks its schema.
        """
        table = read_table(self.require(path), schemas.text_columns(schema))
        return schemas.validate(table, schema, path)

    def read_campaigns(self, kind: str, schema: pa.DataFrameSchema) -> pd.DataFrame:
        """Read the tables of a kind of all targets and seeds, one after the other; errors as `read`."""
        parts = [
            self.read(self.campaign_metrics(kind, target, seed), schema)
            for target in self.settings.targets
            for seed in self.settings.seeds
        ]
        return pd.concat(parts, ignore_index=True)

    def write(
        self, table: pd.DataFrame, schema: pa.DataFrameSchema, path: Path, digits: int | None = None
    ) -> None:
        """Check a table and write it; `digits` rounds its numbers after the check.

        Raises
        ------
        TableError
            It breaks its schema.
        """
        checked = schemas.validate(table, schema, path)
        write_table(checked if digits is None else checked.round(digits), path)

    def atlas(self) -> ResponseAtlas:
        """Load the atlas: the curated responses and the additions.

        Raises
        ------
        TableError
            A table breaks its schema, or a response names an unknown drug, cell line or gene.
        """
        return self._load_atlas(self.atlas_tables)

    def curated_atlas(self) -> ResponseAtlas:
        """Load the curated tables alone as an atlas; errors as `atlas`."""
        return self._load_atlas(self.curated_tables)

    def _load_atlas(self, tables: "AtlasTables") -> ResponseAtlas:
        path = tables.responses
        drugs = self.read(tables.drugs, schemas.DRUGS)
        genes = self.read(tables.genes, schemas.GENES)
        lines = self.read(tables.cell_lines, schemas.CELL_LINES)
        columns_of_index = list(schemas.RESPONSES.columns)
        index, columns, z = read_matrix(self.require(path), columns_of_index, missing=True)
        responses = schemas.validate(index, schemas.RESPONSES, path)
        schemas.require_known(responses["drug_id"], drugs["drug_id"].tolist(), path, tables.drugs)
        schemas.require_known(responses["cell_line"], lines["cell_line"].tolist(), path, tables.cell_lines)
        if columns != genes["gene"].tolist():
            raise TableError(
                f"{path}: its gene columns are not those of {tables.genes}; run {self._writer(path)} again"
            )
        atlas = atlas_of(responses, z.astype(np.float32), drugs, genes, lines)
        # Tables of former versions do not have it.
        known = read_json(tables.published, PUBLISHED)[PUBLISHED] if tables.published.is_file() else []
        return replace(atlas, published=known)

    def read_added_expression(self) -> pd.DataFrame:
        """Load the untreated expression from the additions: log2 [cell lines x genes]; errors as `read`."""
        return read_expression_table(self.require(self.added_expression))

    def features(self, atlas: ResponseAtlas) -> FeatureBlocks:
        """Load the feature blocks in the order of `atlas`, each row scaled to unit norm.

        The row of a cell line without untreated expression is NaN.

        Raises
        ------
        TableError
            A drug, cell line or gene of the atlas has no features.
        """
        return FeatureBlocks(
            self._block(self.drug_features, "drug_id", atlas.drugs["drug_id"].tolist()),
            self._block(self.cell_features, "cell_line", atlas.cell_lines, missing=True),
            self._block(self.gene_features, "gene", atlas.genes),
        )

    def _block(self, path: Path, key: str, names: list[str], *, missing: bool = False) -> np.ndarray:
        index, _, matrix = read_matrix(self.require(path), [key], missing=missing)
        if index[key].tolist() != names:
            raise TableError(f"{path}: its rows are not those of the atlas; run featurize again")
        return unit_rows(matrix)

    def split(self, atlas: ResponseAtlas, target: str) -> TargetSplit:
        """Load the split of `target`.

        Raises
        ------
        SettingsError
            The target has no responses.
        TableError
            The table breaks its schema, names an unknown drug, or lacks the target.
        """
        require_targets((target,), atlas)
        table = self.read(self.splits, schemas.SPLITS)
        schemas.require_known(table["drug_id"], atlas.drugs["drug_id"].tolist(), self.splits, self.drugs)
        own = table[table["target"] == target]
        if own.empty:
            raise TableError(f"{self.splits}: no row for target '{target}'; run split again")
        row = positions(own["drug_id"], atlas.drugs["drug_id"])
        return TargetSplit(row[own["role"] == "test"], row[own["role"] == "pool"])

    def anchors(self, atlas: ResponseAtlas, target: str, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        """Load a campaign's anchors: the table in order of choice, and their rows of the drug table."""
        path = self.selection(target, seed)
        table = self.read(path, schemas.SELECTIONS).sort_values("rank")
        schemas.require_known(table["drug_id"], atlas.drugs["drug_id"].tolist(), path, self.drugs)
        return table, positions(table["drug_id"], atlas.drugs["drug_id"])


def run_name(target: str, seed: int) -> str:
    """Return the name of one campaign's files."""
    return f"{target}-{seed}"


def budget_name(budget: int) -> str:
    """Return the folder name of the predictor fitted to `budget` anchors."""
    return f"drugs-{budget}"
