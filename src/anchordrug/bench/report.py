"""The report of a finished campaign: one HTML file that opens offline."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from anchordrug import schemas
from anchordrug.atlas.conditions import in_words
from anchordrug.bench import folder as files
from anchordrug.bench.agreement import agreement_in_words
from anchordrug.bench.doses import condition_notes, doses_of_rounds
from anchordrug.bench.measurements import Measurements, read_outcome, read_selection
from anchordrug.bench.world import World
from anchordrug.files.tables import read_table
from anchordrug.report.drug_panel import Measured, drug_panel, groups_table
from anchordrug.report.drugs import Drawings
from anchordrug.report.figures import Figures
from anchordrug.report.page import write_page
from anchordrug.report.predictions import Predictions, read_predictions

# Files of a target, by the ending after its name.
FILES = {
    ".parquet": "every prediction: one row per drug and gene with label, probabilities, z and confidence; "
    "for R and Python",
    ".xlsx": "every prediction, for Excel",
    ".h5ad": "every prediction as AnnData, for scanpy",
    ".csv": "every prediction as text",
    ".tsv": "every prediction as text",
    ".parquet.rejects.csv": "drugs that could not be predicted, with reasons",
    ".parquet.duplicates.csv": "drugs with the structure of another drug of the library",
    ".onnx": "the fitted model: predicts any other compound with anchordrug predict",
}

ROUND_FILES = {files.OUTCOME: "which wells and replicates counted", files.RESPONSES: "measured z-scores"}
ABOUT = ["inchikey", "smiles", "name", "moa"]
AGREEMENT = {"before": "r before", "after": "r after"}
NOTE = (
    "Replicates r is the correlation between replicates. The others are those of the measured response with "
    "a prediction that does not know it: before, from other cell lines alone; after, from them and all other "
    "measured drugs."
)


def write_report(
    world: World,
    measured: Measurements,
    compounds: pd.DataFrame,
    agreements: Mapping[str, pd.DataFrame],
    evidence: pd.DataFrame,
    folder: Path,
) -> None:
    """Write the report: the predictions to believe first, the files, and the drugs, measured and predicted.

    Parameters
    ----------
    compounds
        drug_id, name, smiles and inchikey of all that was predicted, by the ids of its tables.
    agreements
        By target, as `anchordrug.bench.agreement.agreement` gives them.
    evidence
        schemas.EVIDENCE.
    folder
        Has the predictions and models of every target, and gets the report.
    """
    figures, drawings, about = Figures(), Drawings(), _about(world, compounds)
    by_id = about.drop_duplicates("drug_id").set_index("drug_id")
    outcomes, panels = _outcomes(world), []
    for target, drugs, z in zip(world.campaign.targets, measured.drugs, measured.z, strict=True):
        predictions = read_predictions(folder / f"{target}.parquet", world.atlas.genes)
        own = outcomes[outcomes["cell_line"] == target]
        agreed = agreements[target].rename(columns=AGREEMENT).dropna(axis="columns", how="all")
        table = _measured(world, drugs, about, own).join(agreed)
        learned = Measured(table, z, world.settings.curate.threshold, NOTE)
        panel = drug_panel(target, predictions, learned, by_id, figures, drawings)
        panel["groups"] = _groups(predictions, table, evidence[evidence["cell_line"] == target])
        panel["agreement"] = agreement_in_words(agreements[target])
        panel["failed"] = _failed(world, own)
        panels.append(panel)
    write_page(
        "campaign.html",
        folder / files.REPORT,
        targets=", ".join(world.campaign.targets),
        anchors=measured.anchors,
        summary=_summary(world),
        conditions=_conditions(world),
        files=_files(world, folder),
        panels=panels,
        rounds=_rounds(outcomes),
        forecast=_forecast(world),
        drawings=drawings,
    )


def _summary(world: World) -> str:
    campaign = world.campaign
    lines = len(set(world.sources.cell_line.tolist()))
    made = "; a rehearsal on measured responses" if campaign.rehearsal else ""
    return (
        f"{len(world.library)} drugs in the library, {len(world.queries)} to be predicted, from {lines} "
        f"other cell lines. Predictor {world.settings.predictor}, strategy {campaign.strategy}, seed "
        f"{campaign.seed}{made}."
    )


def _conditions(world: World) -> list[str]:
    """Return dose and time of the drugs on the plates, and notes on them, in sentences."""
    time_h = world.campaign.plates.time_h
    doses = doses_of_rounds(world.folder, files.ingested_rounds(world.folder), world.campaign.targets)
    measured = ", ".join(in_words(dose, time_h) for dose in doses)
    return [
        f"Measured at {measured}; source lines: {world.atlas_conditions}.",
        *(f"{note}." for note in condition_notes(world, doses)),
    ]


def _about(world: World, compounds: pd.DataFrame) -> pd.DataFrame:
    """Return drug_id, inchikey, smiles, name and moa of the predicted drugs, and then of the atlas' drugs."""
    drugs = world.atlas.drugs
    moa = pd.concat([world.library, drugs]).drop_duplicates("inchikey").set_index("inchikey")["moa"]
    own = compounds.assign(moa=compounds["inchikey"].map(moa))
    return pd.concat([table[["drug_id", *ABOUT]] for table in (own, drugs)], ignore_index=True)


