"""Plate maps, true responses and counts of small simulated assays."""

import numpy as np
import pandas as pd

from anchordrug.bench.assays.simulated_counts import simulate_counts
from anchordrug.bench.plates.wells import well_name

GENES = [f"GENE{number:03d}" for number in range(300)]
DRUGS = [f"DRUG{number}" for number in range(6)]
# The atlas' genes and enough others for a trend of dispersions: a fit takes time by the gene.
COUNTED = len(GENES) + 100


def expression_of(cell_line=0):
    rng = np.random.default_rng(cell_line)
    shared = np.random.default_rng(99).normal(8, 1.5, len(GENES))
    return pd.Series(shared + rng.normal(0, 1.5, len(GENES)), index=GENES)


def plate_map_of(drug_ids=DRUGS, *, replicates=3, controls=6, plates=("P1",), seed=0, shape=(8, 12)):
    """A plate map whose wells stand at random among as many first wells, in rows, as there are contents."""
    tables = []
    for number, plate in enumerate(plates):
        contents = [("trt", drug, one + 1) for drug in drug_ids for one in range(replicates)]
        contents += [("negcon", "DMSO", one + 1) for one in range(controls)]
        table = pd.DataFrame(contents, columns=["pert_type", "drug_id", "replicate"])
        places = np.random.default_rng([seed, number]).permutation(len(table))
        wells = [well_name(*divmod(int(place), shape[1])) for place in places]
        tables.append(table.assign(plate=plate, well_position=wells, cell_line="LINE"))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(concentration=table["pert_type"].map({"trt": 10.0, "negcon": 0.0}))


def responses_of(drug_ids=DRUGS, *, size=2.0, seed=0):
    z = np.random.default_rng(seed).normal(0, size, (len(drug_ids), len(GENES)))
    return pd.DataFrame(z, index=drug_ids, columns=GENES)


def assay(z, plate_map, seed=0, **changes):
    return simulate_counts(z, plate_map, expression_of(), seed, **changes)


def counted(z, plate_map, seed=0, **changes):
    """What `assay` gives of fewer genes."""
    return assay(z, plate_map, seed, **changes).iloc[:COUNTED]


def wells_of(plate_map, drug_id):
    """The (plate, well_position) of each well of a drug."""
    rows = plate_map[plate_map["drug_id"] == drug_id]
    return list(zip(rows["plate"], rows["well_position"], strict=True))
