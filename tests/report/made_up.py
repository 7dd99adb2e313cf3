"""Made-up tables of predictions, as `anchordrug predict` lays them out."""

from pathlib import Path

import numpy as np
import pandas as pd

from anchordrug.evidence_group import GROUPS
from anchordrug.labels import LABELS

SMILES = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1", "CC(C)Cc1ccc(cc1)C(C)C(=O)O")


def made_up_predictions(drugs: int, genes: int, seed: int = 0, name: str = "drug") -> pd.DataFrame:
    """Return a long table; `name` begins the names of drugs, every fifth of which has none."""
    rng = np.random.default_rng(seed)
    ids = [f"D{place:05d}" for place in range(drugs)]
    names = [None if place % 5 == 0 else f"{name} {place}" for place in range(drugs)]
    evidence = rng.choice(GROUPS, drugs)
    of_drug = pd.DataFrame(
        {
            "target": "SIM-T1",
            "drug_id": ids,
            "name": names,
            "confidence": rng.uniform(0.3, 1, drugs).astype(np.float32),
            "strength": rng.uniform(0, genes, drugs).astype(np.float32),
            "nearest_drug": np.where(evidence == "seen", ids, rng.choice(ids, drugs)),
            "similarity": np.where(evidence == "seen", 1, rng.uniform(0, 0.9, drugs)).astype(np.float32),
            "source_lines": np.where(evidence == "seen", 3, 0),
            "evidence": evidence,
        }
    )
    table = of_drug.loc[np.repeat(np.arange(drugs), genes)].reset_index(drop=True)
    p = rng.dirichlet([1, 2, 1], len(table)).astype(np.float32)
    labels = np.array([*LABELS, "unknown"])[np.where(rng.random(len(table)) < 0.2, 3, p.argmax(axis=1))]
    table["gene"] = [f"G{place:03d}" for place in range(genes)] * drugs
    table["label"] = labels
    table[["p_down", "p_none", "p_up"]] = p
    table["z"] = (4 * (p[:, 2] - p[:, 0]) + rng.normal(0, 0.1, len(table))).astype(np.float32)
    return table


def gene_names(table: pd.DataFrame) -> list[str]:
    return table["gene"].unique().tolist()


def write_predictions(table: pd.DataFrame, path: Path, rows_a_group: int = 2**20) -> Path:
    """Write `table` as parquet, in groups of so many rows."""
    table.to_parquet(path, index=False, row_group_size=rows_a_group)
    return path


def about_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return smiles, name and moa of the drugs of `table`."""
    drugs = table.drop_duplicates("drug_id")[["drug_id", "name"]].set_index("drug_id")
    return drugs.assign(smiles=[SMILES[place % len(SMILES)] for place in range(len(drugs))], moa="inhibitor")
