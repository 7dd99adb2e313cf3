"""Stage split: test drugs and pool of every target."""

import pandas as pd
import typer

from anchordrug import schemas
from anchordrug.atlas.splits import common_pool, require_targets, split_drugs
from anchordrug.files.tables import write_table
from anchordrug.project import paths
from anchordrug.project.tables import load_atlas
from anchordrug.settings import Settings


def run(settings: Settings) -> None:
    """Split the drugs of every target."""
    atlas, split, leave_out = load_atlas(), settings.split, settings.pretrain.leave_out
    require_targets(settings.targets, atlas, leave_out)
    tests, pools = {}, {}
    for target in settings.targets:
        tests[target], pools[target] = split_drugs(
            atlas,
            target,
            by=split.by,
            test_fraction=split.test_fraction,
            seed=split.seed,
            leave_out=leave_out,
        )
    why = "in no source line"
    if settings.select.scenario == "common":
        why = "not in the pool of every target"
        pools = dict.fromkeys(pools, common_pool(pools))
    drug_ids = atlas.drugs["drug_id"].to_numpy()
    rows = []
    for target, test in tests.items():
        pool = pools[target]
        rows += [(target, drug_ids[drug], "test") for drug in test]
        rows += [(target, drug_ids[drug], "pool") for drug in pool]
        rest = len(atlas.of(target).drug) - len(test) - len(pool)
        typer.echo(f"{target}: {len(test)} test drugs, {len(pool)} pool drugs, {rest} left out ({why})")
    table = pd.DataFrame(rows, columns=["target", "drug_id", "role"])
    write_table(schemas.validate(table, schemas.SPLITS, paths.SPLITS), paths.SPLITS)
