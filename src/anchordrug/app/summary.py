"""The predictions of a library in a row per drug, with the genes that are likeliest to change."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from anchordrug.bench import folder as files
from anchordrug.files.digests import sha256
from anchordrug.files.tables import read_json, write_json, write_table

STRONGEST = 5
# Of a heatmap.
MOST_DRUGS, MOST_GENES = 40, 40
SUMMARISED = "summarised.json"
_COLUMNS = ("drug_id", "name", "gene", "label", "p_down", "p_up", "z", "confidence", "evidence", "similarity")


def summary_path(folder: Path, target: str) -> Path:
    """Return where the summary of a target is, in the folder beside a campaign."""
    return folder / f"summary-{target}.parquet"


def is_summarised(folder: Path, campaign: Path) -> bool:
    """Return whether the summaries are of the predictions that the campaign has now."""
    path = folder / SUMMARISED
    return path.exists() and read_json(path) == _stamps(campaign)


def summarise(folder: Path, campaign: Path) -> None:
    """Write the summary of every target of a finished campaign into `folder`, the one beside it."""
    from anchordrug.bench.settings import read_campaign

    for target in read_campaign(campaign / files.SETTINGS).targets:
        summary_of(
            campaign / files.FINISH / f"{target}.parquet",
            summary_path(folder, target),
            campaign / files.FINISH / files.COMPOUNDS,
        )
    write_json(_stamps(campaign), folder / SUMMARISED)


def _stamps(campaign: Path) -> dict[str, object]:
    return {path.name: sha256(path) for path in sorted((campaign / files.FINISH).glob("*.parquet"))}


def summary_of(predictions: Path, out: Path, compounds: Path | None = None) -> None:
    """Write a row per drug: evidence, confidence, counts of changed genes, and the strongest ones.

    Parameters
    ----------
    predictions
        A long table as `anchordrug predict` writes it; a drug's rows are together.
    compounds
        A table of drug_id and smiles, for structures.
    """
    table = pd.DataFrame([_row(drug) for drug in _drugs(predictions)])
    if compounds is not None:
        smiles = pd.read_csv(compounds, dtype=str, usecols=["drug_id", "smiles"]).drop_duplicates("drug_id")
        table = table.merge(smiles, on="drug_id", how="left")
    write_table(table, out)


def _drugs(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of each drug; a table is read in blocks, as a library may have 20 million rows."""
    rest = pd.DataFrame()
    with pq.ParquetFile(path) as file:
        columns = [name for name in (*_COLUMNS, "smiles") if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=2**18, columns=columns):
            rest = pd.concat([rest, batch.to_pandas()], ignore_index=True)
            *whole, (_, rest) = rest.groupby("drug_id", sort=False)
            for _, drug in whole:
                yield drug
    if len(rest):
        yield rest


def _row(drug: pd.DataFrame) -> dict[str, object]:
    first = drug.iloc[0]
    change = (drug["p_up"] - drug["p_down"]).to_numpy()
    # Ties in the order of genes.
    order = np.argsort(-np.abs(change), kind="stable")[:STRONGEST]
    genes = drug["gene"].to_numpy()
    words = ", ".join(f"{genes[place]} {'↑' if change[place] > 0 else '↓'}" for place in order)
    counts = drug["label"].value_counts()
    return {
        "drug_id": first["drug_id"],
        "name": first["name"],
        **({"smiles": first["smiles"]} if "smiles" in drug else {}),
        "evidence": first["evidence"],
        "confidence": round(float(first["confidence"]), 3),
        "similarity": round(float(first["similarity"]), 2),
        "down": int(counts.get("down", 0)),
        "up": int(counts.get("up", 0)),
        "strongest": words,
    }


def heatmap(predictions: Path, drug_ids: list[str]) -> pd.DataFrame:
    """Return the change of drugs x genes that is expected, p(up) - p(down), for the genes that differ most.

    Rows and columns that are alike are neighbours.

    Parameters
    ----------
    predictions
        A long table as `anchordrug predict` writes it.
    drug_ids
        Which drugs.
    """
    wanted = drug_ids[:MOST_DRUGS]
    table = pd.read_parquet(
        predictions, columns=["drug_id", "gene", "p_down", "p_up"], filters=[("drug_id", "in", wanted)]
    )
    table["change"] = table["p_up"] - table["p_down"]
    matrix = table.pivot_table("change", "drug_id", "gene", sort=False)
    genes = matrix.abs().max().sort_values(ascending=False, kind="stable").index[:MOST_GENES]
    matrix = matrix[genes]
    return matrix.iloc[_order(matrix.to_numpy()), _order(matrix.to_numpy().T)]


def _order(rows: np.ndarray) -> np.ndarray:
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(rows) < 3:
        return np.arange(len(rows))
    return leaves_list(linkage(rows.astype(np.float64), "average", optimal_ordering=True))
