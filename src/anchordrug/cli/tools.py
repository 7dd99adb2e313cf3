"""The commands next to the pipeline: simulated data, gene panels, and the doctor."""

from pathlib import Path
from typing import Annotated

import typer

from anchordrug.cli.options import PARAMS, Params, project_of, root_of
from anchordrug.cli.screen import FAILED, print_json
from anchordrug.project.turns import alone

PANEL = "Tools"
app = typer.Typer()


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug simulate --out datasets/demo --seed 0")
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same bundle.")] = 0,
) -> None:
    """Write a simulated raw bundle in the release's formats: real molecules, invented responses."""
    from anchordrug.release import simulate as simulator

    simulator.simulate(out, seed)


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: anchordrug panel --size 307 --compare $ANCHORDRUG_LINCS/gene_panel_307.txt",
)
def panel(
    size: Annotated[int, typer.Option(min=1, help="Number of genes in the panel.")] = 307,
    out: Annotated[Path, typer.Option(help="Panel file to write, one gene per line, best first.")] = Path(
        "gene_panel.txt"
    ),
    scores: Annotated[
        Path, typer.Option(help="Table of gene scores to write: .csv, .tsv or .parquet.")
    ] = Path("gene_scores.csv"),
    compare: Annotated[
        Path | None, typer.Option(help="Another panel; the genes in both are counted.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds.")] = 0,
    params: Params = None,
) -> None:
    """Rank genes by how well source lines predict them, and write the best as a panel."""
    project = project_of(params)
    from anchordrug.stages import panel as command

    with alone(project, "panel"):
        command.run(project, size, out, scores, compare, seed)


@app.command(rich_help_panel=PANEL, epilog="Example: anchordrug doctor")
def doctor(
    context: typer.Context,
    params: Params = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the environment, the machine and the project; report faults with their remedies."""
    from anchordrug.cli import doctor as command

    root = root_of()
    findings = command.examine(root, params or root / PARAMS)
    if as_json:
        print_json(context, command.as_values(findings))
    else:
        command.show(findings)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(FAILED)
