"""Stage split: test drugs and pool of every target."""

import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.io import write_table
from anchordrug.settings import Settings
from anchordrug.splits import require_targets, split_drugs
from anchordrug.stages import paths
from anchordrug.stages.tables import load_atlas


def run(settings: Settings) -> None:
    """Split the drugs of every target."""
    atlas, split = load_atlas(), settings.split
    require_targets(settings.targets, atlas)
    drug_ids = atlas.drugs["drug_id"].to_numpy()
    rows = []
    for target in settings.targets:
        test, pool = split_drugs(
            atlas, target, by=split.by, test_fraction=split.test_fraction, seed=split.seed
        )
        rows += [(target, drug_ids[drug], "test") for drug in test]
        rows += [(target, drug_ids[drug], "pool") for drug in pool]
        unseen = len(atlas.of(target).drug) - len(test) - len(pool)
        typer.echo(
            f"{target}: {len(test)} test drugs, {len(pool)} pool drugs, {unseen} left out (in no source line)"
        )
    table = pd.DataFrame(rows, columns=["target", "drug_id", "role"])
    write_table(schemas.validate(table, schemas.SPLITS, paths.SPLITS), paths.SPLITS)
