"""How large a campaign's report is, how long it takes to make, and when Chromium has opened it.

The predictions are made up: evidence groups, labels and z at random, structures from rdkit's NCI set.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import sync_playwright
from rdkit import Chem, RDConfig, rdBase

from anchordrug.evidence_group import GROUPS
from anchordrug.files.tables import write_json
from anchordrug.report.drug_panel import Measured, drug_panel, groups_table
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.page import write_page
from anchordrug.report.predictions import read_predictions

GENES, MEASURED, BLOCK, OPENED = 307, 30, 2000, 5
NAMES = [f"GENE{place:03d}" for place in range(GENES)]


def predictions(first: int, drugs: int) -> pd.DataFrame:
    """Return the rows of some made-up drugs."""
    rng = np.random.default_rng(first)
    ids = [f"D{place:06d}" for place in range(first, first + drugs)]
    about = pd.DataFrame({"drug_id": ids, "name": [f"compound {drug}" for drug in ids], "nearest_drug": ids})
    about["evidence"] = rng.choice(GROUPS, drugs)
    about["source_lines"] = np.where(about["evidence"] == "seen", 3, 0)
    about[["similarity", "confidence"]] = rng.uniform(0.3, 1, (drugs, 2)).astype(np.float32)
    table = about.loc[np.repeat(np.arange(drugs), GENES)].reset_index(drop=True)
    p = rng.dirichlet([1, 2, 1], len(table)).astype(np.float32)
    table["gene"], table["z"] = NAMES * drugs, 4 * (p[:, 2] - p[:, 0])
    table["label"] = np.array(["down", "none", "up"])[p.argmax(axis=1)]
    table[["p_down", "p_none", "p_up"]] = p
    return table


def make_page(drugs: int, folder: Path) -> tuple[Path, float]:
    """Return the report of so many drugs, and the processor seconds that it took."""
    path = folder / f"{drugs}.parquet"
    parts = (predictions(at, min(BLOCK, drugs - at)) for at in range(0, drugs, BLOCK))
    with pq.ParquetWriter(path, pa.Table.from_pandas(predictions(0, 1)).schema) as writer:
        for part in parts:
            writer.write_table(pa.Table.from_pandas(part, schema=writer.schema))
    with rdBase.BlockLogs():
        listed = (Path(RDConfig.RDDataDir) / "NCI/first_5K.smi").read_text().splitlines()
        smiles = [text for text in (line.split()[0] for line in listed) if Chem.MolFromSmiles(text)]
    started = time.process_time()
    found = read_predictions(path, NAMES)
    about = found.drugs.set_index("drug_id")[["name"]].assign(moa="inhibitor of a kinase")
    about["smiles"] = [smiles[place % len(smiles)] for place in range(drugs)]
    z = np.random.default_rng(0).normal(0, 2, (MEASURED, GENES)).astype(np.float32)
    measured = Measured(about.reset_index().iloc[:MEASURED], z, 1.5)
    drawings = Drawings()
    panel = drug_panel("LINE", found, measured, about, Figures(), drawings)
    panel |= {"groups": groups_table(found, [], pd.DataFrame()), "agreement": "", "failed": []}
    page = folder / f"{drugs}.html"
    values = {"targets": "LINE", "anchors": range(MEASURED), "summary": "", "conditions": [], "files": []}
    values |= {"rounds": pd.DataFrame({"round": [1]}), "forecast": None, "drawings": drawings}
    write_page("campaign.html", page, panels=[panel], **values)
    return page, time.process_time() - started


def opened(page: Path, program: str) -> float:
    """Return the median milliseconds until a page and its tables are shown, each time in a new context."""
    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(OPENED):
            shown = browser.new_page()
            shown.goto(page.as_uri(), wait_until="load")
            took.append(shown.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            shown.close()
        browser.close()
    return statistics.median(took)


def main() -> None:
    """Write one record per number of drugs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drugs", type=int, nargs="+", default=[1000, 20000])
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    records = {}
    for drugs in arguments.drugs:
        with tempfile.TemporaryDirectory() as folder:
            page, seconds = make_page(drugs, Path(folder))
            record = {"MB": round(page.stat().st_size / 1e6, 2), "processor seconds": round(seconds, 1)}
            record["opened after ms"] = round(opened(page, arguments.browser))
        records[str(drugs)] = record
        print(drugs, record)
    write_json(records, arguments.out)


if __name__ == "__main__":
    main()
