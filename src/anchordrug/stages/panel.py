"""Command panel: which genes to predict, by how well source lines predict them."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from rdkit import Chem

from anchordrug import schemas
from anchordrug.atlas.curate import Rules, curate
from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.atlas.tables import atlas_of
from anchordrug.chem.fingerprints import fingerprints
from anchordrug.errors import SettingsError
from anchordrug.files.atomic import atomic_path
from anchordrug.files.tables import write_table
from anchordrug.predictors.response.predictability import predictability
from anchordrug.predictors.response.prior import mechanism_codes, mechanisms_of
from anchordrug.project.project import Project
from anchordrug.raw.aliases import resolve
from anchordrug.raw.bundle import RawBundle, find_bundle, read_panel
from anchordrug.raw.tables import read_genes
from anchordrug.settings import Settings

FOLDS = 5


def run(project: Project, size: int, out: Path, scores: Path, compare: Path | None, seed: int) -> None:
    """Rank the landmark genes (all genes where the bundle does not say which are), targets left out.

    Raises
    ------
    SettingsError
        The panel is larger than the number of genes, or there are too few source lines.
    """
    settings, bundle = project.settings, find_bundle(project.raw)
    other = read_panel(compare) if compare else []
    work = project.checkpoints / "panel"
    work.mkdir(parents=True, exist_ok=True)
    rules = Rules(settings.curate.dose_um, settings.curate.time_h, settings.curate.quality)
    curated = curate(replace(bundle, panel=_landmarks(bundle, work / "landmarks.txt")), rules, work)
    atlas = atlas_of(curated.responses, curated.z, curated.drugs, curated.genes, curated.cell_lines)
    table = _scored(settings, atlas, seed)
    if size > len(table):
        raise SettingsError(f"--size {size}: only {len(table)} genes can be ranked; ask for fewer")
    write_table(schemas.validate(table, schemas.GENE_SCORES, scores), scores)
    with atomic_path(out) as temporary:
        temporary.write_text("".join(f"{gene}\n" for gene in table["gene"][:size]), encoding="utf-8")
    shutil.rmtree(work)
    typer.echo(
        f"{size} of {len(table)} genes, scores {table['score'].iloc[size - 1]:.3f} to "
        f"{table['score'].iloc[0]:.3f}, all genes {table['score'].mean():.3f} in the mean "
        f"({table['cell_lines'].iloc[0]} cell lines)"
    )
    if compare:
        _say_overlap(table, size, other, compare)


def _landmarks(bundle: RawBundle, path: Path) -> Path | None:
    """Write the measured (landmark) genes as a panel; None where the bundle does not tell them apart."""
    genes = read_genes(bundle.geneinfo)
    if "feature_space" not in genes:
        return None
    landmarks = genes.loc[genes["feature_space"] == "landmark", "gene"].dropna()
    if landmarks.empty:
        return None
    path.write_text("".join(f"{gene}\n" for gene in landmarks), encoding="utf-8")
    return path


def _scored(settings: Settings, atlas: ResponseAtlas, seed: int) -> pd.DataFrame:
    """Return a row per gene, best first, in schema GENE_SCORES."""
    sources = atlas.without([one for one in settings.targets if one in atlas.cell_lines])
    molecules = [Chem.MolFromSmiles(smiles) for smiles in atlas.drugs["smiles"]]
    drug = settings.featurize.drug
    try:
        found = predictability(
            sources,
            fingerprints(molecules, drug.radius, drug.bits),
            mechanism_codes(mechanisms_of(atlas.drugs)),
            settings.curate.threshold,
            folds=FOLDS,
            seed=seed,
        )
    except ValueError as error:
        raise SettingsError(f"{settings.raw.dir}: {error}; the panel needs two cell lines or more") from error
    changed = np.mean(np.abs(sources.z) > settings.curate.threshold, axis=0)
    table = pd.DataFrame(
        {
            "gene": atlas.genes,
            "score": found.scores.mean(axis=0),
            "spread": found.scores.std(axis=0),
            "changed": changed,
            "cell_lines": len(found.lines),
        }
    )
    return table.sort_values(["score", "gene"], ascending=[False, True], ignore_index=True)


def _say_overlap(table: pd.DataFrame, size: int, other: list[str], compare: Path) -> None:
    known = set(resolve(other, table["gene"].tolist()).values())
    both = table["gene"][:size].isin(known).sum()
    expected = size * len(known) / len(table)
    rank = table.index[table["gene"].isin(known)].to_numpy()
    typer.echo(
        f"{both} of them are in {compare} ({len(known)} of its {len(other)} genes could be ranked; by chance "
        f"{expected:.0f} would be); the median rank of its genes is {np.median(rank) + 1:.0f}"
        if len(known)
        else f"none of the {len(other)} genes of {compare} could be ranked"
    )
