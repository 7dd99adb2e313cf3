"""The page of a whole run, and its figures."""

from pathlib import Path

import pandas as pd
import yaml

from anchordrug import __version__
from anchordrug.acquisition.registry import strategy
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.files.tables import read_table
from anchordrug.project.project import WHOLE_POOL, Project
from anchordrug.report import plots
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.line import line_panel
from anchordrug.report.page import write_page
from anchordrug.report.run_drugs import run_drugs, run_files, without_predictions
from anchordrug.report.tables import Tables, load_tables, rows_of

# Names in a report of the predictors and baselines of the metrics' tables.
NAMES = {
    "all_none": "all 'none'",
    "gene_majority": "majority of the anchors, per gene",
    "consensus": "consensus of other cell lines",
    "nearest_neighbours": "nearest neighbours in structure",
    "extra_trees": "extra trees on prior, structure and cell line, with the anchors",
    "pretrained": "no anchors",
    "shuffled": "drugs shuffled (control)",
    WHOLE_POOL: "whole pool (ceiling)",
}


def write_run(project: Project, page: Path, figures_folder: Path) -> None:
    """Write the page and the folder of its figures."""
    settings, atlas = project.settings, project.atlas()
    tables = load_tables(project)
    figures, drawings = Figures(), Drawings()
    panels = [line_panel(project, atlas, tables, target, figures) for target in settings.targets]
    curve = tables.curves.groupby(["strategy", "drugs"], sort=False)["macro_f1"].mean().reset_index()
    calibration = read_table(project.require(project.metrics / "reliability.csv"))
    risk = read_table(project.require(project.metrics / "risk_coverage.csv"))
    mean = _named(rows_of(tables.headline, target="mean"))
    write_page(
        "run.html",
        page,
        version=__version__,
        settings=settings,
        parameters=yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False),
        anchors=max(settings.select.budget),
        cards=[
            _card(tables, name)
            for name in (*(["mean"] if len(settings.targets) > 1 else []), *settings.targets)
        ],
        predictors=figures.add("predictors", plots.predictors(mean)),
        headline=mean,
        data=_data(atlas),
        hashes=_hashes(project),
        funnel=read_table(project.require(project.funnel)),
        rejects=_rejects(project),
        principle=_principle(settings.select.strategy),
        curves=figures.add("learning_curve", plots.learning_curve(curve)),
        reliability=figures.add("reliability", plots.reliability(calibration)),
        risk_coverage=figures.add("risk_coverage", plots.risk_coverage(risk)),
        calibration=_calibration(tables),
        seen=_seen(tables),
        hidden=_hidden(tables),
        panels=panels,
        drugs=run_drugs(project, atlas, tables, figures, drawings),
        unpredicted=without_predictions(project),
        files=run_files(project, page),
        drawings=drawings,
    )
    figures.write(figures_folder)


def _name(predictor: str, drugs: int) -> str:
    return NAMES.get(predictor, f"{drugs} anchors")


def _named(headline: pd.DataFrame) -> pd.DataFrame:
    names = [_name(*pair) for pair in zip(headline["predictor"], headline["drugs"], strict=True)]
    return headline.assign(predictor=names).drop(columns="target")


def _card(tables: Tables, target: str) -> dict[str, object]:
    """Return the headline of one target: our score and its interval, and other scores for comparison."""
    headline = rows_of(tables.headline, target=target).set_index("predictor")[
        ["drugs", "macro_f1", "low", "high"]
    ]
    curves = tables.curves if target == "mean" else rows_of(tables.curves, target=target)
    ours = headline.loc[[tables.ours]].to_dict("records")[0]
    scores = headline["macro_f1"].to_dict()
    last = curves[curves["drugs"] == ours["drugs"]]
    played = last.groupby("strategy", sort=False)["macro_f1"].mean()
    beside = {f"{name} instead": float(score) for name, score in list(played.items())[1:]}
    beside |= {
        NAMES[name]: scores[name]
        for name in ("pretrained", "consensus", "all_none", WHOLE_POOL)
        if name in scores
    }
    title = "mean over cell lines" if target == "mean" else target
    return {"title": title, "beside": beside, **{str(name): value for name, value in ours.items()}}


def _data(atlas: ResponseAtlas) -> pd.DataFrame:
    rows = [
        ("drugs", len(atlas.drugs)),
        ("genes", len(atlas.genes)),
        ("cell lines", len(atlas.cell_lines)),
        ("responses (drug x cell line)", len(atlas.drug)),
    ]
    if atlas.experiments is not None and atlas.experiments["origin"].nunique() > 1:
        counts = atlas.experiments.value_counts(["origin", "assay"], sort=False).reset_index()
        rows += [
            (f"of these from {origin} ({assay})", count)
            for origin, assay, count in counts.itertuples(index=False)
        ]
    return pd.DataFrame(rows, columns=["item", "number"])


def _hashes(project: Project) -> pd.DataFrame:
    files = (project.responses, project.drugs, project.genes, project.cell_lines, project.splits)
    return pd.DataFrame(project.hashes(*files).items(), columns=["table", "sha256"])


def _rejects(project: Project) -> pd.DataFrame:
    rejects = read_table(project.require(project.rejects))
    table = rejects.groupby(["kind", "reason"]).size().reset_index(name="rows")
    return table.sort_values("rows", ascending=False, kind="stable")


def _principle(name: str) -> str:
    return (strategy(name).__doc__ or "").strip().splitlines()[0]


def _calibration(tables: Tables) -> pd.DataFrame:
    own = rows_of(tables.scores, predictor=tables.ours).groupby("target", sort=False)
    return own["ece"].mean().reset_index().rename(columns={"target": "cell line", "ece": "expected error"})


def _hidden(tables: Tables) -> pd.DataFrame:
    """Return the scores with hidden drugs, mean over targets and seeds."""
    means = tables.hidden.groupby(["predictor", "drugs"], sort=False).mean(numeric_only=True).reset_index()
    names = [
        NAMES.get(name, f"{drugs} anchors")
        for name, drugs in zip(means["predictor"], means["drugs"], strict=True)
    ]
    return pd.DataFrame(
        {
            "predictor": names,
            **{
                f"{score}, {group}": means[f"{column}_{group}"]
                for column, score in (("macro_f1", "macro-F1"), ("ece", "calibration error"))
                for group in ("seen", "unseen")
            },
        }
    )


def _seen(tables: Tables) -> pd.DataFrame:
    """Return the macro-F1 on test drugs that other cell lines have seen, and on those new to all."""
    first = tables.drugs[tables.drugs["predictor"] == tables.ours].drop_duplicates(["target", "drug_id"])
    rows = []
    for target, own in first.groupby("target", sort=False):
        scores = rows_of(tables.scores, target=target).groupby("predictor")
        seen, unseen = scores["macro_f1_seen"].mean(), scores["macro_f1_unseen"].mean()
        rows.append(
            {
                "cell line": target,
                "seen drugs": int(own["seen"].sum()),
                "anchors, seen": seen[tables.ours],
                "consensus, seen": seen["consensus"],
                "new drugs": int((~own["seen"]).sum()),
                "anchors, new": unseen[tables.ours],
                "consensus, new": unseen["consensus"],
            }
        )
    return pd.DataFrame(rows)
