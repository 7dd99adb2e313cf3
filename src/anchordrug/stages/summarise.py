"""Stage summarise: the scores of all campaigns as the few figures that dvc shows and plots."""

import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.errors import counted
from anchordrug.evaluation.summary import (
    headline,
    key_figures,
    learning_curves,
    mean_reliability,
    mean_risk,
    spread_of,
    summary,
)
from anchordrug.files.tables import read_table, write_json, write_table
from anchordrug.project.project import Project


def run(project: Project) -> None:
    """Write the key figures, summary.json and the tables that dvc plots into metrics/."""
    settings, metrics = project.settings, project.metrics
    scores = project.read_campaigns("scores", schemas.SCORES)
    curves = project.read_campaigns("rounds", schemas.LEARNING_CURVE)
    compared = project.read_campaigns("compared", schemas.LEARNING_CURVE)
    others = compared[compared["strategy"] != settings.select.strategy]
    spread = spread_of(scores)
    write_json(summary(spread, settings.predictor, settings.select.strategy), metrics / "summary.json")
    write_json(key_figures(scores), metrics / "key_figures.json")
    tested = headline(project.read_campaigns("test_drugs", schemas.TEST_DRUGS))
    project.write(tested, schemas.HEADLINE, metrics / "headline.csv", digits=6)
    write_table(learning_curves(pd.concat([curves, others])), metrics / "learning_curve.csv")
    diagrams = project.read_campaigns("reliability", schemas.RELIABILITY)
    write_table(mean_reliability(diagrams), metrics / "reliability.csv")
    risks = project.read_campaigns("risk_coverage", schemas.RISK_COVERAGE)
    write_table(mean_risk(risks), metrics / "risk_coverage.csv")
    losses = [
        read_table(project.require(metrics / "pretrain" / f"{target}.csv")).assign(target=target)
        for target in settings.targets
    ]
    write_table(pd.concat(losses, ignore_index=True), metrics / "pretrain_loss.csv")
    table = spread.apply(lambda row: f"{row['mean']:.3f} ± {row['std']:.3f}", axis=1).unstack("target")
    typer.echo(
        f"macro-F1, mean ± sd over {counted(len(settings.seeds), 'seed')}; "
        f"predictor {settings.predictor}, strategy {settings.select.strategy}"
    )
    typer.echo(table.loc[scores["predictor"].unique(), list(settings.targets)].to_string())
