"""The report of a finished campaign: one HTML file that opens offline."""

from pathlib import Path

import pandas as pd

from anchordrug import schemas
from anchordrug.bench import folder as files
from anchordrug.bench.measurements import Measurements, read_outcome, read_selection
from anchordrug.bench.world import World
from anchordrug.files.tables import read_table
from anchordrug.report.page import write_page


def write_report(
    world: World,
    measured: Measurements,
    metrics: dict,
    evidence: pd.DataFrame,
    strongest: pd.DataFrame,
    path: Path,
) -> None:
    """Write the report: what was asked for, what came back, how far to trust it, and what is predicted."""
    campaign = world.campaign
    lines = len(set(world.sources.cell_line.tolist()))
    write_page(
        "campaign.html",
        path,
        targets=", ".join(campaign.targets),
        anchors=measured.anchors,
        summary=f"{world.settings.predictor}, strategy {campaign.strategy}, seed {campaign.seed}, "
        f"{len(world.library)} drugs in the library, {len(world.queries)} to be predicted, "
        f"{lines} source cell lines{'; a rehearsal on measured responses' if campaign.rehearsal else ''}.",
        other_conditions=world.other_conditions,
        evidence=evidence[evidence["drugs"] > 0],
        trust=_trust(metrics),
        rounds=_rounds(world),
        forecast=_forecast(world),
        outcomes=_anchors(world),
        strongest=strongest[["cell_line", "drug_id", "name", "down", "up"]],
        files=pd.DataFrame(
            [(f"{target}.{kind}", what) for target in campaign.targets for kind, what in FILES.items()],
            columns=["file", "holds"],
        ),
    )


FILES = {
    "onnx": "the fitted predictor, for anchordrug predict or any program with onnxruntime",
    "parquet": "label, probabilities and z of every drug and gene, and how far to trust them",
    "parquet.rejects.csv": "drugs that could not be predicted, with reasons",
    "parquet.duplicates.csv": "drugs with the structure of another one",
}


def _trust(metrics: dict) -> pd.DataFrame:
    rows = [
        {
            "cell line": target,
            "anchors": values["anchors"],
            "from source lines alone": values["anchors_correlation_with_prior"],
            "with the other anchors": values.get("anchors_correlation_left_out"),
            **{f"share {label}": share for label, share in values["label_shares"].items()},
        }
        for target, values in metrics.items()
    ]
    return pd.DataFrame(rows)


def _ingested(world: World) -> list[int]:
    return [n for n in files.round_numbers(world.folder) if files.is_ingested(world.folder, n)]


def _rounds(world: World) -> pd.DataFrame:
    rows = []
    for number in _ingested(world):
        for line, own in read_outcome(world.folder, number).groupby("cell_line", sort=False):
            counts = own["status"].value_counts()
            rows.append(
                {
                    "round": number,
                    "cell line": line,
                    **{status: int(counts.get(status, 0)) for status in ("ok", "failed", "missing")},
                    "replicates r": own["replicate_correlation"].median(),
                    "changed genes": own["changed"].mean(),
                }
            )
    return pd.DataFrame(rows)


def _forecast(world: World) -> pd.DataFrame | None:
    """Return what every round was expected to bring; None where the predictor could not tell."""
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
    return pd.concat(tables)[["round", "cell_line", "gain", "gain_low", "gain_high"]]


def _anchors(world: World) -> pd.DataFrame:
    rows = [
        read_outcome(world.folder, number).merge(
            read_selection(world.folder, number)[["drug_id", "name", "moa", "round"]], on="drug_id"
        )
        for number in _ingested(world)
    ]
    columns = ["round", "cell_line", "drug_id", "name", "moa", "status", "replicate_correlation", "changed"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)
