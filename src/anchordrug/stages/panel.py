"""Command panel: which genes to predict, by how well source lines predict them."""

import shutil
from dataclasses import replace
from pathlib import Path

import typer

from anchordrug import schemas
from anchordrug.atlas.curate import Rules, curate
from anchordrug.atlas.tables import atlas_of
from anchordrug.errors import counted
from anchordrug.features.builder import drug_bits
from anchordrug.files.outputs import require_outputs
from anchordrug.files.tables import require_table_suffix, write_table
from anchordrug.predictors.response.panel import Overlap, best_genes, overlap, rank_genes
from anchordrug.predictors.response.prior import mechanism_codes, mechanisms_of
from anchordrug.project.project import Project
from anchordrug.raw.bundle import find_bundle, read_panel, write_panel
from anchordrug.raw.line_names import match_lines
from anchordrug.raw.tables import landmark_genes


def run(project: Project, size: int, out: Path, scores: Path, compare: Path | None, seed: int) -> None:
    """Rank the landmark genes (all genes where the bundle does not say which are), targets left out.

    Raises
    ------
    SettingsError
        The panel is larger than the number of genes, or there are too few source lines.
    OutputError
        `out` or `scores` is an input, or cannot be written.
    TableError
        `scores` has the suffix of no table.
    """
    settings, bundle = project.settings, find_bundle(project.raw)
    require_table_suffix(scores)
    inputs = [*project.raw.iterdir(), *([] if compare is None else [compare])]
    require_outputs([("--out", out), ("--scores", scores)], inputs)
    other = read_panel(compare) if compare else []
    work = project.checkpoints / "panel"
    work.mkdir(parents=True, exist_ok=True)
    rules = Rules(settings.curate.dose_um, settings.curate.time_h, settings.curate.quality)
    landmarks = landmark_genes(bundle.geneinfo)
    panel = write_panel(landmarks, work / "landmarks.txt") if landmarks else None
    curated = curate(replace(bundle, panel=panel), rules, work)
    atlas = atlas_of(curated.responses, curated.z, curated.drugs, curated.genes, curated.cell_lines)
    ranking = rank_genes(
        atlas.without(match_lines(atlas.cell_lines, settings.targets).found),
        drug_bits(atlas.drugs["smiles"], settings.featurize.drug),
        mechanism_codes(mechanisms_of(atlas.drugs)),
        settings.curate.threshold,
        seed,
    )
    best = best_genes(ranking, size)
    write_table(schemas.validate(ranking, schemas.GENE_SCORES, scores), scores)
    write_panel(best, out)
    shutil.rmtree(work)
    typer.echo(
        f"{size} of {counted(len(ranking), 'gene')}, scores {ranking['score'].iloc[size - 1]:.3f} to "
        f"{ranking['score'].iloc[0]:.3f}, all genes {ranking['score'].mean():.3f} in the mean "
        f"({counted(int(ranking['cell_lines'].iloc[0]), 'cell line')})"
    )
    if compare:
        typer.echo(_overlap_in_words(overlap(ranking, size, other), len(other), compare))


def _overlap_in_words(found: Overlap, genes: int, compare: Path) -> str:
    if not found.ranked:
        return f"none of the {counted(genes, 'gene')} of {compare} could be ranked"
    return (
        f"shared with {compare}: {counted(found.shared, 'gene')}, {found.by_chance:.0f} expected by chance "
        f"({found.ranked} of its {counted(genes, 'gene')} could be ranked, with a median rank of "
        f"{found.median_rank:.0f})"
    )
