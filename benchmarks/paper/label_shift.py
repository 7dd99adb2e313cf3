"""How many genes a network calls changed, against how many are: what the final fit does to each strategy.

    python label_shift.py per_target

Fits the smallest budget's anchors of some strategies once more, with natural and balanced labels, and writes
results/SCENARIO/label_shift.csv: the share of changed genes (down or up) that is measured in the pool, in the
anchors and in the test drugs, and the share predicted for the test drugs; means over seeds.
"""

import argparse

import numpy as np
import pandas as pd
from analyse import HERE, load_cells
from play import data, group_of

from anchordrug.atlas.tables import positions
from anchordrug.files.tables import write_table
from anchordrug.labels import NONE, labels_of

SHOWN = ["random", "bald", "least_confidence", "margin"]


def main() -> None:
    """Write the table of one scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", help="a folder whose campaigns are done")
    scenario = parser.parse_args().scenario
    project, atlas, _ = data(scenario)
    settings = project.settings
    budget = min(settings.select.budget)

    def changed(labels: np.ndarray) -> float:
        return float((labels != NONE).mean())

    rows = []
    for cell in load_cells(scenario, SHOWN, settings.targets):
        targets = tuple(cell["targets"])
        group = group_of(scenario, targets)
        anchors = positions(cell["anchors"][:budget], atlas.drugs["drug_id"])
        for fit, final in (("natural", False), ("balanced", True)):
            fitted = group.fit(anchors, seed=cell["seed"], final=final)
            for target, measured, test, part in zip(
                targets, group.measured, group.test, fitted.parts, strict=True
            ):
                share = {
                    name: changed(labels_of(measured.responses_of(drugs), group.threshold))
                    for name, drugs in (("pool", group.pool), ("anchors", anchors), ("test", test))
                }
                share["predicted"] = changed(part.probabilities(test).argmax(axis=2))
                rows.append({"target": target, "strategy": cell["strategy"], "fit": fit, **share})
    table = pd.DataFrame(rows).groupby(["target", "strategy", "fit"], sort=False).mean().reset_index()
    table.insert(3, "drugs", budget)
    write_table(table.round(6), HERE / "results" / scenario / "label_shift.csv")
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
