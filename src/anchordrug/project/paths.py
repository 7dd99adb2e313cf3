"""Where stages keep their files, relative to the project's folder; dvc.yaml names the same paths."""

from pathlib import Path

from anchordrug.files.atomic import require_file

CURATED = Path("tables/curated")
FEATURES = Path("tables/features")
SPLITS = Path("tables/splits/splits.csv")
SELECTIONS = Path("tables/selections")
PRETRAINED = Path("models/pretrained")
FINETUNED = Path("models/finetuned")
ONNX = Path("models/onnx")
METRICS = Path("metrics")
ROUNDS = METRICS / "rounds"
SCORES = METRICS / "scores"
RELIABILITY = METRICS / "reliability"
RISK_COVERAGE = METRICS / "risk_coverage"
TEST_DRUGS = METRICS / "test_drugs"
TEST_GENES = METRICS / "test_genes"
COMPARED = METRICS / "compared"
FIGURES = METRICS / "figures"
CHECKPOINTS = Path(".anchordrug")

RESPONSES = CURATED / "responses.parquet"
DRUGS = CURATED / "drugs.parquet"
GENES = CURATED / "genes.parquet"
CELL_LINES = CURATED / "cell_lines.csv"
FUNNEL = CURATED / "funnel.csv"
REJECTS = CURATED / "rejects.csv"
DRUG_FEATURES = FEATURES / "drugs.parquet"
GENE_FEATURES = FEATURES / "genes.parquet"
CELL_FEATURES = FEATURES / "cell_lines.parquet"

WHOLE_POOL = "whole-pool"


_WRITERS = {
    CURATED: "curate",
    FEATURES: "featurize",
    SPLITS.parent: "split",
    PRETRAINED: "pretrain",
    SELECTIONS: "select",
    ROUNDS: "select",
    SCORES: "evaluate",
    RELIABILITY: "evaluate",
    RISK_COVERAGE: "evaluate",
    TEST_DRUGS: "evaluate",
    TEST_GENES: "evaluate",
    COMPARED: "compare",
    METRICS: "summarise",
    FINETUNED: "finetune",
}


def require(path: Path) -> Path:
    """Return `path`, a file that a stage wrote.

    Raises
    ------
    RawDataError
        It does not exist; the message names the stage to run.
    """
    stage = next(name for folder, name in _WRITERS.items() if path.is_relative_to(folder))
    return require_file(path, f"run 'anchordrug {stage}' first (dvc repro runs every stage)")


def run_name(target: str, seed: int) -> str:
    """Return the name of one campaign's files."""
    return f"{target}-{seed}"


def budget_name(budget: int) -> str:
    """Return the folder name of the predictor fitted to `budget` anchors."""
    return f"drugs-{budget}"
