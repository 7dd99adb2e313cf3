"""Stage export: the first seed's predictor of the largest budget as one ONNX file per target."""

import numpy as np
import typer

from anchordrug import schemas
from anchordrug.atlas.tables import positions
from anchordrug.chem.similarity import nearest_similarity
from anchordrug.errors import counted
from anchordrug.evaluation.scores import scores_by_evidence
from anchordrug.evidence_group import evidence_groups
from anchordrug.files.tables import read_json
from anchordrug.prediction.export import AtlasDrugs, Fingerprint, export
from anchordrug.prediction.provenance import evidence_entry, provenance
from anchordrug.predictors.base import Task
from anchordrug.predictors.expectations import expected_groups
from anchordrug.predictors.loading import CARD, load_predictor, task_of
from anchordrug.project.project import Project, budget_name

# Columns of the scores that the card repeats, in words.
METRICS = {
    "macro_f1": "macro-F1",
    "macro_f1_seen": "macro-F1, seen in a source line",
    "macro_f1_unseen": "macro-F1, unseen",
    "z_correlation": "correlation of z",
    "ece": "expected calibration error",
}


def run(project: Project, target: str) -> None:
    """Export the predictor of `target`."""
    settings, atlas = project.settings, project.atlas()
    seed, budget = settings.seeds[0], budget_name(max(settings.select.budget))
    task = task_of(settings, atlas, project.features(atlas), target)
    folder = project.finetuned(target, seed, budget)
    project.require(folder / CARD)
    predictor = load_predictor(settings, task, project.pretrained(target))
    fitted = predictor.load(folder)
    stored = read_json(folder / CARD, "anchors", "strategy", "training_data")
    anchors, own = atlas.rows_of(stored["anchors"]), atlas.of(target)
    drug = settings.featurize.drug
    card = {
        "target": target,
        "threshold": settings.curate.threshold,
        "predictor": settings.predictor,
        "fingerprint": Fingerprint(drug.radius, drug.bits).card(),
        "source_cell_lines": task.sources.measured_lines(),
        **{key: stored[key] for key in ("anchors", "strategy", "training_data")},
        "seed": seed,
        "metrics": _metrics(project, target, seed, budget),
        "evidence_groups": evidence_entry(
            _measured_groups(project, task, seed, anchors),
            expected_groups(predictor.expectations(), len(anchors)),
        ),
        **provenance(atlas, [task.sources, own.restricted_to(np.isin(own.drug, anchors))]),
    }
    drugs = AtlasDrugs.of(atlas, task.features.drugs, task.sources, anchors)
    path = project.onnx(target)
    export(fitted, path, card, atlas.genes, drugs)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {counted(len(atlas.genes), 'gene')}")


def _metrics(project: Project, target: str, seed: int, budget: str) -> dict[str, float]:
    """Return evaluate's scores on the target's test drugs, for the card."""
    scores = project.read(project.campaign_metrics("scores", target, seed), schemas.SCORES)
    (row,) = scores[scores["predictor"] == budget].to_dict("records")
    return {f"test drugs, {words}": row[name] for name, words in METRICS.items() if not np.isnan(row[name])}


def _measured_groups(
    project: Project, task: Task, seed: int, anchors: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return evaluate's scores on the target's test drugs, by evidence group, for the card."""
    path = project.campaign_metrics("test_drugs", task.target, seed)
    tested = project.read(path, schemas.TEST_DRUGS)
    tested = tested[tested["predictor"] == budget_name(len(anchors))]
    rows = positions(tested["drug_id"], task.sources.drugs["drug_id"])
    known = np.union1d(task.sources.measured_drugs(), anchors)
    similarity = nearest_similarity(task.features.drugs, rows, known)
    return scores_by_evidence(tested, evidence_groups(tested["seen"].to_numpy(), similarity))
