"""Stage curate: raw bundle -> curated tables."""

import shutil

import typer

from anchordrug import schemas
from anchordrug.atlas.curate import Rules, curate
from anchordrug.files.tables import write_matrix, write_table
from anchordrug.project import paths
from anchordrug.raw.bundle import find_bundle
from anchordrug.settings import Settings


def run(settings: Settings) -> None:
    """Curate the raw bundle and show the funnel."""
    rules = Rules(settings.curate.dose_um, settings.curate.time_h, settings.curate.quality)
    work = paths.CHECKPOINTS / "curate"
    curated = curate(find_bundle(settings.raw.dir), rules, work)
    tables = (
        (curated.drugs, schemas.DRUGS, paths.DRUGS),
        (curated.genes, schemas.GENES, paths.GENES),
        (curated.cell_lines, schemas.CELL_LINES, paths.CELL_LINES),
        (curated.funnel, schemas.FUNNEL, paths.FUNNEL),
        (curated.rejects, schemas.REJECTS, paths.REJECTS),
    )
    for table, schema, path in tables:
        write_table(schemas.validate(table, schema, path), path)
    index = schemas.validate(curated.responses, schemas.RESPONSES, paths.RESPONSES)
    write_matrix(paths.RESPONSES, index, curated.genes["gene"].tolist(), curated.z)
    shutil.rmtree(work)
    typer.echo(curated.funnel.to_string(index=False))
    if len(curated.rejects):
        counts = curated.rejects.groupby(["kind", "reason"]).size()
        typer.echo(f"\nrejected (see {paths.REJECTS}):")
        for (kind, reason), count in counts.items():  # type: ignore[misc]
            typer.echo(f"  {count:>6} {kind}: {reason}")
