"""Stage curate: raw bundle -> curated tables."""

import shutil

import typer

from anchordrug import schemas
from anchordrug.atlas.curate import Rules, curate
from anchordrug.files.experiments import outside_of_copies
from anchordrug.files.tables import write_json, write_matrix
from anchordrug.project.project import PUBLISHED, Project
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.published import published_in


def run(project: Project) -> None:
    """Curate the raw bundle and show the funnel."""
    settings = project.settings.curate
    warning = outside_of_copies(project.root, project.settings.raw.dir, "raw.dir")
    if warning:
        typer.echo(warning)
    rules = Rules(settings.dose_um, settings.time_h, settings.quality)
    work = project.checkpoints / "curate"
    published = published_in(project.raw)
    curated = curate(find_bundle(project.raw), rules, work)
    tables = project.curated_tables
    project.write(curated.drugs, schemas.DRUGS, tables.drugs)
    project.write(curated.genes, schemas.GENES, tables.genes)
    project.write(curated.cell_lines, schemas.CELL_LINES, tables.cell_lines)
    write_json({PUBLISHED: published}, tables.published)
    project.write(curated.funnel, schemas.FUNNEL, project.funnel)
    project.write(curated.rejects, schemas.REJECTS, project.rejects)
    index = schemas.validate(curated.responses, schemas.RESPONSES, tables.responses)
    write_matrix(tables.responses, index, curated.genes["gene"].tolist(), curated.z, missing=True)
    shutil.rmtree(work)
    typer.echo(curated.funnel.to_string(index=False))
    for note in curated.notes:
        typer.echo(note)
    if len(curated.rejects):
        counts = curated.rejects.groupby(["kind", "reason"]).size()
        typer.echo(f"\nrejected (see {project.rejects}):")
        for (kind, reason), count in counts.items():  # type: ignore[misc]
            typer.echo(f"  {count:>6} {kind}: {reason}")
