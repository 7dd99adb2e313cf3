"""A tiny project, for tests that run a command hundreds of times: few lines, drugs and genes of the demo."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from anchordrug.raw.gctx import write_gctx
from tests.conftest import DEMO, small_params, write_params

LINES = ("SIM-T1", "SIM-A01", "SIM-A02", "SIM-A03")
DRUGS, GENES = 40, 16


def write_tiny_project(folder: Path) -> None:
    """Write params.yaml and a raw bundle into `folder`."""
    write_tiny_bundle(folder / "data")
    write_params(folder, tiny_params(small_params()) | {"predictor": "response_gp"})


def tiny_params(params: dict) -> dict:
    """Return the params of a small project with features and campaigns for the tiny bundle, in `data`."""
    params["raw"]["dir"] = "data"
    params["featurize"]["drug"]["bits"] = 128
    params["featurize"]["cell"] |= {"dim": 4, "epochs": 2}
    params["select"] |= {"budget": [3, 6], "batch": 3}
    return params


def write_tiny_bundle(folder: Path) -> None:
    """Write a part of the demo's bundle."""
    folder.mkdir(parents=True)
    signatures = pd.read_csv(DEMO / "siginfo_beta.txt", sep="\t")
    drugs = sorted(signatures["pert_id"].unique())[:DRUGS]
    wanted = signatures["cell_iname"].isin(LINES) & signatures["pert_id"].isin(drugs)
    signatures[wanted].to_csv(folder / "siginfo_beta.txt", sep="\t", index=False)
    compounds = pd.read_csv(DEMO / "compoundinfo_beta.txt", sep="\t")
    compounds[compounds["pert_id"].isin(drugs)].to_csv(
        folder / "compoundinfo_beta.txt", sep="\t", index=False
    )
    genes = (DEMO / "gene_panel_96.txt").read_text(encoding="utf-8").split()[:GENES]
    (folder / f"gene_panel_{GENES}.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")
    for name in ("geneinfo_beta.txt", "basal_expression_n60x128.csv.gz", "gene_ontology_n126x160.csv.gz"):
        shutil.copy(DEMO / name, folder)
    (matrix,) = DEMO.glob("*.gctx")
    with h5py.File(matrix, "r") as file:
        ids = np.char.decode(file["0/META/COL/id"][()].astype(bytes))  # type: ignore[index]
        names = np.char.decode(file["0/META/ROW/id"][()].astype(bytes))  # type: ignore[index]
        rows = np.flatnonzero(np.isin(ids, signatures.loc[wanted, "sig_id"]))
        z = file["0/DATA/0/matrix"][()][rows]  # type: ignore[index]
    write_gctx(
        folder / f"level5_beta_trt_cp_n{len(rows)}x{len(names)}.gctx",
        z,
        pd.DataFrame({"id": ids[rows]}),
        pd.DataFrame({"id": names}),
    )
