"""Stage grow: curated tables and additions -> the tables of the atlas."""

import shutil

import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas.additions import Addition, read_additions, write_expression_table
from anchordrug.atlas.grow import grow, responses_table
from anchordrug.errors import counted
from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import write_matrix
from anchordrug.project.project import Project


def run(project: Project) -> None:
    """Write the atlas; without additions its tables are those of curation, byte for byte."""
    additions = read_additions(project.additions)
    curated, own = project.curated_tables, project.atlas_tables
    # Genes and published data are never added.
    pairs = [(curated.genes, own.genes), (curated.published, own.published)]
    if not additions:
        pairs += [
            (curated.responses, own.responses),
            (curated.drugs, own.drugs),
            (curated.cell_lines, own.cell_lines),
        ]
    for source, path in pairs:
        project.require(source)
        with atomic_path(path) as temporary:
            shutil.copyfile(source, temporary)
    if additions:
        _grow(project, additions)
    else:
        write_expression_table(pd.DataFrame(), project.added_expression)
        typer.echo(f"{project.additions}: no additions; the atlas has the raw bundle's responses alone")


def _grow(project: Project, additions: list[Addition]) -> None:
    growth = grow(project.curated_atlas(), additions)
    atlas, tables = growth.atlas, project.atlas_tables
    index = schemas.validate(responses_table(atlas), schemas.RESPONSES, tables.responses)
    write_matrix(tables.responses, index, atlas.genes, atlas.z, missing=True)
    project.write(atlas.drugs, schemas.DRUGS, tables.drugs)
    lines = pd.DataFrame({"cell_line": atlas.cell_lines})
    project.write(lines, schemas.CELL_LINES, tables.cell_lines)
    write_expression_table(growth.expression, project.added_expression)
    for addition in additions:
        count = len(addition.responses) - growth.repeated[addition.name]
        left = growth.repeated[addition.name]
        already = f"; {left} left out, measured in the atlas already" if left else ""
        typer.echo(f"{addition.name}: {counted(count, 'response')} ({addition.assay}){already}")
    typer.echo(
        f"{counted(len(atlas.drugs), 'drug')}, {counted(len(atlas.cell_lines), 'cell line')}, "
        f"{counted(len(atlas.drug), 'response')}, {counted(len(atlas.genes), 'gene')}"
    )
