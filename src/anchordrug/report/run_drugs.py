"""The drugs of a run's exported predictors: evidence groups of the predicted library, and the files."""

import os
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.evaluation.scores import scores_by_evidence
from anchordrug.project.project import Project
from anchordrug.report.drug_panel import Measured, drug_panel, groups_table
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.predictions import Predictions, read_predictions
from anchordrug.report.tables import Tables, rows_of


def run_drugs(
    project: Project, atlas: ResponseAtlas, tables: Tables, figures: Figures, drawings: Drawings
) -> list[dict[str, object]]:
    """Return a panel for each target that has a table of predictions; `groups` has its evidence groups."""
    about = atlas.drugs.set_index("drug_id")[["smiles", "name", "moa"]]
    panels = []
    for target in project.settings.targets:
        path = project.predictions(target)
        if not path.exists():
            continue
        predictions = read_predictions(path, atlas.genes)
        measured = _measured(project, atlas, target)
        panel = drug_panel(target, predictions, measured, about, figures, drawings)
        ids = measured.drugs["drug_id"].tolist()
        panels.append(
            panel | {"groups": groups_table(predictions, ids, _tested(tables, predictions, target))}
        )
    return panels


def _measured(project: Project, atlas: ResponseAtlas, target: str) -> Measured:
    """Return the anchors of the first seed's campaign, whose predictor made the predictions."""
    selection, anchors = project.anchors(atlas, target, project.settings.seeds[0])
    drugs = atlas.drugs.iloc[anchors][["drug_id", "name", "moa", "smiles"]].reset_index(drop=True)
    drugs["round"] = selection["round"].to_numpy()
    return Measured(drugs, atlas.of(target).responses_of(anchors), project.settings.curate.threshold)


def _tested(tables: Tables, predictions: Predictions, target: str) -> pd.DataFrame:
    """Return number and macro-F1 of the test drugs of each evidence group, of the first seed."""
    tested = rows_of(tables.drugs, target=target, predictor=tables.ours)
    tested = tested[tested["seed"] == tested["seed"].iloc[0]]
    groups = tested["drug_id"].map(predictions.drugs.set_index("drug_id")["evidence"])
    found = scores_by_evidence(tested, groups.to_numpy(object))
    return pd.DataFrame(
        [(group, score["drugs"], score["macro_f1"]) for group, score in found.items()],
        columns=["group", "test drugs", "macro_f1"],
    ).set_index("group")


def run_files(project: Project, page: Path) -> list[tuple[str, str, str]]:
    """Return address, name and contents of the files of a run; addresses are relative to its page."""
    kinds = [
        (project.predictions, "every prediction: one row per drug and gene with label, probabilities and z"),
        (project.onnx, "the fitted model: predicts any other compound with anchordrug predict"),
    ]
    found = [(kind(target), told) for target in project.settings.targets for kind, told in kinds]
    found += [
        (project.metrics / "headline.csv", "the scores of every predictor, with intervals"),
        (project.metrics / "figures", "the figures of this page as SVG files"),
    ]
    return [
        (quote(os.path.relpath(path, page.parent).replace(os.sep, "/")), project.relative(path), told)
        for path, told in found
        if path.exists() or path.name == "figures"
    ]


def without_predictions(project: Project) -> list[str]:
    """Return the targets whose library was not predicted yet."""
    return [target for target in project.settings.targets if not project.predictions(target).exists()]