def _outcomes(world: World) -> pd.DataFrame:
    """Return the outcomes of the drugs of all rounds with results: schemas.OUTCOME, and more columns."""
    tables = [
        read_outcome(world.folder, number)
        .assign(round=number)
        .merge(
            read_selection(world.folder, number)[["drug_id", "reason"]],
            on="drug_id",
            suffixes=("", "_chosen"),
        )
        for number in files.ingested_rounds(world.folder)
    ]
    if not tables:
        return pd.DataFrame(columns=[*schemas.OUTCOME.columns, "round", "reason_chosen", "row"])
    together = pd.concat(tables, ignore_index=True)
    return together.assign(row=world.rows_of(together["drug_id"]))


def _measured(world: World, drugs: np.ndarray, about: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the drugs measured in a target, by their ids in the predictions, and how their rounds went.

    Drugs that the atlas has measured have no round.
    """
    keys = world.atlas.drugs["inchikey"].to_numpy()[drugs]
    by_key = about.drop_duplicates("inchikey").set_index("inchikey").loc[keys].reset_index()
    last = outcomes[outcomes["status"] == "ok"].drop_duplicates("row", keep="last").set_index("row")
    own = last.reindex(drugs).reset_index()
    return by_key[["drug_id", "name", "moa", "smiles"]].assign(
        **{
            "round": own["round"].astype("Int64"),
            "why chosen": own["reason_chosen"],
            "replicates r": own["replicate_correlation"],
        }
    )


def _failed(world: World, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the drugs without a result, and why."""
    lost = outcomes[outcomes["status"] != "ok"]
    drugs = world.atlas.drugs.iloc[lost["row"].to_numpy(np.int64)]
    return lost[["round", "drug_id"]].assign(
        name=drugs["name"].to_numpy(), status=lost["status"], reason=lost["reason"]
    )


def _groups(predictions: Predictions, measured: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    scores = evidence.set_index("group")[["macro_f1", "low", "high"]].dropna(axis="columns", how="all")
    return groups_table(predictions, measured["drug_id"].tolist(), scores)


def _files(world: World, folder: Path) -> list[tuple[str, str, str]]:
    """Return address, name and contents of every file that a reader may want; addresses are relative."""
    found = [
        (quote(path.name), path.name, told)
        for target in world.campaign.targets
        for path, told in ((folder / f"{target}{end}", told) for end, told in FILES.items())
        if path.exists()
    ]
    found.append((files.COMPOUNDS, files.COMPOUNDS, "the drugs predicted: ids, names, structures"))
    for number in files.round_numbers(world.folder):
        here = files.round_of(world.folder, number)
        for name, told in ROUND_FILES.items():
            path = here / name
            if path.exists():
                place = path.relative_to(world.folder).as_posix()
                found.append((f"../{place}", place, f"{told}, round {number}"))
    return found


def _rounds(outcomes: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (number, line), own in outcomes.groupby(["round", "cell_line"], sort=False):
        counts = own["status"].value_counts()
        rows.append(
            {
                "round": number,
                "cell line": line,
                **{status: int(counts.get(status, 0)) for status in ("ok", "failed", "missing")},
                "replicates agree (median r)": own["replicate_correlation"].median(),
                "share of genes changed": own["changed"].mean(),
            }
        )
    return pd.DataFrame(rows)


def _forecast(world: World) -> pd.DataFrame | None:
    """Return the expected gain of every round; None where the predictor could not tell."""
    tables = []
    for number in files.round_numbers(world.folder):
        path = files.round_of(world.folder, number) / files.ADVICE
        if path.exists():
            advice = schemas.validate(
                read_table(path, schemas.text_columns(schemas.ADVICE)), schemas.ADVICE, path, files.RESTORE
            )
            tables.append(advice.groupby("cell_line", sort=False).nth(1).assign(round=number))
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)[["round", "cell_line", "gain", "gain_low", "gain_high"]]
    return table.rename(columns=lambda name: name.replace("_", " "))
