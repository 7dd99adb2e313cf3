"""A small atlas and additions to it."""

import numpy as np
import pandas as pd

from anchordrug.atlas.additions import Addition
from anchordrug.atlas.responses import ResponseAtlas

GENES = ["JUN", "MYC", "FOS"]
KEYS = {name: f"{name * 14}-{name * 10}-N" for name in "ABCDEFG"}


def drugs_of(ids):
    """A drug table; `ids` maps drug_id to the letter of its compound."""
    return pd.DataFrame(
        {
            "drug_id": list(ids),
            "inchikey": [KEYS[letter] for letter in ids.values()],
            "smiles": ["C" * (1 + "ABCDEFG".index(letter)) for letter in ids.values()],
            "name": None,
            "moa": None,
            "other_ids": None,
        }
    )


def curated_atlas():
    """Drugs D2 (A, also known as D7) and D4 (B) in two lines, but D4 in L2 alone."""
    drugs = drugs_of({"D2": "A", "D4": "B"})
    drugs.loc[0, "other_ids"] = "D7"
    experiments = pd.DataFrame(
        {"replicates": [3, 1, 2], "assay": "L1000", "dose_um": 10.0, "time_h": 24.0, "origin": "release"}
    )
    z = np.arange(9, dtype=np.float32).reshape(3, 3)
    table = pd.DataFrame({"gene": GENES, "gene_id": None, "ensembl_id": None})
    drug, line = np.array([0, 0, 1]), np.array([0, 1, 1])
    return ResponseAtlas(z, drug, line, drugs, ["L1", "L2"], GENES, table, experiments)


def addition_of(name, ids, pairs, *, genes=GENES, expression=None, first=100.0):
    """Responses of `pairs` (drug_id, cell line): `first`, `first` + 1 and so on."""
    z = first + np.arange(len(pairs) * len(genes), dtype=np.float32).reshape(len(pairs), len(genes))
    responses = pd.DataFrame(pairs, columns=["drug_id", "cell_line"]).assign(replicates=2)
    described = pd.DataFrame() if expression is None else expression
    return Addition(
        name, "RNA counts", 1.0, 6.0, "z.csv", responses, list(genes), z, drugs_of(ids), described
    )
