"""Stage report: the whole run on one page, metrics/report.html, and its figures as SVG files."""

import typer

from anchordrug.project.project import Project
from anchordrug.report.run import write_run


def run(project: Project) -> None:
    """Write metrics/report.html and metrics/figures/."""
    page = project.metrics / "report.html"
    write_run(project, page, project.metrics / "figures")
    typer.echo(f"{page}: {page.stat().st_size / 2**20:.1f} MiB; open it in a browser")
